"""Causes of a gap: scores with and without each cause are contrasted, and a rule names causes.

Works on scores, not on files. Imports the statistics of audits and of evaluations.
"""
