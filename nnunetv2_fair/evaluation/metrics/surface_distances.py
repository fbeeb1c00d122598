"""Distances between the surfaces of two masks.

The surface of a mask is the set of its voxels that have a face neighbour outside it; everything
outside the array counts as outside the mask. Distances run between voxel centres.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from nnunetv2_fair.errors import EvaluationError
from nnunetv2_fair.evaluation.metrics.nearest_points import distances_both_ways
from nnunetv2_fair.evaluation.metrics.overlap import check_masks

#: Voxels compared with their neighbours at once: few enough to stay in the processor's cache.
_CHUNK = 1 << 18


@dataclass(frozen=True)
class SurfaceMetrics:
    """Surface distances of one pair of masks, in the unit of the spacing.

    Attributes:
        hd: Hausdorff distance: the farthest any surface voxel is from the other surface.
        hd95: Maximum of the two directed 95th percentiles (linear interpolation).
        nsd: Share of all surface voxels within the tolerance of the other surface, in 0..1.
        assd: Mean distance over the surface voxels of both masks.

    Both masks empty: all NaN. One of them empty: distances are infinite and ``nsd`` is 0.
    """

    hd: float
    hd95: float
    nsd: float
    assd: float


BOTH_EMPTY = SurfaceMetrics(math.nan, math.nan, math.nan, math.nan)
ONE_EMPTY = SurfaceMetrics(math.inf, math.inf, 0.0, math.inf)


def surface_metrics(
    reference: np.ndarray,
    prediction: np.ndarray,
    spacing_mm: Sequence[float],
    tolerance_mm: float = 1.0,
) -> SurfaceMetrics:
    """Compare the surfaces of two masks.

    An axis of length 1 does not count as a dimension: a 2D image that is stored as a volume of one
    slice is compared in 2D, otherwise all its voxels would be on the surface.

    Args:
        reference: Boolean mask, 2D or 3D.
        prediction: Boolean mask of the same shape.
        spacing_mm: Distance of neighbouring voxel centres along each axis of the arrays.
        tolerance_mm: Distance that still counts as agreement in ``nsd``.

    Returns:
        Distances in the unit of the spacing; what they are of empty masks says the class.

    Raises:
        EvaluationError: If the masks or the spacing do not fit together.

    Source: Huttenlocher et al. 1993 (Hausdorff distance); Nikolov et al., arXiv:1809.04430
    (surface Dice at a tolerance, here over voxels instead of surface elements).
    """
    first, second, step = surfaces_of_masks(reference, prediction, spacing_mm, tolerance_mm)
    return compare_surfaces(first, second, step, tolerance_mm)


def surfaces_of_masks(
    reference: np.ndarray,
    prediction: np.ndarray,
    spacing_mm: Sequence[float],
    tolerance_mm: float,
) -> tuple[np.ndarray, np.ndarray, list[float]]:
    """Return the surface voxels of two masks, and the spacing of the axes that count.

    Args:
        reference: As for :func:`surface_metrics`, with all that follow.
        prediction: As there.
        spacing_mm: As there.
        tolerance_mm: As there.

    Raises:
        EvaluationError: If the masks, the spacing or the tolerance do not fit together.
    """
    check_masks(reference, prediction)
    spacing = np.asarray(spacing_mm, dtype=float)
    if spacing.shape != (reference.ndim,) or not (np.isfinite(spacing) & (spacing > 0)).all():
        raise EvaluationError(
            f"The spacing {tuple(spacing_mm)} does not fit masks of shape {reference.shape}: "
            "expected one positive number per axis."
        )
    if not tolerance_mm >= 0:
        raise EvaluationError(f"The tolerance is {tolerance_mm}, expected 0 or more.")
    axes = [axis for axis, length in enumerate(reference.shape) if length > 1]
    shape = tuple(reference.shape[axis] for axis in axes) or (1,)
    first, second = (Surfaces(mask.reshape(shape)).of((1,)) for mask in (reference, prediction))
    step = (spacing[axes] if axes else spacing[:1]).tolist()
    return first, second, step


def compare_surfaces(
    reference: np.ndarray, prediction: np.ndarray, spacing: Sequence[float], tolerance: float
) -> SurfaceMetrics:
    """Compare two surfaces; each directed distance is computed once for all metrics.

    Args:
        reference: (n, dimensions) positions of surface voxels.
        prediction: (m, dimensions) positions of surface voxels.
        spacing: Distance of voxel centres along each dimension.
        tolerance: Distance that still counts as agreement.
    """
    if not len(reference) or not len(prediction):
        return ONE_EMPTY if len(reference) or len(prediction) else BOTH_EMPTY
    to_prediction, to_reference = distances_both_ways(reference, prediction, spacing)
    number = len(reference) + len(prediction)
    # 3 * 0.1 mm must count as within 0.3 mm, which binary fractions would deny
    limit = tolerance * (1 + 1e-9)
    within = sum(int(np.count_nonzero(d <= limit)) for d in (to_prediction, to_reference))
    return SurfaceMetrics(
        hd=float(max(to_prediction.max(), to_reference.max())),
        hd95=max(_percentile_95(to_prediction), _percentile_95(to_reference)),
        nsd=within / number,
        assd=float(to_prediction.sum() + to_reference.sum()) / number,
    )


def _percentile_95(distances: np.ndarray) -> float:
    """Return the 95th percentile by linear interpolation, as numpy does, in a tenth of the time."""
    position = 0.95 * (len(distances) - 1)
    low = int(position)
    high = min(low + 1, len(distances) - 1)
    ordered = np.partition(distances, (low, high))
    return float(ordered[low] + (ordered[high] - ordered[low]) * (position - low))


class Surfaces:
    """The surfaces of all labels of one label map, found in one pass over its voxels.

    Attributes:
        values: Labels that occur, ascending, without 0.
    """

    def __init__(self, labels: np.ndarray, offset: Sequence[int] | None = None) -> None:
        """Find every voxel that has a face neighbour of another value.

        Args:
            labels: Labels or a boolean mask; everything outside the array counts as background.
            offset: Position of the array in its label map; 0 if not given.
        """
        # a layer of background after the last voxel of every axis also separates the rows, so that
        # all comparisons run over one flat array
        padded = np.zeros(tuple(length + 1 for length in labels.shape), dtype=labels.dtype)
        padded[tuple(map(slice, labels.shape))] = labels
        self._flat = padded.ravel()
        self._strides = [stride // padded.itemsize for stride in padded.strides]
        self._places = np.flatnonzero(_borders(self._flat, self._strides))
        self._found = self._flat[self._places]
        # axis by axis, so that what is done for every axis runs over consecutive numbers
        self._positions = np.empty((labels.ndim, len(self._places)), dtype=np.intp)
        starts = (0,) * labels.ndim if offset is None else offset
        along = np.unravel_index(self._places, padded.shape)
        for axis, start in enumerate(starts):
            np.add(along[axis], start, out=self._positions[axis])
        self.values: tuple[int, ...] = tuple(_values(self._found))

    def of(self, values: Sequence[int]) -> np.ndarray:
        """Return the surface of the region that holds these values.

        Returns:
            (n, dimensions) positions in the label map, in the order of the array; none if the
            region is empty.
        """
        if len(values) == 1:
            return self._positions.compress(self._found == values[0], axis=1).T
        inside = np.flatnonzero(np.isin(self._found, values))
        border = self._at_the_border_of(values, self._places[inside])
        return self._positions[:, inside[border]].T

    def _at_the_border_of(self, values: Sequence[int], places: np.ndarray) -> np.ndarray:
        """Return which of a region's voxels have a neighbour outside it, not just another label."""
        outside = np.zeros(len(places), dtype=bool)
        for stride in self._strides:
            outside |= ~np.isin(self._flat[places + stride], values)
            # before the first voxels the index wraps around, into the last layer of background
            outside |= ~np.isin(self._flat[places - stride], values)
        return outside


def _values(labels: np.ndarray) -> list[int]:
    """Return the values that occur, ascending."""
    if labels.dtype == np.uint8:
        return [int(value) for value in np.flatnonzero(np.bincount(labels))]
    return [int(value) for value in np.unique(labels)]


def _borders(flat: np.ndarray, strides: Sequence[int]) -> np.ndarray:
    """Return which voxels of a padded label map are foreground next to another value."""
    borders = np.zeros(len(flat), dtype=bool)
    borders[: max(strides)] = True  # before the first voxels there is nothing
    for start in range(0, len(flat), _CHUNK):
        for stride in strides:
            here = slice(max(start, stride), min(start + _CHUNK, len(flat)))
            if here.start < here.stop:
                before = slice(here.start - stride, here.stop - stride)
                differ = flat[here] != flat[before]
                borders[here] |= differ
                borders[before] |= differ
    borders &= flat != 0
    return borders
