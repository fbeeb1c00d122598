"""Statistics of groups with their intervals: units, resamples, estimates, fairness measures.

Imports results; knows nothing about files, masks and what is said about the numbers.
"""
