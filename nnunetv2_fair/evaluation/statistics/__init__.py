"""Groups compared: means, gaps, effects, tests and their intervals, by patient.

Imports results and the facts of the registry; knows no files and no masks.
"""
