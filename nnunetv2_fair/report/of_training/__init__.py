"""The page on trainings: what every trainer of a study logged about the groups, side by side.

Draws ``subgroup_log.csv``; nothing imports it but the study's index.
"""
