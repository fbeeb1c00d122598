"""What commands print: the tables of results as aligned plain text.

Imports results, and how pages call and write things.
"""
