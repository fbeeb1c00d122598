"""Measures of the shape of one mask, as pyradiomics defines them.

Source: van Griethuysen et al., Computational radiomics system to decode the radiographic
phenotype, 2017: ``shape2D`` (MeshSurface, Perimeter, MaximumDiameter) and ``shape`` (VoxelVolume,
SurfaceArea, Maximum3DDiameter). scikit-image's ``perimeter`` and SimpleITK's ``GetPerimeter`` are
other quantities.
"""

import math
from collections.abc import Sequence

import numpy as np
from scipy.spatial import ConvexHull
from scipy.spatial.distance import pdist

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
    ends = np.argwhere(np.logical_and.reduce([_is_end(mask, axis) for axis in range(mask.ndim)]))
    # the outline passes half a voxel beside the outermost centres
    half = np.eye(mask.ndim) / 2
    points = (ends[:, None] + np.concatenate([half, -half])).reshape(-1, mask.ndim)
    points = points * np.asarray(spacing, dtype=float)
    return float(pdist(points[ConvexHull(points).vertices]).max())


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
