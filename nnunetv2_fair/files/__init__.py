"""Ground level: files and output folders written, locks, tables, NIfTI, hashes, processes.

Imports only errors and paths; no pandas.
"""
