"""The page and the console tables of a comparison of models.

Imports the shared parts of pages and results.
"""
