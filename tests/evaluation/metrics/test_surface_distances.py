import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from nnunetv2_fair.errors import EvaluationError
from nnunetv2_fair.evaluation.metrics.surface_distances import (
    SurfaceMetrics,
    Surfaces,
    surface_metrics,
)


def brute_force(
    reference: np.ndarray, prediction: np.ndarray, spacing: tuple[float, ...], tolerance: float
) -> SurfaceMetrics:
    """All distances between all surface voxels, voxel by voxel."""

    def points(mask: np.ndarray) -> np.ndarray:
        found = []
        for voxel in np.argwhere(mask):
            for axis in range(mask.ndim):
                for step in (-1, 1):
                    other = voxel.copy()
                    other[axis] += step
                    inside = 0 <= other[axis] < mask.shape[axis]
                    if not inside or not mask[tuple(other)]:
                        found.append(tuple(voxel))
        return np.array(sorted(set(found))) * np.array(spacing)

    first, second = points(reference), points(prediction)
    distances = np.sqrt(((first[:, None] - second[None]) ** 2).sum(-1))
    there, back = distances.min(axis=1), distances.min(axis=0)

    def percentile(values: np.ndarray) -> float:
        ordered = np.sort(values)
        position = 0.95 * (len(ordered) - 1)
        low = math.floor(position)
        high = min(low + 1, len(ordered) - 1)
        return float(ordered[low] + (ordered[high] - ordered[low]) * (position - low))

    both = [*there, *back]
    return SurfaceMetrics(
        hd=max(both),
        hd95=max(percentile(there), percentile(back)),
        nsd=sum(distance <= tolerance + 1e-9 for distance in both) / len(both),
        assd=sum(both) / len(both),
    )


def assert_close(found: SurfaceMetrics, expected: SurfaceMetrics) -> None:
    for name in ("hd", "hd95", "nsd", "assd"):
        assert getattr(found, name) == pytest.approx(getattr(expected, name), abs=1e-6), name


masks_and_spacing = st.sampled_from([(5, 9), (11, 4), (3, 6, 5), (7, 2, 4)]).flatmap(
    lambda shape: st.tuples(
        st.just(shape),
        st.integers(0, 2**32 - 1),
        st.tuples(*(st.sampled_from([0.3, 0.7, 1.0, 2.5]) for _ in shape)),
        st.sampled_from([0.05, 0.4, 0.9]),
        st.sampled_from([0.0, 0.3, 1.0, 2.5]),
    )
)


@settings(deadline=None, max_examples=150)
@given(masks_and_spacing)
def test_equals_brute_force(drawn):
    shape, seed, spacing, density, tolerance = drawn
    generator = np.random.default_rng(seed)
    reference, prediction = (generator.random(shape) < density for _ in range(2))
    reference.flat[generator.integers(reference.size)] = True
    prediction.flat[generator.integers(prediction.size)] = True
    found = surface_metrics(reference, prediction, spacing, tolerance)
    assert_close(found, brute_force(reference, prediction, spacing, tolerance))
    # which mask is called the reference makes no difference
    assert_close(surface_metrics(prediction, reference, spacing, tolerance), found)


@pytest.mark.parametrize("shape", [(60, 43), (21, 34, 27)])
def test_solid_shapes_equal_brute_force(shape: tuple[int, ...]):
    spacing = (1.5, 0.6, 0.9)[-len(shape) :]
    grids = np.indices(shape)
    centre = np.array(shape).reshape(-1, *(1,) * len(shape)) / 2
    radius = np.sqrt((((grids - centre) / centre) ** 2).sum(0))
    reference, prediction = radius < 0.7, np.roll(radius < 0.55, 3, axis=0)
    prediction[(0,) * len(shape)] = True  # one far false positive tells HD from HD95
    found = surface_metrics(reference, prediction, spacing)
    expected = brute_force(reference, prediction, spacing, 1.0)
    assert_close(found, expected)
    assert found.hd > found.hd95 + 1


def test_hd95_is_the_larger_directed_percentile():
    reference = np.zeros((3, 200), dtype=bool)
    reference[1, :100] = True
    prediction = reference.copy()
    prediction[1, 100:110] = True
    there = np.zeros(100)
    back = np.r_[np.zeros(100), np.arange(1, 11) * 0.5]
    expected = max(np.percentile(there, 95), np.percentile(back, 95))
    pooled = np.percentile(np.r_[there, back], 95)
    found = surface_metrics(reference, prediction, (2.0, 0.5))
    assert found.hd95 == pytest.approx(expected)
    assert found.hd95 > pooled + 0.1


@pytest.mark.parametrize("shape", [(4, 7), (3, 5, 6)])
def test_empty_masks(shape: tuple[int, ...]):
    nothing, something = np.zeros(shape, dtype=bool), np.zeros(shape, dtype=bool)
    something[1, 2] = True
    spacing = (1.0,) * len(shape)
    both = surface_metrics(nothing, nothing, spacing)
    assert all(math.isnan(v) for v in (both.hd, both.hd95, both.nsd, both.assd))
    expected = SurfaceMetrics(math.inf, math.inf, 0.0, math.inf)
    assert surface_metrics(something, nothing, spacing) == expected
    assert surface_metrics(nothing, something, spacing) == expected


def test_same_mask_is_perfect():
    mask = np.zeros((6, 9, 5), dtype=bool)
    mask[1:5, 2:8, 1:4] = True
    found = surface_metrics(mask, mask, (3.0, 1.0, 0.5), 0.0)
    assert found == SurfaceMetrics(0.0, 0.0, 1.0, 0.0)


def test_tolerance_counts_equal_distances():
    reference = np.zeros((2, 9), dtype=bool)
    prediction = reference.copy()
    reference[0, 0] = prediction[0, 3] = True
    # 3 * 0.1 is not 0.3 in binary fractions
    assert surface_metrics(reference, prediction, (1.0, 0.1), 0.3).nsd == 1
    assert surface_metrics(reference, prediction, (1.0, 0.1), 0.29).nsd == 0


def test_axis_of_length_one_is_no_dimension():
    flat = np.zeros((14, 17), dtype=bool)
    flat[2:10, 3:12] = True
    moved = np.roll(flat, 2, axis=1)
    in_2d = surface_metrics(flat, moved, (0.5, 0.7))
    for axis, spacing in ((0, (9.0, 0.5, 0.7)), (2, (0.5, 0.7, 9.0))):
        one_slice = surface_metrics(
            np.expand_dims(flat, axis), np.expand_dims(moved, axis), spacing
        )
        assert one_slice == in_2d
    point = np.ones((1, 1), dtype=bool)
    assert surface_metrics(point, point, (1.0, 1.0)).hd == 0


def test_mask_flat_in_a_volume_stays_a_volume():
    # cropping to the masks must not turn the volume into a slice
    reference = np.zeros((5, 12, 10), dtype=bool)
    reference[2, 2:9, 2:8] = True
    prediction = np.zeros_like(reference)
    prediction[2, 4:7, 4:6] = True
    spacing = (2.0, 1.0, 0.5)
    found = surface_metrics(reference, prediction, spacing)
    assert_close(found, brute_force(reference, prediction, spacing, 1.0))


@given(st.integers(0, 2**32 - 1), st.sampled_from([(6, 11), (5, 4, 7)]))
@settings(deadline=None, max_examples=60)
def test_surface_equals_mask_minus_erosion(seed: int, shape: tuple[int, ...]):
    mask = np.random.default_rng(seed).random(shape) < 0.8
    inside = ndimage.binary_erosion(mask, ndimage.generate_binary_structure(mask.ndim, 1))
    assert np.array_equal(Surfaces(mask).of((1,)), np.argwhere(mask & ~inside))


@pytest.mark.parametrize(
    ("spacing", "tolerance", "message"),
    [
        ((1.0,), 1.0, r"spacing \(1.0,\) does not fit masks of shape \(3, 4\)"),
        ((1.0, 0.0), 1.0, "expected one positive number per axis"),
        ((1.0, math.nan), 1.0, "expected one positive number per axis"),
        ((1.0, 1.0), -1.0, "tolerance is -1.0"),
        ((1.0, 1.0), math.nan, "tolerance is nan"),
    ],
)
def test_bad_arguments(spacing: tuple[float, ...], tolerance: float, message: str):
    mask = np.ones((3, 4), dtype=bool)
    with pytest.raises(EvaluationError, match=message):
        surface_metrics(mask, mask, spacing, tolerance)


def test_masks_must_fit():
    mask = np.ones((3, 4), dtype=bool)
    with pytest.raises(EvaluationError, match=r"reference \(3, 4\), prediction \(4, 3\)"):
        surface_metrics(mask, mask.T, (1.0, 1.0))
    with pytest.raises(EvaluationError, match="prediction is an array of uint8"):
        surface_metrics(mask, mask.astype(np.uint8), (1.0, 1.0))
