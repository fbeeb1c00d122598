"""Measures taken from masks, and their errors by group: frozen values, and the table of cases.

Imports only what results import.
"""
