"""All per-case metrics: function, unit, direction and rule for empty masks.

A new metric is one more entry in :data:`METRICS`; evaluator, statistics and report need no change.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from nnunetv2_fair.errors import UsageError
from nnunetv2_fair.evaluation.overlap import OverlapCounts, count_overlap, dice, iou
from nnunetv2_fair.evaluation.surface import SurfaceMetrics, surface_metrics


@dataclass(frozen=True)
class Metric:
    """One metric of a pair of masks.

    Attributes:
        name: Column stem and option value.
        title: As people write it.
        is_distance: Whether its unit is that of the spacing (mm or px); otherwise it has none.
        better: Whether higher or lower values are better.
        one_minus_is_error: Whether 1 minus the value is an error rate, so that ratios of
            errors (SER, SKEW) and equity scaling mean something.
        both_empty: Value if both masks are empty.
        one_empty: Value if one of the masks is empty.
        needs_surface: Whether surfaces have to be computed.
        definition: One or two sentences for readers of the report.
        compute: Takes the counts and (if needed) the surface metrics.
    """

    name: str
    title: str
    is_distance: bool
    better: Literal["higher", "lower"]
    one_minus_is_error: bool
    both_empty: float
    one_empty: float
    needs_surface: bool
    definition: str
    compute: Callable[[OverlapCounts, SurfaceMetrics | None], float]


def _of_surface(name: str) -> Callable[[OverlapCounts, SurfaceMetrics | None], float]:
    def value(_: OverlapCounts, surface: SurfaceMetrics | None) -> float:
        return float(getattr(surface, name))

    return value


_OVERLAP_RULE = " Undefined if both masks are empty, 0 if one of them is."
_DISTANCE_RULE = " Undefined if both masks are empty, infinite if one of them is."
_SURFACE = "A mask's surface is its voxels with a face neighbour outside it."

METRICS: Mapping[str, Metric] = {
    metric.name: metric
    for metric in (
        Metric(
            "dice", "Dice", False, "higher", True, math.nan, 0.0, False,
            "Twice the voxels shared by reference and prediction, divided by the voxels of both; "
            "1 is perfect." + _OVERLAP_RULE,
            lambda counts, _: dice(counts),
        ),
        Metric(
            "iou", "IoU", False, "higher", True, math.nan, 0.0, False,
            "Voxels shared by reference and prediction, divided by the voxels in either; "
            "1 is perfect." + _OVERLAP_RULE,
            lambda counts, _: iou(counts),
        ),
        Metric(
            "hd", "HD", True, "lower", False, math.nan, math.inf, True,
            "Hausdorff distance: the farthest that any point of one surface is from the other "
            "surface; 0 is perfect. " + _SURFACE + _DISTANCE_RULE,
            _of_surface("hd"),
        ),
        Metric(
            "hd95", "HD95", True, "lower", False, math.nan, math.inf, True,
            "As HD, but 95% of each surface are at most this far from the other: the larger of "
            "the two directed 95th percentiles; 0 is perfect. " + _SURFACE + _DISTANCE_RULE,
            _of_surface("hd95"),
        ),
        Metric(
            "assd", "ASSD", True, "lower", False, math.nan, math.inf, True,
            "Average distance of the points of both surfaces to the other surface; 0 is perfect. "
            + _SURFACE + _DISTANCE_RULE,
            _of_surface("assd"),
        ),
        Metric(
            "nsd", "NSD", False, "higher", False, math.nan, 0.0, True,
            "Share of both surfaces that lies within the tolerance of the other surface; 1 is "
            "perfect. " + _SURFACE + _OVERLAP_RULE,
            _of_surface("nsd"),
        ),
    )
}  # fmt: skip

DEFAULT_METRICS = ("dice", "iou", "hd", "hd95")


def metrics_named(names: Sequence[str]) -> tuple[Metric, ...]:
    """Return the metrics of these names.

    Raises:
        UsageError: If a name is unknown or repeated, or none is given.
    """
    unknown = [name for name in names if name not in METRICS]
    if unknown or not names or len(set(names)) != len(names):
        found = ", ".join(names) or "none"
        raise UsageError(
            f"Metrics: found {found}; expected one or more different ones of {', '.join(METRICS)}."
        )
    return tuple(METRICS[name] for name in names)


def measure(
    metrics: Sequence[Metric],
    reference: np.ndarray,
    prediction: np.ndarray,
    spacing: Sequence[float],
    tolerance: float,
) -> tuple[OverlapCounts, tuple[float, ...]]:
    """Compute metrics of one pair of masks; surfaces are computed once for all of them.

    Args:
        metrics: What to compute.
        reference: Boolean mask.
        prediction: Boolean mask of the same shape.
        spacing: Distance of voxel centres along each axis.
        tolerance: For NSD, in the unit of the spacing.

    Returns:
        The counts, and one value per metric.
    """
    counts = count_overlap(reference, prediction)
    needed = any(metric.needs_surface for metric in metrics)
    surface = surface_metrics(reference, prediction, spacing, tolerance) if needed else None
    return counts, tuple(metric.compute(counts, surface) for metric in metrics)
