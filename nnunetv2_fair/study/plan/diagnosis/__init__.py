"""Which gap a study diagnoses, what it can do about each cause, and what that costs.

Imports the rest of the plan; starts nothing.
"""
