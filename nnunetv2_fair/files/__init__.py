"""Ground level: writing atomically, output folders, locks, reading tables, NIfTI, hashes, versions, processes.

Imports only errors and paths; no pandas.
"""
