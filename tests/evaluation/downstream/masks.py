"""Masks that another installation can make again, whose measures pyradiomics 3.0.1 told."""

import numpy as np


def ellipsoid(shape, radii):
    grids = np.meshgrid(*(np.arange(n) for n in shape), indexing="ij")
    parts = [((g - (n - 1) / 2) / r) ** 2 for g, n, r in zip(grids, shape, radii, strict=True)]
    return sum(parts) <= 1


def noise(shape, seed, share):
    return np.random.default_rng(seed).random(shape) < share
