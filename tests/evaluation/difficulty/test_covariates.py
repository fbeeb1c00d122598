"""Size, contrast, noise and ranks against brute force, known truth and scipy."""

import math

import numpy as np
import pytest
from scipy import ndimage
from scipy.spatial import cKDTree
from scipy.stats import rankdata

from nnunetv2_fair.evaluation.difficulty.covariates import contrast, mean_rank, noise, size_of

SPACING = (2.5, 0.7, 0.9)


@pytest.mark.parametrize("n_axes", [2, 3])
def test_contrast_is_that_of_voxels_within_a_radius(n_axes):
    rng = np.random.default_rng(n_axes)
    shape, spacing = (9, 30, 26)[-n_axes:], SPACING[-n_axes:]
    mask = ndimage.gaussian_filter(rng.normal(size=shape), 2) > 0.05
    mask[..., :8, :] = False
    image = rng.normal(100, 5, shape) + 12 * mask
    grid = np.stack(np.meshgrid(*map(np.arange, shape), indexing="ij"), -1) * spacing
    away, _ = cKDTree(grid[mask]).query(grid[~mask])
    size = mask.sum() * np.prod(spacing)
    radius = (3 * size / 4 / math.pi) ** (1 / 3) if n_axes == 3 else math.sqrt(size / math.pi)
    near = image[~mask][away <= max(radius, *spacing) + 1e-9]
    inside = image[mask]
    expected = abs(inside.mean() - near.mean()) / math.sqrt((inside.var() + near.var()) / 2)
    assert contrast(image, mask, spacing) == pytest.approx(expected)
    assert size_of(mask, spacing) == pytest.approx(size)
    assert contrast(3 * image + 7, mask, spacing) == pytest.approx(expected), "units cancel"


def test_contrast_of_special_cases():
    mask = np.zeros((5, 5), bool)
    image = np.full((5, 5), 7.0)
    assert math.isnan(contrast(image, mask, (1, 1)))
    assert math.isnan(contrast(image, ~mask, (1, 1)))
    mask[2, 2] = True
    assert contrast(image, mask, (1, 1)) == 0
    assert contrast(image + mask, mask, (1, 1)) == math.inf


@pytest.mark.parametrize("deviation", [2.0, 8.0])
def test_noise_is_recovered_beside_a_smooth_image(deviation):
    rows, columns = np.mgrid[:160, :140]
    smooth = 0.5 * rows + 0.3 * columns
    image = smooth + np.random.default_rng(0).normal(0, deviation, smooth.shape)
    low, high = np.percentile(image, [5, 95])
    assert noise(image) * (high - low) == pytest.approx(deviation, rel=0.04)
    volume = np.stack([image, image[::-1]])
    low, high = np.percentile(volume, [5, 95])
    assert noise(volume) * (high - low) == pytest.approx(deviation, rel=0.04)
    assert math.isnan(noise(np.full((9, 9), 3)))
    assert math.isnan(noise(np.ones((2, 9))))


def test_mean_ranks_are_scipys():
    rng = np.random.default_rng(0)
    columns = [rng.integers(0, 6, 20).astype(float), rng.normal(size=20)]
    expected = sum((rankdata(c) - 1) / 19 for c in columns) / 2
    assert np.allclose(mean_rank(columns), expected)
    columns[0][3] = math.nan
    found = mean_rank(columns)
    assert found[3] == pytest.approx((rankdata(columns[1])[3] - 1) / 19)
    assert math.isnan(mean_rank([np.array([math.nan, 1.0])])[0])
