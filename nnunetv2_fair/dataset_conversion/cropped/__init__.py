"""nnU-Net datasets cropped around an organ: all crops of one size, every voxel where it was.

May import `cropping`, `dataset_conversion.shared` and `.writing`, `subgroups`.
"""
