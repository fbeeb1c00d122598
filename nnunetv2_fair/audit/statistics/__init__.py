"""Arithmetic of audits: gaps with standard errors, and estimates from two rulers; no files.

Imports audit.results and the statistics of evaluations.
"""
