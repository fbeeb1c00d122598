"""Reading study.yaml: settings, or every problem at once with its line.

Imports only what is needed to check names, and the settings of tables.
"""
