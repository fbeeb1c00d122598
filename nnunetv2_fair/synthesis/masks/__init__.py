"""Masks of a group learnt as outlines, and new ones drawn.

May import `cropping`, `dataset_conversion.shared`, `networks.devices`, `subgroups`,
`synthesis.pack`, `synthesis.quality`, `synthesis.training_cases`, `tables`.
"""
