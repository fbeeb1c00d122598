"""Datasets whose groups a study fills up with synthetic cases, and their models among the others.

Checks and steps; imports the rest of the plan, and of its steps what all steps are made with.
Starts nothing.
"""
