"""Failures: when a segmentation counts as failed, how often that is, and whether groups differ.

Imports results, statistics and the facts of the registry; knows nothing about files and masks.
"""
