"""The evaluation as a function, and fairlearn's view of its result."""

import dataclasses
import sys
from pathlib import Path

import numpy as np
import pytest

from nnunetv2_fair.cli.evaluate import main as command
from nnunetv2_fair.errors import EvaluationError, UsageError
from nnunetv2_fair.evaluation import evaluate, evaluate_csv
from nnunetv2_fair.evaluation.discovery.settings import DiscoverySettings
from nnunetv2_fair.evaluation.measuring.all_cases import Part
from nnunetv2_fair.evaluation.request import Masks, Request, ScoresFile, answer, measure_shard
from nnunetv2_fair.evaluation.results.evaluation import EvaluationResult
from nnunetv2_fair.evaluation.run import EvaluationSettings
from nnunetv2_fair.evaluation.statistics.group_comparison import StatisticsSettings
from nnunetv2_fair.report.of_evaluation.page import write_evaluation
from nnunetv2_fair.tables.settings import TableSettings
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
        settings=QUICK, table=TableSettings(bins={"age": (55,)}),
        reference_groups={"sex": "male"}, preset="lee", discover=DiscoverySettings(0.2, 99),
    )  # fmt: skip


def test_result_holds_what_was_asked_for(result, tmp_path: Path):
    gap = result.comparison("sex", "dice", result.headline_label).gap("fairness_gap")
    assert gap.between == ("male", "female")
    assert gap.value > 0
    assert result.attributes == ("sex", "sex+age")
    assert [table.name for table in result.preset_tables] == ["lee"] * 6
    assert result.discovery.permutations == 99
    assert result.settings["preset"] == "lee"
    assert result.settings["discover"] == {
        "min_support": 0.2, "permutations": 99, "confirm": False,
    }  # fmt: skip
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
    with pytest.raises(UsageError, match=r"'age' is not one of the attributes.*: sex, sex\+age"):
        result.to_metric_frame("age")
    with pytest.raises(UsageError, match=r"'liver' is not one of the labels.*lesion, average"):
        result.to_metric_frame("sex", "liver")
    monkeypatch.setitem(sys.modules, "fairlearn.metrics", None)
    with pytest.raises(UsageError, match=r"pip install nnunetv2_fair\[fairlearn\]"):
        result.to_metric_frame("sex")


def test_the_command_and_the_function_find_the_same(dataset, tmp_path, result):
    arguments = [
        "-gt", dataset.references, "-pred", dataset.predictions, "--demographics", dataset.table,
        "-a", "sex", "sex+age", "--bins", "age=55", "--reference", "sex=male", "--preset", "lee",
        "--discover", "--permutations", "99", "--min-support", "0.2", "--metrics", "dice", "hd",
        "--bootstrap", 20, "--min-patients", 3, "-np", 1, "-o", tmp_path / "out",
    ]  # fmt: skip
    assert command(list(map(str, arguments))) == 0
    found = EvaluationResult.read(tmp_path / "out")
    for name in ("comparisons", "exclusions", "notes", "definitions", "settings", "discovery",
                 "preset_tables", "inputs_sha256", "group_parts", "labels", "metrics"):  # fmt: skip
        assert repr(getattr(found, name)) == repr(getattr(result, name)), name


def test_scores_shards_and_shareable_results_need_no_command(dataset, tmp_path):
    masks = Masks(dataset.references, dataset.predictions)  # the table lies beside
    request = Request(
        masks, ("sex",), metrics=("dice", "hd"), statistics=QUICK.statistics, pictures=True
    )
    kept = tmp_path / "kept"
    total = len(dataset.cases)
    for number in (1, 2):
        assert measure_shard(request, Part(kept, (number, 2))) == (total // 2, total)
    merged = answer(request, Part(kept, merge=True))
    assert [picture.case in dataset.cases for picture in merged.pictures]
    whole = answer(request)
    assert repr(merged.result.comparisons) == repr(whole.result.comparisons)
    written = write_evaluation(merged.result, merged.pictures, tmp_path / "out", ["md"])
    assert {"per_case.csv", "summary.json", "report.html"} < {path.name for path in written}
    assert all(path.exists() for path in written)

    scores = ScoresFile(tmp_path / "out" / "per_case.csv", "csv")
    again = answer(dataclasses.replace(request, source=scores))
    assert again.pictures == ()
    first, second = (r.comparison("sex", "hd", "average") for r in (again.result, whole.result))
    assert repr(first) == repr(second)
    with pytest.raises(UsageError, match="Only masks can be measured in shards"):
        measure_shard(dataclasses.replace(request, source=scores), Part(kept, (1, 2)))

    told = answer(dataclasses.replace(request, shareable=True))
    assert told.result.shareable
    assert told.pictures == ()
    assert write_evaluation(told.result, told.pictures, tmp_path / "shared") == (
        tmp_path / "shared" / "summary.json", tmp_path / "shared" / "report.html",
        tmp_path / "shared" / "figures", tmp_path / "shared" / "tables",
    )  # fmt: skip


def test_the_table_is_looked_for_beside_the_references(tmp_path):
    request = Request(Masks(tmp_path / "labelsTs", tmp_path / "predictions"))
    with pytest.raises(EvaluationError, match=r"labelsTs \(-gt\) does not exist"):
        answer(request)
    (tmp_path / "labelsTs").mkdir()
    with pytest.raises(UsageError, match=r"There is no .*demographics\.csv; pass the table"):
        answer(request)


def test_scores_as_a_function_are_those_of_the_command(dataset, tmp_path: Path):
    lines = ["case,sex,dice,lesion_f1"]
    lines += [f"c{i:02d},{'fm'[i % 2]},{0.7 + 0.02 * (i % 2)},{i / 20}" for i in range(20)]
    scores = tmp_path / "scores.csv"
    scores.write_text("\n".join(lines) + "\n", encoding="utf-8")
    found = evaluate_csv(
        scores, ["sex"], better={"lesion_f1": "higher"}, settings=QUICK,
        table=TableSettings(values={"sex": {"f": "female", "m": "male"}}),
        reference_groups={"sex": "male"},
    )  # fmt: skip
    options = ["--values", "sex", "f=female", "m=male", "--reference", "sex=male"]
    arguments = ["--from-csv", str(scores), "-a", "sex", "--score", "lesion_f1=higher", *options]
    out = tmp_path / "out"
    assert command([*arguments, "--bootstrap", "20", "--min-patients", "3", "-o", str(out)]) == 0
    read = EvaluationResult.read(out)
    assert repr(read.comparisons) == repr(found.comparisons)
    assert repr(read.findings) == repr(found.findings)
    groups = found.comparison("sex", "lesion_f1", found.headline_label).groups
    assert set(groups) == {"female", "male"}
