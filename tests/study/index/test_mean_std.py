"""Mean and standard deviation over the trainings of a study's methods."""

import dataclasses

import pandas as pd
import pytest

from nnunetv2_fair.evaluation.model_comparison.comparison import compare_models
from nnunetv2_fair.evaluation.results.evaluation import EvaluationResult
from nnunetv2_fair.evaluation.results.tables.over_trainings import Quantity, over_trainings
from nnunetv2_fair.study.index.index import write_index
from tests.evaluation.trainings.factories import evaluated, scores_of_trainings
from tests.report.html_check import Page
from tests.study.finished_study import (
    DATASET,
    StudyFolder,
    add_comparison,
    add_evaluation,
    attempt,
)
from tests.study.index.test_index import check_index

METHOD, SINGLE = "nnUNetTrainerMonitor_sex", "nnUNetTrainerOversampling_sex"
LABEL = "segmentation"


def add_result(study: StudyFolder, trainer: str, result: EvaluationResult) -> None:
    step = add_evaluation(study, trainer)
    folder = study.root / "evaluations" / DATASET / "2d" / "internal" / trainer
    folder.mkdir(parents=True)
    dataclasses.replace(result, name=trainer).write(folder)
    (folder / "report.html").write_text("x", encoding="utf-8")
    study.done(step, attempt(60))


@pytest.fixture
def study(tmp_path) -> StudyFolder:
    made = StudyFolder(tmp_path / "study")
    add_result(made, METHOD, evaluated(scores_of_trainings(seed=1), tmp_path))
    one = scores_of_trainings(seed=2, trainings=1).drop(columns="training")
    add_result(made, SINGLE, evaluated(one, tmp_path, None, "one"))
    return made


def test_tables_are_on_the_page_and_beside_it(study):
    write_index(study.root)
    page = check_index(study.root)
    folder = study.root / "evaluations" / DATASET / "2d" / "internal" / METHOD
    found = over_trainings(EvaluationResult.read(folder, with_cases=False), "sex", "dice", LABEL)
    delta = found[Quantity("delta")]
    cell = f"{delta.mean:.4f} ({delta.std:.4f})"
    assert cell in page.text
    assert "Mean over 3 trainings, in parentheses the standard deviation between them (n - 1)" in (
        page.text
    )
    stem = f"mean_std_dice_by_sex_internal_{DATASET.lower()}_2d"
    for ending in ("md", "tex"):
        text = (study.root / "tables" / f"{stem}.{ending}").read_text(encoding="utf-8")
        assert cell in text
        assert (METHOD.replace("_", r"\_") if ending == "tex" else METHOD) in text
    table = pd.read_csv(study.root / "tables" / f"{stem}.csv").set_index(["method", "quantity"])
    assert table.loc[(METHOD, "delta"), "std"].item() == pytest.approx(delta.std)
    assert pd.isna(table.loc[(SINGLE, "delta"), "std"].item())
    everything = pd.read_csv(study.root / "mean_std.csv")
    row = everything[(everything["trainer"] == METHOD) & (everything["quantity"] == "delta")]
    assert row["mean"].item() == pytest.approx(delta.mean)
    assert row["trainings"].item() == 3


def test_without_several_trainings_there_are_none(study, tmp_path):
    write_index(study.root)
    assert list((study.root / "tables").glob("*.tex"))
    other = StudyFolder(study.root)
    one = scores_of_trainings(seed=2, trainings=1).drop(columns="training")
    add_result(other, f"{SINGLE}_level0.5", evaluated(one, tmp_path, None, "one"))
    write_index(study.root)
    text = Page((study.root / "index.html").read_text(encoding="utf-8")).text
    assert "Mean (SD) over trainings" not in text
    assert not (study.root / "mean_std.csv").exists()
    assert not list((study.root / "tables").glob("*.tex"))


def test_no_table_holds_a_case_or_a_patient(study):
    write_index(study.root)
    for path in (study.root / "mean_std.csv", *(study.root / "tables").iterdir()):
        assert "c000" not in path.read_text(encoding="utf-8")


def test_the_page_says_how_many_trainings_it_is_about(study, tmp_path):
    other = "nnUNetTrainerReweighting_sex"
    add_result(study, other, evaluated(scores_of_trainings(seed=3), tmp_path, name="b"))
    folder = study.root / "evaluations" / DATASET / "2d" / "internal"
    results = [EvaluationResult.read(folder / name) for name in (METHOD, SINGLE, other)]
    compared = compare_models(results, [METHOD, SINGLE, other], n_bootstrap=100)
    step = add_comparison(study, ())
    place = study.root / step.outputs[0]
    place.parent.mkdir(parents=True)
    compared.write(place.parent)
    (place.parent / "comparison.html").write_text("x", encoding="utf-8")
    study.done(step, attempt(9))
    write_index(study.root)
    text = check_index(study.root).text
    assert "A model is a method of 3 trainings: what is said allows for what another" in text


def test_what_must_not_be_told_has_no_table(tmp_path):
    made = StudyFolder(tmp_path / "study")
    table = scores_of_trainings(seed=1)
    table.loc[table["case"] == "c000", "sex"] = "x"
    result = evaluated(table, tmp_path)
    result = dataclasses.replace(
        result,
        settings={**result.settings, "min_patients": 1},
        comparisons=tuple(dataclasses.replace(c, left_out={}) for c in result.comparisons),
    )
    add_result(made, METHOD, result)
    write_index(made.root)
    assert "Mean (SD) over trainings" not in check_index(made.root).text
    assert len(pd.read_csv(made.root / "mean_std.csv")) == 0
