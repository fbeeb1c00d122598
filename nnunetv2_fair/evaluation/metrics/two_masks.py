"""The metrics of two masks that are in memory."""

from collections.abc import Sequence

import numpy as np

from nnunetv2_fair.evaluation.metrics.overlap import count_overlap
from nnunetv2_fair.evaluation.metrics.regions import RegionPair
from nnunetv2_fair.evaluation.metrics.registry import DEFAULT_METRICS, metrics_named
from nnunetv2_fair.evaluation.metrics.surface_distances import surfaces_of_masks


def measure_masks(
    reference: np.ndarray,
    prediction: np.ndarray,
    spacing_mm: Sequence[float],
    *,
    metrics: Sequence[str] = DEFAULT_METRICS,
    tolerance_mm: float = 1.0,
) -> dict[str, float]:
    """Measure two masks that are in memory, with the metrics of ``nnUNetv2_fair_evaluate``.

    An axis of length 1 does not count as a dimension.

    Args:
        reference: Boolean mask, 2D or 3D; of a label map one label, such as ``labels == 1``.
        prediction: Boolean mask of the same shape.
        spacing_mm: Distance of neighbouring voxel centres along each axis of the arrays; ones for
            distances in pixels.
        metrics: Names of the metrics.
        tolerance_mm: Distance that NSD accepts.

    Returns:
        Name of each metric -> its value; distances in the unit of the spacing. NaN where both masks
        are empty; distances are infinite where one of them is.

    Raises:
        EvaluationError: If the masks, the spacing or the tolerance do not fit together.
        UsageError: If a metric is unknown.
    """
    asked = metrics_named(metrics)
    first, second, spacing = surfaces_of_masks(reference, prediction, spacing_mm, tolerance_mm)
    pair = RegionPair(count_overlap(reference, prediction), first, second, spacing, tolerance_mm)
    return {metric.name: float(metric.compute(pair)) for metric in asked}
