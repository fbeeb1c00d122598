"""What commands print: the tables of results as aligned plain text.

Imports results, and the titles and number formats of pages.
"""
