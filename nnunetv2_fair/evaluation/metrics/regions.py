"""One region (a label, or several) in reference and prediction: what metrics start from."""

import operator
from collections.abc import Sequence
from functools import cached_property

import numpy as np

from nnunetv2_fair.evaluation.masks.foreground import Foreground, crop
from nnunetv2_fair.evaluation.metrics.overlap import OverlapCounts
from nnunetv2_fair.evaluation.metrics.surface_distances import (
    SurfaceMetrics,
    Surfaces,
    compare_surfaces,
)


class LabelMapPair:
    """Reference and prediction of one case, on one grid; each voxel is compared once for all."""

    def __init__(
        self,
        reference: Foreground,
        prediction: Foreground,
        spacing: Sequence[float],
        tolerance: float,
    ) -> None:
        """Find all surfaces.

        Args:
            reference: Labels of the reference.
            prediction: Labels of the prediction, in a label map of the same shape.
            spacing: Distance of voxel centres along each axis.
            tolerance: Distance that NSD accepts, in the unit of the spacing.
        """
        self._maps = (reference, prediction)
        self._surfaces = tuple(Surfaces(found.labels, found.offset) for found in self._maps)
        self._spacing = spacing
        self._tolerance = tolerance

    @property
    def reference_values(self) -> tuple[int, ...]:
        """Labels that occur in the reference, without 0."""
        return self._surfaces[0].values

    @property
    def prediction_values(self) -> tuple[int, ...]:
        """Labels that occur in the prediction, without 0."""
        return self._surfaces[1].values

    def without(self, ignored: int) -> "LabelMapPair":
        """Return the pair with background wherever the reference holds the value ``ignored``."""
        scored = self._maps[0].whole != ignored
        first, second = (crop(np.where(scored, found.whole, 0)) for found in self._maps)
        return LabelMapPair(first, second, self._spacing, self._tolerance)

    def region(self, values: Sequence[int]) -> "RegionPair":
        """Return the region of these label values in both masks."""
        surfaces = tuple(found.of(values) for found in self._surfaces)
        boxes = [_box(surface) for surface in surfaces]
        voxels = [
            0 if box is None else int(np.count_nonzero(region_mask(labels.part(*box), values)))
            for labels, box in zip(self._maps, boxes, strict=True)
        ]
        both = 0
        if boxes[0] is not None and boxes[1] is not None:
            low = list(map(max, boxes[0][0], boxes[1][0]))
            high = list(map(min, boxes[0][1], boxes[1][1]))
            if all(map(operator.le, low, high)):
                first, second = (region_mask(m.part(low, high), values) for m in self._maps)
                both = int(np.count_nonzero(first & second))
        counts = OverlapCounts(both, voxels[1] - both, voxels[0] - both)
        return RegionPair(counts, surfaces[0], surfaces[1], self._spacing, self._tolerance)


class RegionPair:
    """One region in reference and prediction.

    Attributes:
        counts: Voxels in which they agree and differ.
    """

    def __init__(
        self,
        counts: OverlapCounts,
        reference_surface: np.ndarray,
        prediction_surface: np.ndarray,
        spacing: Sequence[float],
        tolerance: float,
    ) -> None:
        """Keep what metrics are computed from; distances are computed when first asked for."""
        self.counts = counts
        self._surfaces = (reference_surface, prediction_surface)
        self._spacing = tuple(spacing)
        self._tolerance = tolerance

    @cached_property
    def surface(self) -> SurfaceMetrics:
        """Surface distances in the unit of the spacing."""
        return compare_surfaces(*self._surfaces, self._spacing, self._tolerance)

    @cached_property
    def surface_in_voxels(self) -> SurfaceMetrics:
        """Surface distances that take every voxel for a cube of side 1, as some scorers do."""
        cubes = (1.0,) * len(self._spacing)
        return compare_surfaces(*self._surfaces, cubes, self._tolerance)


def _box(surface: np.ndarray) -> tuple[list[int], list[int]] | None:
    """Return the lowest and the highest position along each axis; None if there is none."""
    if not len(surface):
        return None
    return np.minimum.reduce(surface).tolist(), np.maximum.reduce(surface).tolist()


def region_mask(labels: np.ndarray, values: Sequence[int]) -> np.ndarray:
    """Return the voxels that hold one of the values."""
    mask: np.ndarray = labels == values[0]
    for value in values[1:]:
        mask |= labels == value
    return mask
