"""Groups of one size: sampled down, or filled up with synthetic cases that are only trained on.

``amounts`` decides how many of which, ``pack_cases`` checks the synthetic ones, ``folds`` lists
cases in training parts, ``plan`` is the dataset that is written.

May import `cropping`, `dataset_conversion.shared`, `.twins` and `.writing`, `subgroups` and
`synthesis.pack`.
"""
