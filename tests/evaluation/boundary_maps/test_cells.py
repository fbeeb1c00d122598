"""Clock hours and parts of the slices, against points placed by hand."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nnunetv2_fair.evaluation.boundary_maps.cells import HOURS, cell_of, mean_by_cell


def _cells(points: np.ndarray, rows: int) -> np.ndarray:
    return cell_of(points, np.zeros(len(points), bool), rows)


def _ring(slices: float, hours) -> np.ndarray:
    angles = np.asarray(hours) * math.pi / 6
    return np.stack([np.full(len(angles), slices), 5 * np.cos(angles), 5 * np.sin(angles)], axis=1)


def test_hours_of_a_clock_face():
    assert _cells(_ring(0, range(12)), rows=1).tolist() == list(range(12))


@given(st.integers(0, 11), st.floats(-0.49, 0.49))
def test_hours_reach_half_an_hour_to_both_sides(hour, apart):
    points = _ring(0, [hour + apart, hour + apart + 6])  # opposite points keep the centre
    assert _cells(points, rows=1).tolist() == [hour, (hour + 6) % 12]


def test_rows_run_from_the_first_slice_to_the_last():
    points = np.concatenate([_ring(height, [0, 6]) for height in (10, 12, 14, 16, 18, 20)])
    rows = _cells(points, rows=5) // HOURS
    assert rows.tolist() == [0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 4, 4]
    assert (_cells(_ring(3, [0, 6]), rows=5) // HOURS).tolist() == [2, 2]


def test_every_slice_has_its_own_centre():
    moved = _ring(1, range(12)) + np.array([0, 40, -7])
    both = np.concatenate([_ring(0, range(12)), moved])
    assert (_cells(both, rows=2) % HOURS).tolist() == [*range(12), *range(12)]


def test_means_by_cell():
    found = mean_by_cell(np.array([1.0, 3.0, -2.0]), np.array([0, 0, 11]), rows=1)
    assert found[[0, 11]].tolist() == [2, -2]
    assert np.isnan(found[1:11]).all()
    assert mean_by_cell(np.array([1.0]), np.array([59]), rows=5)[59] == pytest.approx(1)


def test_inner_points_have_cells_of_their_own():
    points = _ring(0, [3, 9])
    cells = cell_of(points, np.array([False, True]), rows=5)
    assert cells.tolist() == [2 * HOURS + 3, 7 * HOURS + 9]
    assert len(mean_by_cell(np.zeros(2), cells, rows=5)) == 10 * HOURS
