"""The one way from a table as people keep it to checked values of people's attributes.

Knows cells, columns and the options that explain them, but not what groups are. Imports only the
ground (errors, paths, files).
"""
