"""Individual cases on the page of an evaluation: pictures, the table of all, what was left out.

Imports the shared parts of pages and results.
"""
