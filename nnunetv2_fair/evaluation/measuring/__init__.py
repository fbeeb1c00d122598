"""From two folders of masks to one row of values per case and label, resumable.

Imports masks, metrics and results.
"""
