"""Files of results: written and read again, of older formats, and damaged."""

import dataclasses
import json
import shutil
from pathlib import Path

import pytest

from nnunetv2_fair.errors import EvaluationError
from nnunetv2_fair.evaluation.disclosure.of_evaluation import shareable
from nnunetv2_fair.evaluation.results.comparison import ModelComparison
from nnunetv2_fair.evaluation.results.evaluation import EvaluationResult
from nnunetv2_fair.evaluation.results.tables.text_table import TextTable
from tests.report import factories
from tests.report.of_evaluation.test_discovered import discovery

TABLE = TextTable("paper", "As in a paper", ("group", "Dice"), (("female", "0.8"),))


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write an evaluation with everything, a shareable one and a comparison."""
    folder = tmp_path_factory.mktemp("made")
    result = dataclasses.replace(
        factories.two_groups(), discovery=discovery(), preset_tables=(TABLE,)
    )
    for name in ("evaluation", "shareable", "comparison"):
        (folder / name).mkdir()
    result.write(folder / "evaluation")
    shareable(factories.two_groups()).write(folder / "shareable")
    factories.models([factories.two_groups(), factories.two_groups(gap=0.05)], ["a", "b"]).write(
        folder / "comparison"
    )
    return folder


@pytest.fixture
def old(made: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made, tmp_path / "old"))


@pytest.mark.parametrize(
    ("kind", "folder", "name"),
    [
        (EvaluationResult, "evaluation", "summary.json"),
        (EvaluationResult, "shareable", "summary.json"),
        (ModelComparison, "comparison", "comparison.json"),
    ],
)
def test_files_are_written_again_as_they_were(kind, folder, name, made: Path, tmp_path: Path):
    kind.read(made / folder).write(tmp_path)
    assert (tmp_path / name).read_bytes() == (made / folder / name).read_bytes()
    if (made / folder / "per_case.csv").exists():
        table = (made / folder / "per_case.csv").read_bytes()
        assert (tmp_path / "per_case.csv").read_bytes() == table


def test_a_file_of_an_older_format_is_refused_with_the_way_that_saves_measuring(old: Path):
    change(old / "evaluation" / "summary.json", lambda content: content.update(format=2))
    with pytest.raises(EvaluationError, match=r"format 2, expected 3\..*--from-csv.*per_case\.csv"):
        EvaluationResult.read(old / "evaluation")


def test_findings_are_in_the_file_as_data(made: Path):
    content = json.loads((made / "evaluation" / "summary.json").read_text(encoding="utf-8"))
    found = next(f for f in content["findings"] if f["metric"] == "dice")
    assert found["kind"] == "group_difference"
    assert found["verdict"] == "shown"
    assert found["who"] == ["female", "male"]
    assert found["sentence"].startswith("Segmentation of ")


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
    assert str(error.value).endswith("saves measuring).")


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
        ("[]", "holds a list; expected an object. Evaluate again"),
        ("{", "is not JSON: it ends in the middle of line 1, as if cut off. Evaluate again"),
        ("[" * 100_000, "is not JSON: it is nested too deeply. Evaluate again"),
        ("{}", "has format None, expected 3"),
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
