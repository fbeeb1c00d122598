"""Ground level: writing atomically, reading tables, NIfTI, hashes, versions, processes.

Imports only errors and paths; no pandas.
"""
