"""Several evaluations of the same cases compared: paired differences and ranks.

Imports results and statistics.
"""
