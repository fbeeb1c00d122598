"""The step of a study that says which causes a gap has, from evaluations after interventions.

Imports the audit, its page, and the plan's argument.
"""
