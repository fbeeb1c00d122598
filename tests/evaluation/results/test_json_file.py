"""Files of results: those of earlier versions, and damaged ones."""

import json
import math
import shutil
from pathlib import Path

import pytest

from nnunetv2_fair.errors import EvaluationError
from nnunetv2_fair.evaluation.results.comparison import ModelComparison
from nnunetv2_fair.evaluation.results.discovery import PairHeatmap, Subgroup
from nnunetv2_fair.evaluation.results.evaluation import EvaluationResult
from nnunetv2_fair.evaluation.results.groups import GroupStatistics, PairEffect
from nnunetv2_fair.evaluation.results.tables.text_table import TextTable

#: Written by version 0.1.0: one evaluation with everything, a shareable one, a comparison.
OLD = Path(__file__).parent / "of_version_0_1"


@pytest.fixture
def old(tmp_path: Path) -> Path:
    return Path(shutil.copytree(OLD, tmp_path / "old"))


def test_an_old_evaluation_is_read_as_it_was():
    found = EvaluationResult.read(OLD / "evaluation")
    assert (found.name, found.labels, found.attributes) == ("model 1", ("organ",), ("sex",))
    assert [metric.column for metric in found.metrics] == ["dice", "hd95_mm"]
    assert len(found.per_case) == 24
    assert math.isinf(found.per_case["hd95_mm"].max())
    dice = found.comparison("sex", "dice", "organ")
    women = dice.groups["female"]
    assert isinstance(women, GroupStatistics)
    assert (women.n_cases, women.n_patients, women.n_undefined, women.n_replaced) == (12, 12, 1, 0)
    assert isinstance(dice.effects[0], PairEffect)
    assert set(dice.effects[0].between) == {"female", "male"}
    assert dice.test is not None
    assert dice.test.p_value == pytest.approx(0.00098944, abs=1e-8)
    assert found.discovery is not None
    assert isinstance(found.discovery.subgroups[0], Subgroup)
    assert found.discovery.attributes == ("sex", "site")
    assert isinstance(found.discovery.heatmaps[0], PairHeatmap)
    assert found.discovery.heatmaps[0].n_cases == ((6, 4, 1), (7, 3, 2))
    assert isinstance(found.preset_tables[0], TextTable)
    assert isinstance(found.preset_tables[0].rows[0], tuple)
    hash(found.preset_tables)


def test_an_old_shareable_evaluation_tells_no_more_than_it_did():
    found = EvaluationResult.read(OLD / "shareable")
    assert found.shareable
    assert found.per_case.empty
    small = found.comparison("site", "dice", "organ").groups["C"]
    assert small.n_cases is None
    assert math.isnan(small.mean)


def test_an_old_comparison_is_read_as_it_was():
    found = ModelComparison.read(OLD / "comparison")
    assert (found.models, found.baseline) == (("model 1", "model 2"), "model 1")
    entry = found.entry("sex", "dice", "organ")
    value, interval = entry.per_model["model 2"].gaps["fairness_gap"]
    assert interval.low <= value <= interval.high
    assert entry.differences["model 2"].worst_group.p_value is None
    assert entry.ranks["overall_mean"]["model 1"].last == 2


@pytest.mark.parametrize(
    ("kind", "folder", "name"),
    [
        (EvaluationResult, "evaluation", "summary.json"),
        (EvaluationResult, "shareable", "summary.json"),
        (ModelComparison, "comparison", "comparison.json"),
    ],
)
def test_old_files_are_written_again_as_they_were(kind, folder, name, tmp_path: Path):
    kind.read(OLD / folder).write(tmp_path)
    text = (tmp_path / name).read_text(encoding="utf-8")
    # what later versions keep besides is empty
    text = text.replace(' "group_parts": {},\n', "")
    assert text == (OLD / folder / name).read_text(encoding="utf-8")
    if (OLD / folder / "per_case.csv").exists():
        table = (OLD / folder / "per_case.csv").read_bytes()
        assert (tmp_path / "per_case.csv").read_bytes() == table


def test_a_comparison_from_before_there_were_shareable_ones(old: Path):
    change(old / "comparison" / "comparison.json", lambda content: content.pop("shareable"))
    assert ModelComparison.read(old / "comparison").shareable is False


def change(path: Path, damage) -> None:
    content = json.loads(path.read_text(encoding="utf-8"))
    damage(content)
    path.write_text(json.dumps(content), encoding="utf-8")


def set_mean(content, value) -> None:
    content["comparisons"][1]["groups"]["female"]["mean"] = value


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (
            lambda c: set_mean(c, "high"),
            'comparisons[1].groups.female.mean is "high", expected a valid number',
        ),
        (
            lambda c: set_mean(c, [1, 2]),
            "comparisons[1].groups.female.mean is a list of 2, expected a valid number",
        ),
        (
            lambda c: c["comparisons"][0]["overall"].update(n_patients=2.5),
            "comparisons[0].overall.n_patients is 2.5, expected a valid integer",
        ),
        (lambda c: c["comparisons"][0].pop("left_out"), "comparisons[0].left_out is missing"),
        (lambda c: c.update(comparisons="x" * 99), f'comparisons is "{"x" * 39}..., expected'),
        (lambda c: c.update(labels="organ"), 'labels is "organ", expected a list'),
        (lambda c: c.pop("shareable"), "shareable missing"),
        (lambda c: c.pop("exclusions"), "exclusions missing"),
        (
            lambda c: c["metrics"][0].update(better="sideways"),
            "metrics[0].better is \"sideways\", expected 'higher' or 'lower'",
        ),
        (
            lambda c: c["discovery"]["subgroups"][0].update(support=None),
            "discovery.subgroups[0].support is null, expected a valid number",
        ),
    ],
)
def test_a_damaged_file_is_named_with_its_field(old: Path, damage, message):
    path = old / "evaluation" / "summary.json"
    change(path, damage)
    with pytest.raises(EvaluationError) as error:
        EvaluationResult.read(path.parent)
    assert str(error.value).startswith(f"{path} is damaged: {message}")
    assert str(error.value).endswith(". Evaluate again.")


def test_of_many_damaged_fields_three_are_listed(old: Path):
    path = old / "comparison" / "comparison.json"

    def damage(content):
        for entry in content["entries"]:
            entry["label"] = 1
            del entry["metric"], entry["per_model"], entry["differences"]

    change(path, damage)
    with pytest.raises(EvaluationError, match=r"entries\[0\]\.label is 1.*; and \d+ more\. Comp"):
        ModelComparison.read(path.parent)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[]", "is damaged: found a list of 0, expected an object with fields"),
        ("{", "is damaged: it is not JSON (Expecting property name"),
        ("{}", "has format None, expected 2"),
    ],
)
def test_a_file_of_something_else(old: Path, text, message):
    path = old / "evaluation" / "summary.json"
    path.write_text(text)
    with pytest.raises(EvaluationError) as error:
        EvaluationResult.read(path.parent)
    assert f"{path} {message}" in str(error.value)


def test_a_damaged_table_of_cases_is_named(old: Path):
    path = old / "evaluation" / "per_case.csv"
    path.write_text(path.read_text().replace("0.7", "many", 1))
    with pytest.raises(EvaluationError) as error:
        EvaluationResult.read(path.parent)
    assert str(error.value).startswith(f"{path} is damaged")
    assert EvaluationResult.read(path.parent, with_cases=False).per_case.empty


@pytest.mark.parametrize(
    ("change", "missing"),
    [
        (lambda text: text.replace(",dice,", ",Dice,"), "'dice'"),
        (lambda text: text.replace(",", ";"), "'case', 'patient'"),
    ],
    ids=["renamed", "semicolons"],
)
def test_a_table_that_another_program_saved_again_is_refused(old, change, missing):
    path = old / "evaluation" / "per_case.csv"
    path.write_text(change(path.read_text(encoding="utf-8")), encoding="utf-8")
    with pytest.raises(
        EvaluationError, match=rf"per_case\.csv has no column {missing}.*restore it"
    ):
        EvaluationResult.read(path.parent)


def test_a_table_of_cases_that_is_gone(old: Path):
    (old / "evaluation" / "per_case.csv").unlink()
    with pytest.raises(EvaluationError, match=r"has no per_case\.csv.*nnUNetv2_fair_evaluate"):
        EvaluationResult.read(old / "evaluation")
