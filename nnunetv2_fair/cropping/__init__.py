"""Boxes around organs, and crops of one size around them.

Ground level: imports only files.
"""
