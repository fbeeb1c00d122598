"""Rank tests of no difference between groups, whoever is in them.

Imports the units of estimation and the frozen values of results.
"""
