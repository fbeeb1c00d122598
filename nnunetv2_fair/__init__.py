"""Find, measure and mitigate unfairness in nnU-Net segmentation models."""

__version__ = "0.1.0"
