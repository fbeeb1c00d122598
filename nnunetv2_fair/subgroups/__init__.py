"""Demographics: the only place that turns an attribute's value into a group.

Imports only the ground (errors, paths, files).
"""
