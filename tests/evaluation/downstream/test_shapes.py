"""Shapes against pyradiomics 3.0.1 (golden values), and against brute force."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.spatial import ConvexHull
from scipy.spatial.distance import pdist

from nnunetv2_fair.evaluation.downstream.shapes import (
    largest_diameter,
    mesh_area,
    perimeter,
    squares,
)
from tests.evaluation.downstream.masks import ellipsoid, noise

FLAT = st.tuples(*[st.integers(1, 9)] * 2)
SOLID = st.tuples(*[st.integers(1, 6)] * 3)
#: Perimeter, MeshSurface and MaximumDiameter of ``cShape.calculate_coefficients2D``.
GOLDEN = [
    (ellipsoid((30, 41), (9.3, 14.6)), (1, 1), 78.76955262170043, 421.5, 29.427877939124322),
    (ellipsoid((30, 41), (9.3, 14.6)), (0.5, 0.7), 49.76604569431089, 147.525, 20.453361581901394),
    (noise((17, 23), 5, 0.5), (0.5, 0.7), 188.53371637211697, 68.95, 17.76119365358083),
    (noise((17, 23), 6, 0.9), (2, 1), 221.219806739988, 729.0, 40.496913462633174),
    (np.ones((1, 1), bool), (0.5, 0.7), 1.720465053408525, 0.175, 0.7),
    (np.eye(6, dtype=bool), (1, 1.5), 21.63330765278394, 4.5, 10.295630140987),
]


@pytest.mark.parametrize(("mask", "spacing", "length", "area", "diameter"), GOLDEN)
def test_as_pyradiomics(mask, spacing, length, area, diameter):
    counts = squares(mask)
    assert perimeter(counts, spacing) == pytest.approx(length, rel=1e-12)
    assert mesh_area(counts, spacing) == pytest.approx(area, rel=1e-12)
    assert largest_diameter(mask, spacing) == pytest.approx(diameter, rel=1e-12)


@pytest.mark.parametrize(
    ("mask", "spacing", "diameter"),
    [
        (ellipsoid((11, 22, 27), (4.1, 8.2, 10.7)), (1, 1, 1), 21.587033144922902),
        (ellipsoid((11, 22, 27), (4.1, 8.2, 10.7)), (3, 0.8, 0.7), 27.156582995656873),
        (noise((7, 12, 9), 5, 0.3), (3, 0.8, 0.7), 23.447814397081874),
        (noise((7, 12, 9), 7, 0.8), (0.5, 2, 1.3), 26.327931935493908),
        (np.ones((1, 1, 1), bool), (3, 0.8, 0.7), 3.0),
    ],
)
def test_maximum_3d_diameter_of_pyradiomics(mask, spacing, diameter):
    assert largest_diameter(mask, spacing) == pytest.approx(diameter, rel=1e-12)


def midpoints(mask, spacing):
    """Every point half-way between a voxel inside and a face neighbour outside."""
    padded = np.pad(mask, 1)
    points = []
    for axis in range(mask.ndim):
        for step in (-1, 1):
            here = np.argwhere(padded & ~np.roll(padded, -step, axis)).astype(float)
            here[:, axis] += step / 2
            points.append(here * np.asarray(spacing))
    return np.concatenate(points)


@settings(max_examples=60, deadline=None)
@given(
    arrays(bool, st.tuples(*[st.integers(1, 6)] * 3))
    | arrays(bool, st.tuples(*[st.integers(1, 9)] * 2)),
    st.lists(st.floats(0.2, 5), min_size=3, max_size=3),
)
def test_diameter_is_the_largest_distance_of_any_two_points(mask, spacing):
    spacing = spacing[: mask.ndim]
    expected = pdist(midpoints(mask, spacing)).max() if mask.any() else 0.0
    assert largest_diameter(mask, spacing) == pytest.approx(expected, rel=1e-9)


@settings(max_examples=60, deadline=None)
@given(arrays(bool, st.tuples(st.integers(1, 7), st.integers(1, 9))), st.floats(0.2, 5))
def test_outline_by_walking_every_square(mask, rows):
    spacing = (rows, 1.5)
    padded = np.pad(mask, 1).astype(int)
    length = area = 0.0
    for i in range(padded.shape[0] - 1):
        for j in range(padded.shape[1] - 1):
            square = padded[i : i + 2, j : j + 2]
            n, diagonal = square.sum(), math.hypot(*spacing) / 2
            opposite = n == 2 and square[0, 0] == square[1, 1]
            if n in (1, 3) or opposite:
                length += diagonal * (2 if opposite else 1)
            elif n == 2:
                length += spacing[1] if square[0, 0] == square[0, 1] else spacing[0]
            area += {0: 0, 1: 1 / 8, 2: 1 / 4 if opposite else 1 / 2, 3: 7 / 8, 4: 1}[n]
    counts = squares(mask)
    assert perimeter(counts, spacing) == pytest.approx(length)
    assert mesh_area(counts, spacing) == pytest.approx(area * spacing[0] * spacing[1])


def test_nothing_of_an_empty_mask():
    empty = np.zeros((4, 5), bool)
    assert perimeter(squares(empty), (1, 2)) == 0
    assert mesh_area(squares(empty), (1, 2)) == 0
    assert largest_diameter(empty, (1, 2)) == 0


@pytest.mark.parametrize(
    "mask",
    [
        np.ones((1, 30, 40), bool),  # flat
        np.ones((200, 1), bool),  # a line
        np.random.default_rng(2).random((20, 30, 25)) < 0.5,
        ellipsoid((40, 45, 50), (18, 21, 24)),
    ],
)
def test_diameter_of_masks_with_many_corners(mask):
    spacing = (3, 0.8, 1.3)[: mask.ndim]
    points = midpoints(mask, spacing)
    hull = points if mask.ndim == 2 else points[ConvexHull(points).vertices]
    assert largest_diameter(mask, spacing) == pytest.approx(pdist(hull).max(), rel=1e-12)
