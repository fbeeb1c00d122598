"""Distance of each point of one set to the nearest point of another, on a grid, exactly.

Points are voxel indices. Segmentations of one structure are mostly close together, so the search
starts at each point and goes outwards: along every row of the grid the distance to the nearest
target is tabulated, and the rows around a point are looked up in the order of their distance until
no farther row can hold anything nearer. The few points that have no target close by go to a k-d
tree over those targets that can be nearest to any of them.
"""

from collections.abc import Callable, Sequence
from functools import lru_cache
from itertools import pairwise

import numpy as np
from scipy.spatial import cKDTree
from scipy.spatial.distance import cdist

#: Up to this many pairs of points all their distances are computed.
_FEW_PAIRS = 200_000
#: Points whose distances to all others are in memory together: few stay in the processor's cache.
_ROWS_OF_PAIRS = 128
#: 32-bit floats hold every whole number up to this one.
_WHOLE_NUMBERS = 1 << 24
#: Up to this many points a k-d tree is ready before a table is filled.
_FEW_POINTS = 4000
#: Rows around a point that are looked up before it goes to the tree.
_MOST_ROWS = 400
#: The table holds bytes: this many steps along a row mean "this many or more".
_FAR = 254


def distances_both_ways(
    first: np.ndarray, second: np.ndarray, spacing: Sequence[float]
) -> tuple[np.ndarray, np.ndarray]:
    """Return the distances between two sets of points, each to the nearest of the other set.

    Args:
        first: (n, dimensions) integer grid positions, at least one.
        second: (m, dimensions) integer grid positions, at least one.
        spacing: Distance of neighbouring grid positions along each dimension.

    Returns:
        (n,) and (m,) distances, in the unit of the spacing.
    """
    if len(first) * len(second) <= _FEW_PAIRS:
        return _by_all_pairs(first, second, spacing)
    return nearest_distances(first, second, spacing), nearest_distances(second, first, spacing)


def nearest_distances(
    points: np.ndarray, targets: np.ndarray, spacing: Sequence[float]
) -> np.ndarray:
    """Return the distance of every point to the nearest target.

    Args:
        points: (n, dimensions) integer grid positions.
        targets: (m, dimensions) integer grid positions, at least one.
        spacing: Distance of neighbouring grid positions along each dimension.

    Returns:
        (n,) distances, in the unit of the spacing.
    """
    step = np.asarray(spacing, dtype=float)
    if len(points) + len(targets) <= _FEW_POINTS or points.shape[1] == 1:
        return _by_tree(points, targets, step)
    # rows run along the finest axis, where one look-up covers most
    finest = int(np.argmin(step))
    order = [finest, *(axis for axis in range(len(step)) if axis != finest)]
    points, targets, step = points[:, order], targets[:, order], step[order]
    rounds = _rounds(tuple(step[1:].tolist()))
    reach = np.append(_FAR, np.abs(np.concatenate([rows for _, rows in rounds])).max(axis=0))
    low, high = targets.min(axis=0) - reach, targets.max(axis=0) + reach
    close = ((points >= low) & (points <= high)).all(axis=1)
    distances = np.full(len(points), np.inf)
    if close.all():
        distances = _by_rows(points, targets, step, rounds, reach)
    elif close.any():
        distances[close] = _by_rows(points[close], targets, step, rounds, reach)
    left = np.isinf(distances)
    if left.any():
        distances[left] = _by_tree(points[left], targets, step)
    return distances


def _by_all_pairs(
    first: np.ndarray, second: np.ndarray, spacing: Sequence[float]
) -> tuple[np.ndarray, np.ndarray]:
    squares, unit = _squares(first, second, spacing)
    there, back = [], []
    for start in range(0, len(first), _ROWS_OF_PAIRS):
        squared = squares(slice(start, start + _ROWS_OF_PAIRS))
        there.append(np.minimum.reduce(squared, axis=1))
        back.append(np.minimum.reduce(squared, axis=0))
    nearest = np.concatenate(there), np.minimum.reduce(back)
    return np.sqrt(nearest[0], dtype=float) * unit, np.sqrt(nearest[1], dtype=float) * unit


def _squares(
    first: np.ndarray, second: np.ndarray, spacing: Sequence[float]
) -> tuple[Callable[[slice], np.ndarray], float]:
    """Return what computes the squared distances of some points to all others, and their unit.

    On a grid of cubes squared distances are whole numbers, so that a product of small matrices,
    |a|^2 - 2 ab + |b|^2, is exact and much faster than distance by distance.
    """
    places = np.concatenate((first.T, second.T), axis=1)
    places -= places.min(axis=1, keepdims=True)
    extent, number = int(places.max()), len(first)
    if min(spacing) < max(spacing) or 4 * len(places) * extent**2 > _WHOLE_NUMBERS:
        scaled = places.T * np.asarray(spacing, dtype=float)
        return lambda rows: cdist(scaled[:number][rows], scaled[number:], "sqeuclidean"), 1.0
    factors = np.empty((len(places) + 2, places.shape[1]), dtype=np.float32)
    factors[:-2] = places
    np.add.reduce(places * places, axis=0, out=factors[-2])
    factors[-1] = 1
    left, right = factors[:, :number], factors[:, number:]
    right = np.concatenate((right[:-2] * -2, right[:-3:-1]))
    return lambda rows: left[:, rows].T @ right, float(spacing[0])


def _by_tree(points: np.ndarray, targets: np.ndarray, step: np.ndarray) -> np.ndarray:
    places = points * step
    candidates = targets * step
    if len(candidates) > _FEW_POINTS:
        candidates = _possibly_nearest(places, candidates)
    # searches are few, so time spent on a better tree does not pay off
    tree = cKDTree(candidates, balanced_tree=False, compact_nodes=False)
    return np.asarray(tree.query(places)[0])


def _possibly_nearest(places: np.ndarray, candidates: np.ndarray) -> np.ndarray:
    """Return the candidates that may be nearest to some place.

    No place in a box is farther from a candidate than the box's farthest corner; a candidate whose
    nearest approach to the box is beyond that of another one's farthest corner is never needed.
    """
    low, high = places.min(axis=0), places.max(axis=0)
    beyond = np.maximum(np.maximum(low - candidates, candidates - high), 0)
    corner = np.maximum(candidates - low, high - candidates)
    limit = (corner**2).sum(axis=1).min()
    return candidates[(beyond**2).sum(axis=1) <= limit * (1 + 1e-9)]


@lru_cache
def _rounds(step: tuple[float, ...]) -> tuple[tuple[float, np.ndarray], ...]:
    """Return (squared distance, (rows, axes) offsets) of rows around a point, nearest first."""
    radius = _radius(step)
    axes = [np.arange(-int(radius / s), int(radius / s) + 1) for s in step]
    offsets = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, len(step))
    squared = ((offsets * np.array(step)) ** 2).sum(axis=1)
    order = np.argsort(squared, kind="stable")
    order = order[squared[order] <= radius**2]
    squared, starts = np.unique(squared[order], return_index=True)
    groups = np.split(offsets[order], starts[1:])
    return tuple(zip(squared.tolist(), groups, strict=True))


def _radius(step: tuple[float, ...]) -> float:
    """Return the radius, in the unit of the steps, that holds about ``_MOST_ROWS`` rows."""
    if len(step) == 1:
        return _MOST_ROWS / 2 * step[0]
    return float(np.sqrt(_MOST_ROWS / np.pi * step[0] * step[1]))


def _by_rows(
    points: np.ndarray,
    targets: np.ndarray,
    step: np.ndarray,
    rounds: tuple[tuple[float, np.ndarray], ...],
    reach: np.ndarray,
) -> np.ndarray:
    """Return the distances of points; infinite where the search ended before it was sure."""
    start, stop = points.min(axis=0) - reach, points.max(axis=0) + reach
    within = ((targets >= start) & (targets <= stop)).all(axis=1)
    targets = targets[within]
    if not len(targets):
        return np.full(len(points), np.inf)
    # along the rows nothing is needed beyond points and targets; across them every row that is
    # looked up must exist
    start[0] = min(points[:, 0].min(), targets[:, 0].min())
    stop[0] = max(points[:, 0].max(), targets[:, 0].max())
    table = _steps_to_target(targets - start, tuple((stop - start + 1).tolist()))
    strides = np.array(table.strides)
    flat = table.ravel()
    sure = (_FAR * step[0]) ** 2

    place = (points - start) @ strides
    best = np.full(len(points), np.inf)
    found = best.copy()
    index = np.arange(len(points))
    for (squared, rows), (following, _) in pairwise(rounds):
        shifts = (rows @ strides[1:]).tolist()
        steps = flat.take(place + shifts[0])
        for shift in shifts[1:]:
            np.minimum(steps, flat.take(place + shift), out=steps)
        along = steps * step[0]
        np.minimum(best, along * along + squared, out=best)
        done = (best <= following) & (best < sure)
        found[index.compress(done)] = best.compress(done)
        open_ = ~done
        place, best, index = (values.compress(open_) for values in (place, best, index))
        if not len(index):
            break
    return np.sqrt(found)


def _steps_to_target(targets: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Return for every grid position the steps along the first axis to the nearest target."""
    table = np.full(shape, _FAR, dtype=np.uint8)
    table[tuple(targets.T)] = 0
    following = np.empty(shape[1:], dtype=np.uint8)
    for index in range(1, len(table)):
        np.add(table[index - 1], 1, out=following)
        np.minimum(table[index], following, out=table[index])
    for index in range(len(table) - 2, -1, -1):
        np.add(table[index + 1], 1, out=following)
        np.minimum(table[index], following, out=table[index])
    return table
