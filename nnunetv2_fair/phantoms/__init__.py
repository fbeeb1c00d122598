"""Synthetic datasets with a planted, known bias."""
