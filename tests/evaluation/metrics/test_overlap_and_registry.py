import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis.extra import numpy as arrays

from nnunetv2_fair.errors import EvaluationError, UsageError
from nnunetv2_fair.evaluation.metrics.overlap import OverlapCounts, count_overlap, dice, iou
from nnunetv2_fair.evaluation.metrics.registry import METRICS, Metric, metrics_named
from tests.evaluation.factories import region_of_masks

#: Values if the prediction alone is empty, and if the reference alone is.
ONE_EMPTY = {
    "dice": (0.0, 0.0), "iou": (0.0, 0.0), "hd": (math.inf, math.inf),
    "hd95": (math.inf, math.inf), "assd": (math.inf, math.inf), "nsd": (0.0, 0.0),
    "norm_hd": (1.0, 1.0), "hd95_voxels": (math.inf, math.inf),
    "volume_error": (1.0, math.nan), "detection": (0.0, 0.0),
}  # fmt: skip

masks = arrays.arrays(bool, (4, 7))


@given(masks, masks)
def test_overlap_equals_sets_of_voxels(reference: np.ndarray, prediction: np.ndarray):
    first = {tuple(v) for v in np.argwhere(reference)}
    second = {tuple(v) for v in np.argwhere(prediction)}
    counts = count_overlap(reference, prediction)
    assert counts == OverlapCounts(len(first & second), len(second - first), len(first - second))
    assert (counts.reference, counts.prediction) == (len(first), len(second))
    if first or second:
        assert dice(counts) == pytest.approx(2 * len(first & second) / (len(first) + len(second)))
        assert iou(counts) == pytest.approx(len(first & second) / len(first | second))
        assert dice(counts) == pytest.approx(2 * iou(counts) / (1 + iou(counts)))
    else:
        assert math.isnan(dice(counts))
        assert math.isnan(iou(counts))


def test_overlap_refuses_other_masks():
    mask = np.ones((3, 4), dtype=bool)
    with pytest.raises(EvaluationError, match=r"reference \(3, 4\), prediction \(3, 5\)"):
        count_overlap(mask, np.ones((3, 5), dtype=bool))
    with pytest.raises(EvaluationError, match=r"reference is an array of int64.*labels == 1"):
        count_overlap(mask.astype(np.int64), mask)


@pytest.mark.parametrize("metric", METRICS.values(), ids=list(METRICS))
def test_every_metric_keeps_its_contract(metric: Metric):
    prediction_empty, reference_empty = ONE_EMPTY[metric.name]
    nothing, something = np.zeros((5, 8), dtype=bool), np.zeros((5, 8), dtype=bool)
    something[1:4, 2:6] = True
    spacing = (2.0, 0.5)

    def value(reference: np.ndarray, prediction: np.ndarray) -> float:
        return metric.compute(region_of_masks(reference, prediction, spacing, 0.4))

    def same(found: float, expected: float) -> bool:
        return found == expected or (math.isnan(found) and math.isnan(expected))

    assert same(value(nothing, nothing), metric.both_empty)
    assert same(value(something, nothing), prediction_empty)
    assert same(value(nothing, something), reference_empty)
    # direction: one row off is worse than perfect, and far off is worse still
    perfect = value(something, something)
    less, least = something.copy(), nothing.copy()
    less[3] = False
    least[4, 0] = True
    near, far = value(something, less), value(something, least)
    assert perfect == (1.0 if metric.better == "higher" else 0.0)
    if metric.better == "higher":
        # a structure is found, or it is not
        assert perfect == near > far if metric.name == "detection" else perfect > near > far
    else:
        assert perfect < near < far
    # distances scale with the spacing, shares do not
    scaled = metric.compute(region_of_masks(something, less, (4.0, 1.0), 0.8))
    assert scaled == pytest.approx(near * (2 if metric.is_distance else 1))
    assert "both masks are empty" in metric.definition
    assert metric.title
    assert metric.name in METRICS


@pytest.mark.parametrize("names", [["dice", "volume"], [], ["dice", "dice"]])
def test_unknown_metrics_list_the_known_ones(names: list[str]):
    with pytest.raises(UsageError, match="dice, iou, hd, hd95, assd, nsd, norm_hd"):
        metrics_named(names)
