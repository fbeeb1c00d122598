"""The page of an evaluation, section by section.

Imports the shared parts of pages and results.
"""
