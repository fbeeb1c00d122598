"""What makes a case difficult, as far as its image and its reference show it."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

#: Immerkaer's filter: it is blind to edges, as far as they are straight.
_NOISE = np.array([[1.0, -2.0, 1.0], [-2.0, 4.0, -2.0], [1.0, -2.0, 1.0]])


@dataclass(frozen=True)
class Covariates:
    """Of one case; NaN where it has none.

    Attributes:
        size: Foreground of the reference, in mm³, mm² or pixels.
        contrast: See :func:`contrast`.
        noise: See :func:`noise`.
        difficulty: One minus the Dice of a prediction by a model that has not seen the case, mean
            over the labels; NaN without a prediction.
    """

    size: float
    contrast: float
    noise: float
    difficulty: float = math.nan


def size_of(mask: NDArray[np.bool_], spacing: Sequence[float]) -> float:
    """Return the size of a mask: its voxels times that of a voxel.

    Args:
        mask: Foreground.
        spacing: Of the array's axes.
    """
    return float(np.count_nonzero(mask)) * math.prod(spacing)


def contrast(image: NDArray[Any], mask: NDArray[np.bool_], spacing: Sequence[float]) -> float:
    """Return how far an organ differs from its surroundings, in units of the spread within both.

    The surroundings are the background no further from the mask than the radius of a ball (in
    pictures and single slices a disc) of its size, and at least one voxel.

    Args:
        image: Intensities.
        mask: Foreground, of the same shape.
        spacing: Of the array's axes.

    Returns:
        ``|m_1 - m_0| / sqrt((s_1² + s_0²) / 2)`` of means and standard deviations; NaN for a mask
        that is empty or fills the image, infinity where nothing varies but the means differ.
    """
    if not mask.any() or mask.all():
        return math.nan
    size, n_axes = size_of(mask, spacing), sum(n > 1 for n in mask.shape)
    radius = (size * 3 / (4 * math.pi)) ** (1 / 3) if n_axes == 3 else math.sqrt(size / math.pi)
    reach = max(radius, *spacing)
    # distances are needed near the mask alone
    places = [np.flatnonzero(mask.any(axis=_others(mask.ndim, a))) for a in range(mask.ndim)]
    window = tuple(
        slice(max(int(p[0]) - math.ceil(reach / s), 0), int(p[-1]) + math.ceil(reach / s) + 1)
        for p, s in zip(places, spacing, strict=True)
    )
    inner = mask[window]
    distance = ndimage.distance_transform_edt(~inner, sampling=spacing)
    near = ~inner & (distance <= reach + 1e-9)
    values = image[window].astype(float)
    inside, outside = values[inner], values[near]
    if not outside.size:
        return math.nan
    away = abs(float(inside.mean() - outside.mean()))
    spread = math.sqrt((float(inside.var()) + float(outside.var())) / 2)
    if spread == 0:
        return math.inf if away else 0.0
    return away / spread


def noise(image: NDArray[Any]) -> float:
    """Return the noise of an image relative to the range of its intensities.

    Args:
        image: ([slices,] rows, columns); slices are looked at one by one.

    Returns:
        Immerkaer's standard deviation of the noise over the distance of the 5th and the 95th
        percentile; NaN where these are equal or the image is smaller than 3 by 3.

    Source: Immerkaer, Fast Noise Variance Estimation, Computer Vision and Image Understanding
    64(2), 1996.
    """
    if min(image.shape[-2:]) < 3:
        return math.nan
    values = image.astype(float)
    low, high = np.percentile(values, [5, 95])
    if high <= low:
        return math.nan
    kernel = _NOISE if values.ndim == 2 else _NOISE[None]
    filtered = ndimage.convolve(values, kernel, mode="nearest")[..., 1:-1, 1:-1]
    deviation = math.sqrt(math.pi / 2) / 6 * float(np.abs(filtered).mean())
    return deviation / float(high - low)


def mean_rank(columns: Sequence[NDArray[np.float64]]) -> NDArray[np.float64]:
    """Return the mean of the ranks of several columns, each scaled to 0 (lowest) to 1.

    Args:
        columns: ``(n,)`` each; values that are NaN have no rank and are left out of the mean.

    Returns:
        ``(n,)``; NaN for whom no column has a value.
    """
    ranks = []
    for column in columns:
        known = ~np.isnan(column)
        rank = np.full(len(column), math.nan)
        _, inverse, count = np.unique(column[known], return_inverse=True, return_counts=True)
        middle = np.cumsum(count) - (count + 1) / 2
        rank[known] = middle[inverse] / max(int(known.sum()) - 1, 1)
        ranks.append(rank)
    stacked = np.vstack(ranks)
    found = ~np.isnan(stacked)
    total = np.where(found, stacked, 0).sum(axis=0)
    return np.where(found.any(axis=0), total / np.maximum(found.sum(axis=0), 1), math.nan)


def _others(n_axes: int, axis: int) -> tuple[int, ...]:
    return tuple(other for other in range(n_axes) if other != axis)
