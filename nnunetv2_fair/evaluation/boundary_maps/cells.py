"""Which cell of a map a point of the outline belongs to: side, part of the slices, clock hour."""

import math

import numpy as np

#: Parts that the slices of a volume are divided into, from its first to its last.
ROWS = 5
#: Sectors around the centre of every slice; the first lies around 12 o'clock.
HOURS = 12


def cell_of(places: np.ndarray, inner: np.ndarray, rows: int = ROWS) -> np.ndarray:
    """Return the cell of every point of an outline.

    The hour is that of the direction from the centre of the outline in the point's slice (the mean
    of its points there); the row is where the slice lies between the first and the last.

    Args:
        places: (n, 3) slice, upwards and rightwards, in one unit; at least one point.
        inner: (n,) whether a point lies on the inner outline, around a hole.
        rows: Parts of the slices; 1 for pictures.

    Returns:
        (n,) ``(side * rows + row) * HOURS + hour``; the side is 0 for outer points, 1 for inner.
    """
    heights, slices = np.unique(places[:, 0], return_inverse=True)
    number = np.bincount(slices)
    centre = [np.bincount(slices, places[:, axis]) / number for axis in (1, 2)]
    up, right = (places[:, axis] - centre[axis - 1][slices] for axis in (1, 2))
    turn = np.arctan2(right, up) / (2 * math.pi)
    # a rounding error must not put what lies between two hours into either by chance
    hour = np.floor(np.round(turn * HOURS + 0.5, 9)).astype(int) % HOURS
    extent = heights[-1] - heights[0]
    share = (places[:, 0] - heights[0]) / extent if extent > 0 else np.full(len(places), 0.5)
    row = np.minimum(np.floor(np.round(share * rows, 9)).astype(int), rows - 1)
    cells: np.ndarray = (inner * rows + row) * HOURS + hour
    return cells


def mean_by_cell(values: np.ndarray, cells: np.ndarray, rows: int = ROWS) -> np.ndarray:
    """Return the mean of the values in each cell, NaN where there are none.

    Args:
        values: (n,) values.
        cells: (n,) their cells.
        rows: As in :func:`cell_of`.

    Returns:
        (2 * rows * HOURS,) means.
    """
    number = np.bincount(cells, minlength=2 * rows * HOURS)
    total = np.bincount(cells, values, minlength=2 * rows * HOURS)
    return np.divide(total, number, out=np.full(len(number), np.nan), where=number > 0)
