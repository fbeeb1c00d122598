"""From the settings of a study to its steps, everything checked before the first one runs.

Imports the study file and facts of trainers; starts nothing.
"""
