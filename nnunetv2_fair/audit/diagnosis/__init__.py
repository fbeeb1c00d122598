"""From evaluations after interventions to what is said of the causes of a gap, in words.

Imports the rule of `audit.causes`, the scores and results of audits, and evaluations' results.
"""
