"""Results as rows: the table of cases, and tables for people and spreadsheets.

Imports the frozen values of results.
"""
