"""Nested structures as ordered points along their outlines, and back.

Arrays of points are (structures, points, 2): row and column in pixels, outermost structure first,
the first point to the right of the centre, then in the direction of growing angle.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

Mask = NDArray[Any]
Points = NDArray[np.float64]

#: Share of a structure that may lie in further pieces, which are ignored.
_SPECKS = 0.02
#: Fewest pixels of a structure.
_FEWEST = 12
#: Least Dice of a structure and the inside of its outline.
_ALIKE = 0.9


def nesting_order(masks: Sequence[Mask], values: Sequence[int]) -> tuple[int, ...]:
    """Return labels from the outermost to the innermost: by the area that each encloses.

    Args:
        masks: Label maps, (rows, columns).
        values: Labels without background.
    """
    enclosed = [
        sum(int(ndimage.binary_fill_holes(mask == value).sum()) for mask in masks)
        for value in values
    ]
    return tuple(value for _, value in sorted(zip(enclosed, values, strict=True), reverse=True))


def regions_of(mask: Mask, order: Sequence[int]) -> list[NDArray[np.bool_]]:
    """Return each structure with all that lies within it, outermost first."""
    return [np.isin(mask, order[i:]) for i in range(len(order))]


def touches_border(region: NDArray[np.bool_]) -> bool:
    """Whether a region reaches the first or last row or column."""
    return bool(region[0].any() or region[-1].any() or region[:, 0].any() or region[:, -1].any())


def outline(region: NDArray[np.bool_], n: int) -> Points:
    """Return points at equal distances along the outline of a region's largest piece.

    Args:
        region: (rows, columns), not empty.
        n: How many.

    Returns:
        (n, 2).
    """
    contour = _contour(region)
    x, y = contour[:, 1], contour[:, 0]
    if np.sum(x * np.roll(y, -1) - y * np.roll(x, -1)) < 0:
        contour = contour[::-1]
    offset = contour - _centre(contour)
    # the same point of the outline first in every case
    start = int(np.argmin(np.abs(np.arctan2(offset[:, 0], offset[:, 1]))))
    return resampled(np.roll(contour, -start, axis=0), n)


def resampled(contour: Points, n: int) -> Points:
    """Return points at equal distances along a closed outline, from its first point on.

    Args:
        contour: (m, 2), without its first point again at the end.
        n: How many.
    """
    closed = np.vstack([contour, contour[:1]])
    along = np.r_[0, np.cumsum(np.hypot(*np.diff(closed, axis=0).T))]
    wanted = np.linspace(0, along[-1], n, endpoint=False)
    return np.stack([np.interp(wanted, along, closed[:, axis]) for axis in (0, 1)], axis=1)


def outlines(mask: Mask, order: Sequence[int], n: int) -> tuple[Points, str | None]:
    """Return the outlines of all structures, and why there are none (None: there are).

    Args:
        mask: (rows, columns).
        order: Labels, outermost first.
        n: Points of each.

    Returns:
        (structures, n, 2), NaN if there is a reason; the reason.
    """
    found = np.full((len(order), n, 2), np.nan)
    corner, part = _cut(mask)
    for own, value, region, whole in zip(
        found, order, regions_of(part, order), regions_of(mask, order), strict=True
    ):
        total = int(region.sum())
        if total < _FEWEST:
            return found * np.nan, f"label {value} has {total} pixels, too few for an outline"
        pieces, several = ndimage.label(region)
        sizes = np.sort(np.bincount(pieces.ravel())[1:])
        if several > 1 and sizes[:-1].sum() > _SPECKS * total:
            return found * np.nan, f"label {value} is in {several} pieces"
        holes = ndimage.binary_fill_holes(region).sum() - total
        if holes > _SPECKS * total:
            return found * np.nan, f"label {value} has a hole"
        if touches_border(whole):
            return found * np.nan, f"label {value} touches the border of the image"
        own[:] = outline(region, n)
        drawn = filled(own, region.shape)
        both = 2 * (drawn & region).sum() / (drawn.sum() + total)
        if both < _ALIKE:
            why = f"label {value} is too branched for an outline of {n} points (Dice {both:.2f})"
            return found * np.nan, why
    return found + corner, None


def filled(points: Points, shape: tuple[int, ...]) -> NDArray[np.bool_]:
    """Return the pixels whose centres lie within a closed outline (even-odd rule).

    Args:
        points: (n, 2), row and column in pixels.
        shape: Rows and columns of the result.
    """
    inside = np.zeros(shape, dtype=bool)
    first, second = points, np.roll(points, -1, axis=0)
    rows = np.arange(shape[0])[:, None]
    (r0, c0), (r1, c1) = first.T, second.T
    crossing = (r0[None] <= rows) != (r1[None] <= rows)
    with np.errstate(divide="ignore", invalid="ignore"):
        at = c0 + (rows - r0) / (r1 - r0) * (c1 - c0)
    columns = np.arange(shape[1])
    for row in np.flatnonzero(crossing.any(axis=1)):
        crossings = np.sort(at[row][crossing[row]])
        inside[row] = np.searchsorted(crossings, columns, side="left") % 2 == 1
    return inside


def mask_of(
    points: Points, order: Sequence[int], shape: tuple[int, ...], dtype: Any = np.uint8
) -> tuple[Mask, str | None]:
    """Return the label map of outlines, and why it is not valid (None: it is).

    Args:
        points: (structures, n, 2), outermost first.
        order: Labels.
        shape: Rows and columns.
        dtype: Of the label map.
    """
    if not np.isfinite(points).all():
        return np.zeros(shape, dtype=dtype), "not finite"
    return nested([filled(own, shape) for own in points], order, dtype)


def nested(
    regions: Sequence[NDArray[np.bool_]], order: Sequence[int], dtype: Any = np.uint8
) -> tuple[Mask, str | None]:
    """Return the label map of regions that lie in each other, and why it is not valid.

    Args:
        regions: Each structure with all that lies within it, outermost first.
        order: Labels.
        dtype: Of the label map.
    """
    mask = np.zeros(regions[0].shape, dtype=dtype)
    outer = np.ones(mask.shape, dtype=bool)
    for value, region in zip(order, regions, strict=True):
        total = int(region.sum())
        if total < _FEWEST:
            return mask, "empty"
        if (region & ~outer).sum() > _SPECKS * total:
            return mask, "not nested"
        within = region & outer
        if ndimage.label(within)[1] != 1:
            return mask, "several pieces"
        if touches_border(within):
            return mask, "touches the border"
        mask[within] = value
        outer = within
    return mask, None


def _cut(mask: Mask) -> tuple[NDArray[np.int_], Mask]:
    """Return the first row and column, and the pixels, of the part that is not background."""
    places = ndimage.find_objects((mask != 0).astype(np.uint8))
    if not places:
        return np.zeros(2, dtype=int), mask
    return np.array([place.start for place in places[0]]), mask[places[0]]


def _contour(region: NDArray[np.bool_]) -> Points:
    """Return the outer outline of the largest piece, half a pixel outside the outermost centres."""
    pieces, n = ndimage.label(region)
    if n > 1:
        region = pieces == 1 + int(np.argmax(np.bincount(pieces.ravel())[1:]))
    from contourpy import contour_generator

    padded = np.pad(ndimage.binary_fill_holes(region), 1).astype(float)
    lines: list[Points] = [np.asarray(line) for line in contour_generator(z=padded).lines(0.5)]
    return np.asarray(max(lines, key=len)[:-1, ::-1] - 1.0)


def _centre(contour: Points) -> Points:
    return np.asarray(resampled(contour, 128).mean(axis=0))
