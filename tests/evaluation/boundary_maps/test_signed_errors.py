"""Signs and sizes of boundary errors, against masks that were moved by a known amount."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import binary_dilation, binary_erosion, distance_transform_edt

from nnunetv2_fair.evaluation.boundary_maps.signed_errors import is_inner, signed_errors


def _disc(radius: float = 12) -> np.ndarray:
    rows, columns = np.ogrid[:41, :41]
    return (rows - 20) ** 2 + (columns - 20) ** 2 <= radius**2


@pytest.mark.parametrize("steps", [1, 3])
def test_larger_is_beyond_and_smaller_is_inside(steps):
    box = np.zeros((30, 30), bool)
    box[8:22, 8:22] = True
    _, beyond = signed_errors(box, binary_dilation(box, iterations=steps), (2.0, 2.0))
    _, inside = signed_errors(box, binary_erosion(box, iterations=steps), (2.0, 2.0))
    # corners are nearer to the diamond that they grow into, and farther from the smaller box
    assert (np.median(beyond), np.median(inside)) == pytest.approx((2.0 * steps, -2.0 * steps))
    assert (beyond.min() > 0) & (inside.max() < 0)


def test_equal_masks_have_no_error():
    _, errors = signed_errors(_disc(), _disc(), (1.0, 0.5))
    assert not errors.any()


def test_sign_changes_where_a_mask_is_moved():
    outline, errors = signed_errors(_disc(), np.roll(_disc(), 3, axis=1), (1.0, 1.0))
    right = outline[:, 1] - 20 > 9
    left = outline[:, 1] - 20 < -9
    assert errors[right].min() > 1.5
    assert errors[left].max() < -1.5


@pytest.mark.parametrize("empty", ["reference", "prediction"])
def test_an_empty_mask_has_no_errors(empty):
    masks = {"reference": _disc(), "prediction": _disc()} | {empty: np.zeros((41, 41), bool)}
    assert signed_errors(masks["reference"], masks["prediction"], (1.0, 1.0)) is None


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**31), st.floats(0.3, 3), st.floats(0.3, 3), st.integers(2, 3))
def test_against_distance_transforms(seed, first, second, dimensions):
    generator = np.random.default_rng(seed)
    shape, spacing = (9, 11, 7)[:dimensions], (first, second, 1.0)[:dimensions]
    reference, prediction = (generator.random(shape) < 0.4 for _ in range(2))
    padded = np.pad(prediction, 1)
    border = (padded & ~binary_erosion(padded))[(slice(1, -1),) * dimensions]
    found = signed_errors(reference, prediction, spacing)
    assert found is not None
    outline, errors = found
    away = distance_transform_edt(~border, sampling=spacing)[tuple(outline.T)]
    assert np.abs(errors) == pytest.approx(away)
    assert (errors[errors != 0] > 0).tolist() == prediction[tuple(outline.T)][errors != 0].tolist()


def test_the_outline_of_a_hole_is_inner():
    ring = _disc(12) & ~_disc(6)
    outline, errors = signed_errors(ring, np.roll(ring, 2, axis=1), (1.0, 1.0))
    inner = is_inner(ring, outline, None)
    radius = np.hypot(*(outline - 20).T)
    assert inner.tolist() == (radius < 8).tolist()
    right = outline[:, 1] - 20 > np.where(inner, 5, 9)
    assert np.median(errors[right & ~inner]) == 2
    assert np.median(errors[right & inner]) == -2


def test_holes_are_those_of_slices():
    volume = np.stack([_disc(12), _disc(12) & ~_disc(6), _disc(12)])
    outline, _ = signed_errors(volume, volume, (1.0, 1.0, 1.0))
    radius = np.hypot(*(outline[:, 1:] - 20).T)
    assert is_inner(volume, outline, 0).tolist() == ((outline[:, 0] == 1) & (radius < 8)).tolist()
    # seen from the side, the cavity between the two lids is a hole too
    assert is_inner(volume, outline, 1).sum() > is_inner(volume, outline, 0).sum()
