"""The one place that writes a dataset: checked, atomic, resumable, read back.

Imports files and subgroups.
"""
