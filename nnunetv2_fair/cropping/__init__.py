"""Boxes around organs.

Ground level: imports only files.
"""
