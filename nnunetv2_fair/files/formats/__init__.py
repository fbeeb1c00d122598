"""Formats of images, byte by byte: where the voxels are, and whether they are whole.

Imports only errors and paths.
"""
