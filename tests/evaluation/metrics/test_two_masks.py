"""Masks in memory get the values that the evaluator writes for the same masks in files."""

import math

import numpy as np
import pytest

from nnunetv2_fair.errors import EvaluationError, UsageError
from nnunetv2_fair.evaluation import evaluate, measure_masks
from nnunetv2_fair.evaluation.masks.label_maps import read_label_map
from nnunetv2_fair.evaluation.metrics.registry import METRICS
from nnunetv2_fair.evaluation.run import EvaluationSettings
from nnunetv2_fair.evaluation.statistics.group_comparison import StatisticsSettings
from tests.evaluation.factories import make_dataset


def test_they_are_those_of_the_evaluator(tmp_path):
    dataset = make_dataset(tmp_path, n_patients=10)
    result = evaluate(
        dataset.references, dataset.predictions, dataset.table, ["sex"],
        settings=EvaluationSettings(
            metrics=tuple(METRICS), tolerance=2.0, statistics=StatisticsSettings(n_bootstrap=0)
        ),
    )  # fmt: skip
    row = result.per_case.iloc[0]
    assert row["label"] != "average"
    maps = [
        read_label_map(next(folder.glob(f"{row['case']}.*")))
        for folder in (dataset.references, dataset.predictions)
    ]
    first, second = (found.foreground.whole == 1 for found in maps)
    found = measure_masks(
        first, second, maps[0].geometry.spacing, metrics=tuple(METRICS), tolerance_mm=2.0
    )
    for metric in result.metrics:
        assert found[metric.name] == pytest.approx(row[metric.column], rel=1e-12), metric.name


def test_a_volume_of_one_slice_is_measured_in_2d():
    first, second = np.zeros((2, 7, 9), dtype=bool)
    first[2:5, 2:6], second[2:6, 3:6] = True, True
    flat = measure_masks(first, second, (2.0, 0.5), metrics=("hd", "assd", "dice"))
    assert flat == measure_masks(
        first[None], second[None], (5.0, 2.0, 0.5), metrics=("hd", "assd", "dice")
    )
    assert flat["hd"] == 2.0


def test_empty_masks():
    empty, full = np.zeros((4, 5), dtype=bool), np.ones((4, 5), dtype=bool)
    assert measure_masks(full, empty, (1, 1), metrics=("dice", "hd95")) == {
        "dice": 0.0, "hd95": math.inf,
    }  # fmt: skip
    assert all(math.isnan(value) for value in measure_masks(empty, empty, (1, 1)).values())


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ((np.ones((2, 3), bool), np.ones((3, 2), bool), (1, 1)), EvaluationError, "same grid"),
        ((np.ones((2, 3)), np.ones((2, 3), bool), (1, 1)), EvaluationError, "labels == 1"),
        ((np.ones((2, 3), bool), np.ones((2, 3), bool), (1,)), EvaluationError, "per axis"),
    ],
)
def test_refuses(arguments, error, message):
    with pytest.raises(error, match=message):
        measure_masks(*arguments)


def test_unknown_metrics_are_refused():
    with pytest.raises(UsageError, match="expected one or more"):
        measure_masks(np.ones((2, 2), bool), np.ones((2, 2), bool), (1, 1), metrics=("dcs",))
