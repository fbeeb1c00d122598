"""Formats of images and archives, byte by byte: where the voxels are, and whether files are whole.

Imports only errors and paths.
"""
