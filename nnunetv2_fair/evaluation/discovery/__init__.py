"""Searches every combination of groups for subgroups whose scores diverge.

Imports results, estimation and statistics; the search itself is in ``search``.
"""
