"""Metrics of a pair of masks, and the registry of all that is known about each metric.

Imports only the masks.
"""
