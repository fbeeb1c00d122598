"""Causes of a gap: scores with and without each cause are contrasted, and a rule names causes.

``backgrounds`` edits images, and all others work on scores; none reads files. Imports the
statistics of audits and of evaluations.
"""
