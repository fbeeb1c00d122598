"""From original data to nnU-Net datasets."""
