"""Degraded labels: against scipy's own morphology, in millimetres, with several classes."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from nnunetv2_fair.dataset_conversion.twins.degrading import (
    HOWS,
    degraded,
    dilated,
    dropped,
    eroded,
    shifted,
    smoothed,
)

SPACING = (3.0, 0.8, 1.1)


def labels_of(seed: int, shape=(7, 22, 25)) -> np.ndarray:
    """Two nested classes in a few blobs, none of them at the edge."""
    rng = np.random.default_rng(seed)
    noise = ndimage.gaussian_filter(rng.normal(size=shape), (1, 2, 2)[-len(shape) :])
    labels = np.digitize(noise, np.quantile(noise, [0.75, 0.9])).astype(np.uint8)
    inside = np.zeros(shape, bool)
    inside[tuple(slice(1, -1) for _ in shape)] = True
    return labels * inside


def ball(depth: float, spacing) -> np.ndarray:
    """Offsets at most ``depth`` away, as scipy's structuring element."""
    reach = [int(depth / s + 1e-9) for s in spacing]
    grids = np.meshgrid(*(np.arange(-n, n + 1) for n in reach), indexing="ij")
    squares = sum((g * s) ** 2 for g, s in zip(grids, spacing, strict=True))
    return np.sqrt(squares) <= depth + 1e-9


@pytest.mark.parametrize("depth", [0.8, 1.1, 2.4, 3.0, 3.5])
@pytest.mark.parametrize("seed", [1, 2])
def test_erosion_and_dilation_are_scipys_with_a_ball_in_millimetres(depth, seed):
    labels = labels_of(seed)
    element = ball(depth, SPACING)
    inner = eroded(labels, depth, SPACING)
    expected = ndimage.binary_erosion(labels > 0, element, border_value=1)
    assert np.array_equal(inner > 0, expected)
    assert np.array_equal(inner[expected], labels[expected]), "borders between labels stay"
    outer = dilated(labels, depth, SPACING)
    assert np.array_equal(outer > 0, ndimage.binary_dilation(labels > 0, element))
    assert np.array_equal(outer[labels > 0], labels[labels > 0])


def test_anisotropic_voxels_are_not_eroded_across_thick_slices():
    labels = np.zeros((5, 9, 9), np.uint8)
    labels[1:4, 2:7, 2:7] = 1
    thin = eroded(labels, 1.0, (5.0, 1.0, 1.0))
    assert np.array_equal(np.flatnonzero(thin.any(axis=(1, 2))), [1, 2, 3])
    assert thin[2].sum() == 9
    assert eroded(labels, 5.0, (5.0, 9.0, 9.0)).any(axis=(1, 2)).tolist() == [0, 0, 1, 0, 0]


def test_what_grows_takes_the_label_that_is_nearest():
    row = np.array([[0, 0, 1, 2, 0, 0, 0]], np.uint8)
    assert dilated(row, 1.0, (1, 1)).tolist() == [[0, 1, 1, 2, 2, 0, 0]]
    assert dilated(row, 2.0, (1, 1)).tolist() == [[1, 1, 1, 2, 2, 2, 0]]


def test_a_mask_at_the_images_edge_is_not_eroded_from_there():
    labels = np.ones((4, 6), np.uint8)
    assert np.array_equal(eroded(labels, 3, (1, 1)), labels)
    labels[:, 4:] = 0
    assert eroded(labels, 1, (1, 1)).tolist() == [[1, 1, 1, 0, 0, 0]] * 4
    assert not dilated(np.zeros((3, 3), np.uint8), 2, (1, 1)).any()


@pytest.mark.parametrize("direction", [(0, 1, 0), (1, -2, 0.5), (-1, 0, -1)])
def test_shifts_are_scipys_in_whole_voxels(direction):
    labels = labels_of(3)
    vector = np.array(direction) / np.linalg.norm(direction) * 4.0
    steps = np.round(vector / SPACING)
    expected = ndimage.shift(labels, steps, order=0, mode="constant", cval=0)
    assert np.array_equal(shifted(labels, 4.0, SPACING, direction), expected)
    assert not shifted(labels, 1e4, SPACING, direction).any()
    assert not np.array_equal(expected, labels)


def test_smoothing_is_the_largest_of_scipys_gaussians():
    labels = labels_of(4)
    found = smoothed(labels, 1.5, SPACING)
    sigma = 1.5 / np.array(SPACING)
    shares = [
        ndimage.gaussian_filter((labels == v).astype(float), sigma, mode="nearest")
        for v in (0, 1, 2)
    ]
    assert np.array_equal(found, np.argmax(shares, axis=0))
    assert not np.array_equal(found, labels)
    speck = np.zeros((9, 9), np.uint8)
    speck[4, 4] = 1
    assert not smoothed(speck, 2, (1, 1)).any()
    assert np.array_equal(smoothed(labels, 0, SPACING), labels)


def test_pieces_are_dropped_with_their_probability_and_more_with_a_larger_one():
    labels = np.zeros((1, 600), np.uint8)
    labels[0, ::3] = 1
    labels[0, 1::6] = 2  # half of the pieces have two classes
    kept = dropped(labels, 0.3, np.random.default_rng(0))
    pieces, n = ndimage.label(labels)
    left = {int(v) for v in np.unique(pieces[kept > 0])}
    assert n == 200
    assert abs(n - len(left) - 60) < 25
    assert all(np.array_equal(kept[pieces == v], labels[pieces == v]) for v in left)
    more = dropped(labels, 0.6, np.random.default_rng(0))
    assert not np.any((more > 0) & (kept == 0))
    assert not dropped(labels, 1.0, np.random.default_rng(0)).any()


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000), st.sampled_from(HOWS), st.floats(0.05, 1.0), st.sampled_from([2, 3]))
def test_nothing_new_appears_and_larger_doses_do_no_less(seed, how, amount, n_axes):
    labels = labels_of(seed, (6, 18, 16)[-n_axes:])
    spacing = SPACING[-n_axes:]
    rng = np.random.default_rng(seed)
    found = degraded(labels, how, amount * (1 if how == "drop" else 4), spacing, rng)
    assert found.dtype == labels.dtype
    assert found.shape == labels.shape
    assert set(np.unique(found)) <= set(np.unique(labels))
    inside, before = found > 0, labels > 0
    if how in ("erode", "drop"):
        assert not np.any(inside & ~before)
    if how == "dilate":
        assert not np.any(before & ~inside)
