"""Guessing the group from an embedding."""

from itertools import pairwise
from typing import Any

import torch
from torch import nn

#: Widths of the two hidden blocks. The paper gives the number of blocks, not their widths.
_WIDTHS = (128, 64)


def pool(features: torch.Tensor) -> torch.Tensor:
    """Return the mean over all positions.

    Args:
        features: ``(B, C, ...)``, or ``(B, C)`` if already pooled.

    Returns:
        ``(B, C)``.
    """
    return features if features.ndim == 2 else features.flatten(2).mean(2)


class AttributeDiscriminator(nn.Module):
    """Three blocks of linear layer and batch normalisation on the pooled embedding.

    There is a LeakyReLU between the blocks; without it the three would be one linear layer.

    Batch normalisation needs at least two samples. With fewer, the running statistics of earlier
    batches are used instead.

    Source: Xu et al., "Fair ultrasound diagnosis via adversarial protected attribute aware
    perturbations on latent embeddings", npj Digital Medicine 2025, D_p.

    Args:
        in_channels: Channels of the embedding.
        n_groups: Groups to distinguish, two or more.
    """

    def __init__(self, in_channels: int, n_groups: int) -> None:
        super().__init__()
        blocks: list[nn.Module] = []
        sizes = (in_channels, *_WIDTHS, n_groups)
        for size, next_size in pairwise(sizes):
            blocks += [nn.Linear(size, next_size), nn.BatchNorm1d(next_size), nn.LeakyReLU()]
        self.layers = nn.Sequential(*blocks[:-1])
        self.n_groups = n_groups

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """Return a logit per group.

        Args:
            features: ``(B, in_channels, ...)``, or pooled ``(B, in_channels)``.

        Returns:
            ``(B, n_groups)``, at least float32.
        """
        pooled: Any = pool(features)
        pooled = pooled.to(torch.promote_types(pooled.dtype, torch.float32))
        if self.training and len(pooled) < 2:
            self.eval()
            try:
                return self.layers(pooled)
            finally:
                self.train()
        return self.layers(pooled)
