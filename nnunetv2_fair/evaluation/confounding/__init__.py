"""Gaps adjusted for what differs between groups besides their members: size, site, age.

Imports results, statistics and subgroups; knows nothing about files and masks.
"""
