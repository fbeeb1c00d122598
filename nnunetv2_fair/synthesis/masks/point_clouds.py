"""Outlines of nested structures as one cloud of points in space, and back to regions.

A cloud is (points, 3): row and column in pixels, and a height that says which structure a point
lies on the outline of: ``-1`` the outermost, ``+1`` the innermost, others evenly between. Points
have no order.

Source: FairDiff (Li et al. 2024), equations 3 and 4, for two structures.
"""

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.spatial import cKDTree

from nnunetv2_fair.synthesis.masks.outlines import Points, resampled

Cloud = NDArray[np.float64]

#: Points of a cloud.
POINTS = 512
#: Points are drawn on a finer grid, this many cells per median distance of neighbours.
_CELLS = 4
_FINEST = 5
#: Most cells of a side of it.
_LARGEST = 2048
#: Radii that are tried to close an outline, in median distances of neighbours.
_RADII = (0.75, 1.25, 2.0, 3.0, 4.5, 6.5, 9.0, 13.0)
#: Share of points that may lie off the region that the others enclose.
_ASTRAY = 0.05


def heights(structures: int) -> NDArray[np.float64]:
    """Return the height of each structure, outermost first."""
    return np.linspace(-1, 1, structures) if structures > 1 else np.zeros(1)


def cloud_of(outlines: Points, n: int = POINTS) -> Cloud:
    """Return points at about equal distances along all outlines.

    Args:
        outlines: (structures, points, 2), outermost first.
        n: Points of the cloud.

    Returns:
        (n, 3).
    """
    steps = np.diff(outlines, axis=1, append=outlines[:, :1])
    lengths = np.hypot(steps[..., 0], steps[..., 1]).sum(axis=1)
    ends = np.rint(n * np.cumsum(lengths) / lengths.sum()).astype(int)
    counts = np.diff(ends, prepend=0)
    parts = [
        np.column_stack([resampled(own, k), np.full(k, height)])
        for own, k, height in zip(outlines, counts, heights(len(outlines)), strict=True)
    ]
    return np.concatenate(parts)


def regions_of_cloud(
    cloud: Cloud, structures: int, shape: tuple[int, ...]
) -> list[NDArray[np.bool_]] | None:
    """Return the region that the points of each structure enclose; None if they enclose none.

    Points of a structure (of two: those of one sign of the height) are joined with neighbours by
    the smallest radius that makes a closed outline, which is filled, and taken back by the radius.

    Args:
        cloud: (n, 3).
        structures: How many.
        shape: Rows and columns of the result.

    Returns:
        Outermost first; regions may be nested or not.
    """
    nearest = np.abs(cloud[:, 2:] - heights(structures)).argmin(axis=1)
    found = [_enclosed(cloud[nearest == i, :2], shape) for i in range(structures)]
    return None if any(region is None for region in found) else [r for r in found if r is not None]


def _enclosed(points: Points, shape: tuple[int, ...]) -> NDArray[np.bool_] | None:
    if len(points) < 8:
        return None
    low, high = points.min(axis=0), points.max(axis=0)
    if (low < -shape[0]).any() or (high > 2 * np.array(shape)).any():
        return None
    tree = cKDTree(points)
    gap = float(np.median(tree.query(points, k=2)[0][:, 1]))
    reach = gap * _RADII[-1] + 2
    cells = int(np.clip(np.ceil(_CELLS / max(gap, 1e-6)), 1, _FINEST))
    cells = max(1, min(cells, int(_LARGEST / (high - low + 2 * reach).max())))
    origin = np.floor(low - reach).astype(int)
    size = np.ceil((high - origin + reach) * cells).astype(int)
    places = np.rint((points - origin) * cells).astype(int)
    empty = np.ones(size, dtype=bool)
    empty[tuple(places.T)] = False
    away = ndimage.distance_transform_edt(empty)
    for times in _RADII:
        radius = max(times * gap * cells, 1.0)
        inner = _closed(away, radius, cells)
        off = ndimage.distance_transform_edt(~inner)[tuple(places.T)] if inner.any() else None
        if off is not None and (off > radius + 2).mean() <= _ASTRAY:
            return _at_pixels(inner, origin, cells, shape)
    return None


def _closed(away: NDArray[np.float64], radius: float, cells: int) -> NDArray[np.bool_]:
    """Return what a band of a radius around the points encloses, without parts as thin as a pixel.

    Args:
        away: Distance to the nearest point.
        radius: Of the band, in cells.
        cells: Of a side of a pixel.
    """
    filled = ndimage.binary_fill_holes(away <= radius)
    depth = ndimage.distance_transform_edt(filled)
    # a band that encloses nothing is as deep as its radius at most
    core = depth > radius + cells / 2
    if not core.any():
        return np.asarray(core)
    # little more than taken away, so that corners stay
    whole = ndimage.distance_transform_edt(~core) <= cells / 2 + 1
    return np.asarray(whole & (depth > radius))


def _at_pixels(
    inner: NDArray[np.bool_], origin: NDArray[np.int_], cells: int, shape: tuple[int, ...]
) -> NDArray[np.bool_]:
    """Return the values of a fine grid at the centres of pixels."""
    coarse = inner[::cells, ::cells]
    out = np.zeros(shape, dtype=bool)
    first = np.maximum(origin, 0)
    last = np.minimum(origin + coarse.shape, shape)
    if (last > first).all():
        inside = tuple(slice(a, b) for a, b in zip(first - origin, last - origin, strict=True))
        out[tuple(slice(a, b) for a, b in zip(first, last, strict=True))] = coarse[inside]
    return out
