"""Masks to outlines and back, and masks that have none."""

import numpy as np
import pytest

from nnunetv2_fair.synthesis.masks.outlines import (
    filled,
    mask_of,
    nesting_order,
    outlines,
)


def eye(disc: float = 34, cup: float = 18, shift: float = 3) -> np.ndarray:
    """Return a disc (1) with a cup (2) in it, 128 x 128."""
    rows, columns = np.mgrid[:128, :128]
    mask = (np.hypot((rows - 60) * 1.1, columns - 66) < disc).astype(np.uint8)
    mask[np.hypot(rows - 60 - shift, columns - 66) < cup] = 2
    return mask


def dice(one: np.ndarray, other: np.ndarray) -> float:
    return float(2 * (one & other).sum() / (one.sum() + other.sum()))


def test_a_mask_comes_back_from_its_outlines():
    mask = eye()
    assert nesting_order([mask], [1, 2]) == (1, 2)
    points, problem = outlines(mask, (1, 2), 64)
    assert problem is None
    found, why = mask_of(points, (1, 2), mask.shape)
    assert why is None
    assert dice(found > 0, mask > 0) > 0.99
    assert dice(found == 2, mask == 2) > 0.99


def test_an_outline_is_filled_as_matplotlib_does():
    from matplotlib.path import Path

    rng = np.random.default_rng(0)
    points = rng.uniform(5, 58, (9, 2)) + 0.013
    grid = np.stack(np.mgrid[:64, :64], axis=-1).reshape(-1, 2)
    square = np.array([[9.5, 9.5], [9.5, 40.5], [30.5, 40.5], [30.5, 9.5]])
    assert filled(square, (64, 64)).sum() == 21 * 31
    angle = np.sort(rng.uniform(0, 2 * np.pi, 9))
    star = 32 + np.hypot(*(points - 32).T)[:, None] * np.c_[np.sin(angle), np.cos(angle)] * 0.6
    expected = Path(star).contains_points(grid).reshape(64, 64)
    assert (filled(star, (64, 64)) == expected).all()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ((slice(2, 12), slice(2, 12), 1), "label 1 is in 2 pieces"),
        ((slice(52, 66), slice(86, 94), 0), "label 1 has a hole"),
        ((slice(0, 60), slice(60, 64), 1), "label 1 touches the border"),
        ((slice(0, 128), slice(0, 128), 0), "label 1 has 0 pixels"),
    ],
)
def test_masks_without_one_outline_each_are_refused_with_the_reason(change, said):
    mask = eye()
    rows, columns, value = change
    mask[rows, columns] = value
    points, why = outlines(mask, (1, 2), 64)
    assert np.isnan(points).all()
    assert said in str(why)


def test_a_comb_is_too_branched():
    mask = np.zeros((128, 128), dtype=np.uint8)
    mask[20:108, 30:33] = 1
    mask[20:108:4, 30:110] = 1
    points, why = outlines(mask, (1,), 64)
    assert np.isnan(points).all()
    assert "label 1 is too branched for an outline of 64 points" in str(why)


def test_outlines_that_make_no_valid_mask():
    good, _ = outlines(eye(), (1, 2), 64)
    moved = good.copy()
    moved[1] += 30
    assert mask_of(moved, (1, 2), (128, 128))[1] == "not nested"
    assert mask_of(good - 40, (1, 2), (128, 128))[1] == "touches the border"
    small = good.copy()
    small[1] = small[1].mean(axis=0)
    assert mask_of(small, (1, 2), (128, 128))[1] == "empty"
    assert mask_of(good * np.nan, (1, 2), (128, 128))[1] == "not finite"
