"""TUSC: thyroid ultrasound cine clips in one HDF5 file.

Imports shared, writing and subgroups.
"""
