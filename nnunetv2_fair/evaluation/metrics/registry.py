"""All per-case metrics: name, function, unit, direction and rules for empty masks.

A new metric is one more entry in :data:`METRICS`; commands, evaluator, statistics and report need
no change. Commands list the names in their help, so what computes is imported when it is called,
and metrics are named tuples: dataclasses would cost every ``--help`` 5 ms.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Literal, NamedTuple

from nnunetv2_fair.errors import UsageError

if TYPE_CHECKING:
    from nnunetv2_fair.evaluation.metrics.regions import RegionPair

#: The MAMA-MIA challenge divides HD95 by this, in voxels.
NORM_HD_VOXELS = 150.0


class Metric(NamedTuple):
    """One metric of one region in reference and prediction.

    Attributes:
        name: Column stem and option value.
        title: As people write it.
        is_distance: Whether its unit is that of the spacing (mm or px); otherwise it has none.
        better: Whether higher or lower values are better.
        one_minus_is_error: Whether 1 minus the value is an error rate, so that ratios of
            errors (SER, SKEW) and equity scaling mean something.
        both_empty: Value if both masks are empty.
        definition: One or two sentences for readers of the report, with the rule for empty masks.
        compute: Takes the region.
        highest: Largest possible value; infinity if there is none. The smallest is 0.
        source: Work to cite for it; empty if there is none.
    """

    name: str
    title: str
    is_distance: bool
    better: Literal["higher", "lower"]
    one_minus_is_error: bool
    both_empty: float
    definition: str
    compute: "Callable[[RegionPair], float]"
    highest: float = math.inf
    source: str = ""


_OVERLAP_RULE = " Undefined if both masks are empty, 0 if one of them is."
_DISTANCE_RULE = " Undefined if both masks are empty, infinite if one of them is."
_SURFACE = "A mask's surface is its voxels with a face neighbour outside it."
_NAN = math.nan
_HAUSDORFF = (
    "Huttenlocher DP, Klanderman GA, Rucklidge WJ. Comparing images using the Hausdorff distance. "
    "IEEE Transactions on Pattern Analysis and Machine Intelligence 1993;15:850-863."
)


def _dice(pair: "RegionPair") -> float:
    from nnunetv2_fair.evaluation.metrics.overlap import dice

    return dice(pair.counts)


def _iou(pair: "RegionPair") -> float:
    from nnunetv2_fair.evaluation.metrics.overlap import iou

    return iou(pair.counts)


def _volume_error(pair: "RegionPair") -> float:
    from nnunetv2_fair.evaluation.metrics.overlap import volume_error

    return volume_error(pair.counts)


def _detection(pair: "RegionPair") -> float:
    from nnunetv2_fair.evaluation.metrics.overlap import detection

    return detection(pair.counts)


def _norm_hd(pair: "RegionPair") -> float:
    hd95 = pair.surface_in_voxels.hd95
    return hd95 if math.isnan(hd95) else min(1.0, hd95 / NORM_HD_VOXELS)


METRICS: Mapping[str, Metric] = {
    metric.name: metric
    for metric in (
        Metric(
            "dice", "Dice", False, "higher", True, _NAN,
            "Twice the voxels shared by reference and prediction, divided by the voxels of both; "
            "1 is perfect." + _OVERLAP_RULE,
            _dice,
            highest=1.0,
            source="Dice LR. Measures of the amount of ecologic association between species. "
            "Ecology 1945;26:297-302.",
        ),
        Metric(
            "iou", "IoU", False, "higher", True, _NAN,
            "Voxels shared by reference and prediction, divided by the voxels in either; "
            "1 is perfect." + _OVERLAP_RULE,
            _iou,
            highest=1.0,
            source="Jaccard P. The distribution of the flora in the alpine zone. New Phytologist "
            "1912;11:37-50.",
        ),
        Metric(
            "hd", "HD", True, "lower", False, _NAN,
            "Hausdorff distance: the farthest that any point of one surface is from the other "
            "surface; 0 is perfect. " + _SURFACE + _DISTANCE_RULE,
            lambda pair: pair.surface.hd,
            source=_HAUSDORFF,
        ),
        Metric(
            "hd95", "HD95", True, "lower", False, _NAN,
            "As HD, but 95% of each surface are at most this far from the other: the larger of "
            "the two directed 95th percentiles; 0 is perfect. " + _SURFACE + _DISTANCE_RULE,
            lambda pair: pair.surface.hd95,
            source=_HAUSDORFF,
        ),
        Metric(
            "assd", "ASSD", True, "lower", False, _NAN,
            "Average distance of the points of both surfaces to the other surface; 0 is perfect. "
            + _SURFACE + _DISTANCE_RULE,
            lambda pair: pair.surface.assd,
        ),
        Metric(
            "nsd", "NSD", False, "higher", False, _NAN,
            "Share of both surfaces that is within the tolerance of the other surface; 1 is "
            "perfect. " + _SURFACE + _OVERLAP_RULE,
            lambda pair: pair.surface.nsd,
            highest=1.0,
            source="Nikolov S, Blackwell S, Zverovitch A, et al. Deep learning to achieve "
            "clinically applicable segmentation of head and neck anatomy for radiotherapy. "
            "arXiv:1809.04430, 2018.",
        ),
        Metric(
            "norm_hd", "NormHD", False, "lower", False, _NAN,
            f"HD95 in voxels, regardless of their size, divided by {NORM_HD_VOXELS:g} and at most "
            "1; 0 is perfect. Undefined if both masks are empty, 1 if one of them is.",
            _norm_hd,
            highest=1.0,
            source=_HAUSDORFF,
        ),
        Metric(
            "hd95_voxels", "HD95 in voxels", False, "lower", False, _NAN,
            "HD95 in voxels, regardless of their size, as in the MAMA-MIA challenge's script; "
            "0 is perfect." + _DISTANCE_RULE + " Infinite values stay so in all statistics.",
            lambda pair: pair.surface_in_voxels.hd95,
            source=_HAUSDORFF,
        ),
        Metric(
            "volume_error", "Volume error", False, "lower", False, _NAN,
            "Difference of the volumes (in 2D: areas) of prediction and reference, whichever is "
            "larger, divided by the reference's; 0 is perfect. 1 if the prediction is empty, "
            "undefined if the reference or if both masks are empty.",
            _volume_error,
        ),
        Metric(
            "detection", "Detection", False, "higher", True, _NAN,
            "1 if the prediction shares a voxel with the reference; 0 if the structure is missed "
            "altogether or predicted where there is none, so that a mean is the share of cases in "
            "which it was found. Undefined if both masks are empty.",
            _detection,
            highest=1.0,
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
