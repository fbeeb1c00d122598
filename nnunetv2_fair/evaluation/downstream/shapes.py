"""Measures of the shape of one mask, as pyradiomics defines them.

Source: van Griethuysen et al., Computational radiomics system to decode the radiographic
phenotype, 2017: ``shape2D`` (MeshSurface, Perimeter, MaximumDiameter) and ``shape`` (VoxelVolume,
SurfaceArea, Maximum3DDiameter). scikit-image's ``perimeter`` and SimpleITK's ``GetPerimeter`` are
other quantities.
"""

import math
from collections.abc import Sequence
from itertools import combinations

import numpy as np
from scipy.spatial import ConvexHull, QhullError

#: Points compared with all others at once.
_ROWS = 256
#: So few points are not worth a hull.
_FEW = 24
#: How often a pair of far ends is looked for.
_ENDS = 3
#: Share of a length that rounding may cost, and much more.
_ROUNDING = 1e-9
#: Cases of 2 x 2 pixels, of which the pixels count 1, 2 (right), 4 (below) and 8 (below, right).
_ONE, _THREE = [1, 2, 4, 8], [7, 11, 13, 14]
_ROW, _COLUMN, _OPPOSITE, _ALL = [3, 12], [5, 10], [6, 9], 15


def squares(mask: np.ndarray) -> np.ndarray:
    """Return how often each of the 16 cases of 2 x 2 pixels occurs in and around a mask."""
    pixels = np.pad(mask, 1).astype(np.uint8)
    cases = pixels[:-1, :-1] | pixels[:-1, 1:] << 1 | pixels[1:, :-1] << 2 | pixels[1:, 1:] << 3
    return np.bincount(cases.ravel(), minlength=16)


def perimeter(counts: np.ndarray, spacing: Sequence[float]) -> float:
    """Return the length of the outline, which runs half-way between pixels inside and outside.

    Args:
        counts: Of :func:`squares`.
        spacing: Distance of rows, and of columns.

    Returns:
        The length in the unit of the spacing; 0 for an empty mask.
    """
    rows, columns = spacing
    corner = math.hypot(rows, columns) / 2
    corners = counts[_ONE].sum() + counts[_THREE].sum() + 2 * counts[_OPPOSITE].sum()
    straight = counts[_ROW].sum() * columns + counts[_COLUMN].sum() * rows
    return float(corners * corner + straight)


def mesh_area(counts: np.ndarray, spacing: Sequence[float]) -> float:
    """Return the area inside the outline of :func:`perimeter`.

    Pixels that touch only at a corner are apart.

    Args:
        counts: Of :func:`squares`.
        spacing: Distance of rows, and of columns.
    """
    eighths = (
        counts[_ONE].sum()
        + 4 * (counts[_ROW].sum() + counts[_COLUMN].sum())
        + 2 * counts[_OPPOSITE].sum()
        + 7 * counts[_THREE].sum()
        + 8 * counts[_ALL]
    )
    return float(eighths * spacing[0] * spacing[1] / 8)


def largest_diameter(mask: np.ndarray, spacing: Sequence[float]) -> float:
    """Return the largest distance of two points of the outline.

    Args:
        mask: Boolean mask of two or three dimensions.
        spacing: Distance of voxel centres along each axis.

    Returns:
        The distance in the unit of the spacing; 0 for an empty mask.
    """
    if not mask.any():
        return 0.0
    step = np.asarray(spacing, dtype=float)
    ends = np.argwhere(np.logical_and.reduce([_is_end(mask, axis) for axis in range(mask.ndim)]))
    corners = _corners(_far_out(ends, step)) * step
    largest = 0.0
    for start in range(0, len(corners), _ROWS):
        apart = np.abs(corners[start : start + _ROWS, None] - corners)
        # the outline passes half a voxel beside the centres: on both sides along one axis, or at
        # one end along one axis and at the other end along another; so only pairs count whose
        # centres are nearly as far apart as any
        between = np.einsum("ijk,ijk->ij", apart, apart)
        least = math.sqrt(between.max()) * (1 - _ROUNDING) - step.max()
        apart = apart[between >= max(least, 0.0) ** 2]
        squared = (apart**2).sum(axis=-1)
        longer = 2 * apart * step + step**2
        best = longer.max(axis=-1)
        half = apart * step + step**2 / 4
        for first, second in combinations(range(mask.ndim), 2):
            np.maximum(best, half[..., first] + half[..., second], out=best)
        largest = max(largest, float((squared + best).max()))
    return math.sqrt(largest)


def _far_out(points: np.ndarray, step: np.ndarray) -> np.ndarray:
    """Return the points of which two can be farthest apart, by their distance from a centre.

    Two points are at most as far apart as their distances from any centre together, and the
    outline is at most the longest side of a voxel longer than that.
    """
    if len(points) <= _FEW:
        return points
    places = points * step
    centre, apart = places.mean(axis=0), 0.0
    for _ in range(_ENDS):  # from one end to the other
        first = places[_distances(places, centre).argmax()]
        from_first = _distances(places, first)
        second = places[from_first.argmax()]
        apart = max(apart, float(from_first.max()))
        centre = (first + second) / 2
    radii = _distances(places, centre)
    least = apart - step.max() - radii.max()
    return points[radii >= least - _ROUNDING * radii.max()]


def _distances(places: np.ndarray, centre: np.ndarray) -> np.ndarray:
    apart = places - centre
    return np.asarray(np.sqrt(np.einsum("ij,ij->i", apart, apart)))


def _corners(points: np.ndarray) -> np.ndarray:
    """Return the corners of the convex hull of points; all points if they are few or flat."""
    if len(points) <= _FEW:
        return points
    try:
        return np.asarray(points[ConvexHull(points).vertices])
    except QhullError:
        return points


def _is_end(mask: np.ndarray, axis: int) -> np.ndarray:
    """Return which voxels are the first or the last of the mask along an axis.

    Those that are neither lie between two others, so no corner of the hull is at them.
    """
    found = np.zeros(mask.shape, dtype=bool)
    lines, ends = np.moveaxis(mask, axis, -1), np.moveaxis(found, axis, -1)
    places = np.nonzero(lines.any(axis=-1))
    lines = lines[places]
    ends[(*places, lines.argmax(axis=-1))] = True
    ends[(*places, lines.shape[-1] - 1 - lines[:, ::-1].argmax(axis=-1))] = True
    return found
