"""Groups of one size in training: large ones sampled down, small ones filled up.

May import `dataset_conversion.shared`, `.twins` and `.writing`, `subgroups`, `synthesis.pack`,
`tables`.
"""
