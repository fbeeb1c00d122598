"""Where along the outline errors lie: signed boundary errors by position, by group.

Imports masks, measuring, metrics, results and statistics.
"""
