"""What a study has found so far: the index page and its tables.

Imports report and the other rooms of study; nothing imports it.
"""
