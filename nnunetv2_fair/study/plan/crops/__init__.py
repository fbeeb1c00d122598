"""Datasets that a study crops, and cascades of a model of full images and one of crops.

Imports the rest of the plan, but no steps; starts nothing.
"""
