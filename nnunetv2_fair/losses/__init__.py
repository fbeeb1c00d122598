"""Losses that know which group each sample is in."""
