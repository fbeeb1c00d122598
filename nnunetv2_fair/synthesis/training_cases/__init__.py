"""Training cases of a dataset by group, and their pictures: what masks and images are learnt from.

May import `cropping`, `dataset_conversion.shared`, `subgroups`.
"""
