"""Twins of nnU-Net datasets: the same images and people, other training labels or weights.

May import `cropping`, `dataset_conversion.shared` and `.writing`, `subgroups`.
"""
