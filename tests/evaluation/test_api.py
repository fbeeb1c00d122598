"""The evaluation as a function, and fairlearn's view of its result."""

import dataclasses
import sys
from pathlib import Path

import numpy as np
import pytest

from nnunetv2_fair.errors import UsageError
from nnunetv2_fair.evaluation import evaluate
from nnunetv2_fair.evaluation.discovery import DiscoverySettings
from nnunetv2_fair.evaluation.results.evaluation import EvaluationResult
from nnunetv2_fair.evaluation.run import EvaluationSettings
from nnunetv2_fair.evaluation.statistics.group_comparison import StatisticsSettings
from tests.evaluation.factories import Dataset, make_dataset

QUICK = EvaluationSettings(
    metrics=("dice", "hd"), statistics=StatisticsSettings(n_bootstrap=20, min_patients=3)
)


@pytest.fixture(scope="module")
def dataset(tmp_path_factory) -> Dataset:
    return make_dataset(tmp_path_factory.mktemp("api"), n_patients=10)


@pytest.fixture(scope="module")
def result(dataset) -> EvaluationResult:
    return evaluate(
        str(dataset.references), dataset.predictions, dataset.table, ["sex", "sex+age"],
        settings=QUICK, bins={"age": (55,)}, reference_groups={"sex": "male"}, preset="lee",
        discover=DiscoverySettings("fdr", 0.2),
    )  # fmt: skip


def test_result_holds_what_was_asked_for(result, tmp_path: Path):
    gap = result.comparison("sex", "dice", result.headline_label).gap("fairness_gap")
    assert gap.between == ("male", "female")
    assert gap.value > 0
    assert result.attributes == ("sex", "sex+age")
    assert [table.name for table in result.preset_tables] == ["lee"] * 6
    assert result.discovery.correction == "fdr"
    assert result.settings["preset"] == "lee"
    assert result.settings["discover"] == {"correction": "fdr", "min_support": 0.2}
    with pytest.raises(dataclasses.FrozenInstanceError):
        result.name = "other"
    result.write(tmp_path)
    again = EvaluationResult.read(tmp_path)
    assert repr(again.discovery) == repr(result.discovery)
    assert again.preset_tables == result.preset_tables
    assert repr(again.comparisons) == repr(result.comparisons)


def test_presets_bring_their_metrics(dataset):
    found = evaluate(
        dataset.references, dataset.predictions, dataset.table, ["sex"], preset="fairdiff"
    )
    assert [metric.name for metric in found.metrics] == ["dice", "iou"]
    assert found.discovery is None
    with pytest.raises(UsageError, match="needs dice, iou; iou is not among"):
        evaluate(
            dataset.references,
            dataset.predictions,
            dataset.table,
            settings=QUICK,
            preset="fairdiff",
        )


def test_metric_frame_is_fairlearns(result):
    frame = result.to_metric_frame("sex")
    rows = result.per_case[result.per_case["label"] == "average"]
    expected = rows.groupby("sex")["dice"].mean()
    assert frame.by_group["dice"].to_dict() == pytest.approx(expected.to_dict())
    assert frame.difference()["dice"] == pytest.approx(expected.max() - expected.min())
    assert frame.overall["hd_px"] == pytest.approx(rows["hd_px"].mean())
    lesion = result.to_metric_frame("sex+age", "lesion")
    chosen = result.per_case[result.per_case["label"] == "lesion"]
    assert lesion.by_group["dice"].to_dict() == pytest.approx(
        chosen.groupby("sex+age")["dice"].mean().to_dict()
    )


def test_metric_frame_leaves_out_what_is_unknown_or_undefined(result):
    rows = result.per_case.copy()
    rows.loc[rows["case"] == "case_00_0", "sex"] = ""
    rows.loc[rows["case"] == "case_01_0", "dice"] = np.nan
    changed = dataclasses.replace(result, per_case=rows)
    frame = changed.to_metric_frame("sex", "organ")
    kept = rows[(rows["label"] == "organ") & (rows["sex"] != "")]
    assert frame.by_group["dice"].to_dict() == pytest.approx(
        kept.groupby("sex")["dice"].mean().to_dict()
    )


def test_metric_frame_refuses_what_was_not_evaluated(result, monkeypatch: pytest.MonkeyPatch):
    with pytest.raises(UsageError, match=r"'age' is no attribute.*it has sex, sex\+age"):
        result.to_metric_frame("age")
    with pytest.raises(UsageError, match=r"'liver' is no label.*organ, lesion, average"):
        result.to_metric_frame("sex", "liver")
    monkeypatch.setitem(sys.modules, "fairlearn.metrics", None)
    with pytest.raises(UsageError, match=r"pip install nnunetv2_fair\[fairlearn\]"):
        result.to_metric_frame("sex")
