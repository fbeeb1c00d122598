"""Groups compared: means, gaps, effects, tests and their intervals, by patient.

Imports results and the facts of the registry; knows nothing about files and masks.
"""
