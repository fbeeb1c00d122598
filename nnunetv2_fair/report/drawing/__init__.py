"""Figures as files: drawings that stand alone, as SVG and PNG, and numbers as CSV.

Imports only evaluation results; knows nothing of pages.
"""
