"""Presets and tables in the form of the papers.

May import every other room of evaluation.
"""
