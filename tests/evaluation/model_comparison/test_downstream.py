"""Models compared by errors of downstream measures: real hearts, and studies of equal models."""

import dataclasses
import json
import shutil

import numpy as np
import pytest
import scipy.stats
import SimpleITK as sitk  # noqa: N813

from nnunetv2_fair.cli.compare import main as command
from nnunetv2_fair.errors import EvaluationError
from nnunetv2_fair.evaluation import evaluate
from nnunetv2_fair.evaluation.disclosure.of_comparison import shareable_comparison
from nnunetv2_fair.evaluation.downstream.settings import DownstreamSettings
from nnunetv2_fair.evaluation.findings.of_models.downstream_changes import downstream_changes
from nnunetv2_fair.evaluation.model_comparison.comparison import compare_models
from nnunetv2_fair.evaluation.model_comparison.downstream.errors import error_comparisons
from nnunetv2_fair.evaluation.results.comparison import ModelComparison
from nnunetv2_fair.evaluation.run import EvaluationSettings
from nnunetv2_fair.evaluation.statistics.group_comparison import StatisticsSettings
from nnunetv2_fair.report.of_comparison.page import render_comparison
from nnunetv2_fair.report.terminal.comparison import console_comparison
from tests.evaluation.downstream.hearts import heart, make_hearts
from tests.evaluation.factories import write_mask
from tests.report.html_check import check_page

SETTINGS = EvaluationSettings(metrics=("dice",), statistics=StatisticsSettings(n_bootstrap=20))
CARDIAC = DownstreamSettings(("cardiac",))
QUICK = StatisticsSettings(n_bootstrap=20)


def evaluated(dataset, folder="predictions", downstream=CARDIAC):
    return evaluate(
        dataset.references, dataset.root / folder, dataset.table, ["sex"],
        settings=dataclasses.replace(SETTINGS, name=folder), downstream=downstream,
    )  # fmt: skip


@pytest.fixture(scope="module")
def hearts(tmp_path_factory):
    """A second model that is right for women, and for men as wrong as the first."""
    made = make_hearts(tmp_path_factory.mktemp("hearts"))
    shutil.copytree(made.predictions, made.root / "better")
    for number, case in enumerate(made.cases):
        if number % 4 < 2:
            reference = made.references / f"{case}.nii.gz"
            shutil.copy(reference, made.root / "better" / reference.name)
    return made


@pytest.fixture(scope="module")
def results(hearts):
    return [evaluated(hearts), evaluated(hearts, "better")]


@pytest.fixture(scope="module")
def compared(results):
    return compare_models(results, n_bootstrap=50)


def of(compared, measure):
    (found,) = [entry for entry in compared.downstream if entry.measure.name == measure]
    return found


def test_errors_are_compared_by_patient(results, compared):
    first, second = (
        r.downstream_cases.query("measure == 'ef'").set_index("patient")["absolute_error"]
        for r in results
    )
    women = results[0].downstream_cases.query("measure == 'ef' and sex == 'female'")["patient"]
    change = of(compared, "ef").differences["better"]
    assert change.overall.value == pytest.approx((second - first).mean())
    assert change.overall.p_value == pytest.approx(scipy.stats.ttest_rel(second, first).pvalue)
    assert change.groups["female"].value == pytest.approx((second - first)[women].mean())
    assert change.groups["female"].p_value == pytest.approx(
        scipy.stats.ttest_rel(second[women], first[women]).pvalue
    )
    assert change.groups["male"].value == 0
    errors = of(compared, "ef").per_model
    assert errors["better"].groups["female"] == 0
    assert errors["predictions"].overall == pytest.approx(first.mean())
    assert of(compared, "ef").group_patients == {"female": 12, "male": 12}


def test_what_is_claimed(compared):
    found = {
        f.who: f for f in compared.findings
        if (f.kind, f.metric) == ("downstream_change", "ef")
    }  # fmt: skip
    assert [found[who].verdict for who in ((), ("female",), ("male",))] == [
        "shown", "shown", "not_shown",
    ]  # fmt: skip
    sentence = found[("female",)].sentence
    assert sentence.startswith(
        "With better, the mean absolute error of the ejection fraction of LV_cavity for female is "
        "smaller: 0.00 percentage points instead of "
    )
    assert ", simultaneous 95% interval " in sentence
    # 8 measures, all and two groups
    assert of(compared, "ef").family_size == 8 * 3


def test_page_terminal_and_json(compared, tmp_path):
    page = render_comparison(compared)
    check_page(page)
    assert 'id="downstream"' in page
    assert "ejection fraction of" in page
    told = console_comparison(compared, "sex")
    assert "Errors of downstream measures" in told
    assert "ejection fraction of LV_cavity for female is" in " ".join(told.split())
    compared.write(tmp_path)
    assert repr(ModelComparison.read(tmp_path).downstream) == repr(compared.downstream)


def test_the_command_writes_the_numbers(hearts, results, tmp_path, capsys):
    for name, result in zip(("a", "b"), results, strict=True):
        result.write(tmp_path / name)
    out = tmp_path / "out"
    folders = [str(tmp_path / "a"), str(tmp_path / "b")]
    assert command([*folders, "-o", str(out), "--bootstrap", "20"]) == 0
    assert "Errors of downstream measures" in capsys.readouterr().out
    table = (out / "tables" / "downstream_errors_by_sex.csv").read_text(encoding="utf-8")
    rows = [line.split(",")[1:7] for line in table.splitlines()[1:]]
    assert ["LV_cavity", "ef", "%", "better", "female", "12"] in rows
    kinds = {f["kind"] for f in json.loads((out / "comparison.json").read_text())["findings"]}
    assert "downstream_change" in kinds


def test_nothing_of_it_is_shared(results, compared):
    told = shareable_comparison(compared, results)
    assert told.downstream == ()
    assert not [f for f in told.findings if f.kind == "downstream_change"]


def test_where_only_one_has_them_a_note_says_so(hearts, results):
    without = evaluated(hearts, "better", None)
    found = compare_models([results[0], without], n_bootstrap=20)
    assert found.downstream == ()
    assert any(
        note.startswith("Errors of downstream measures are not compared, as better has none: "
                        "evaluate all models with --downstream cardiac")
        for note in found.notes
    )  # fmt: skip
    assert 'id="downstream"' not in render_comparison(found)


def test_measures_that_only_some_have_are_named(hearts, results):
    more = evaluated(hearts, "better", DownstreamSettings(("cardiac", "radiomics")))
    found = compare_models([results[0], more], n_bootstrap=20)
    assert len(found.downstream) == 8
    assert any("which are not compared: diameter of LV_cavity" in note for note in found.notes)


def test_other_references_are_refused(results):
    cases = results[1].downstream_cases.copy()
    cases.loc[cases["case"] == "P003", "reference"] += 1
    other = dataclasses.replace(results[1], downstream_cases=cases)
    with pytest.raises(EvaluationError, match=r"(?s)different values of lvedv of LV_cavity in 1 "
                       r"case: P003.*Evaluate all models with the same images"):  # fmt: skip
        compare_models([results[0], other], n_bootstrap=20)


def test_a_heart_without_a_value_is_left_out_of_all(hearts, results, tmp_path):
    shutil.copytree(hearts.root / "better", tmp_path / "better")
    shutil.copytree(hearts.references, tmp_path / "labelsTs")
    shutil.copy(hearts.table, tmp_path)
    shutil.copy(hearts.root / "dataset.json", tmp_path)
    empty = sitk.ReadImage(str(hearts.references / "P001_ED.nii.gz"))
    for phase in ("ED", "ES"):
        write_mask(tmp_path / "better" / f"P001_{phase}.nii.gz", heart(0, 0, 0), empty.GetSpacing())
    other = evaluated(dataclasses.replace(hearts, root=tmp_path), "better")
    found = error_comparisons([results[0], other], ["a", "b"], QUICK)
    ef = next(entry for entry in found if entry.measure.name == "ef")
    assert (ef.n_patients, ef.n_undefined, ef.group_patients["male"]) == (23, 1, 11)


def null_study(result, generator, effect=1.0):
    """Two models whose errors of every measure have one distribution, alike within a patient."""
    made = []
    frame = result.downstream_cases
    patients = frame["patient"].unique()
    hard = dict(zip(patients, generator.gamma(1.0, 1.0, len(patients)), strict=True))
    for scale in (1.0, effect):
        errors = scale * frame["patient"].map(hard) * generator.gamma(0.7, 1.0, len(frame))
        made.append(dataclasses.replace(
            result, downstream_cases=frame.assign(absolute_error=errors)))  # fmt: skip
    return made


def shown(result, compared, generator, n_studies, effect=1.0):
    count = 0
    for _ in range(n_studies):
        entries = error_comparisons(null_study(result, generator, effect), ["a", "b"], QUICK)
        told = dataclasses.replace(compared, baseline="a", models=("a", "b"), downstream=entries)
        count += any(f.verdict == "shown" for f in downstream_changes(told))
    return count


def test_equal_models_are_seldom_told_apart(results, compared):
    generator = np.random.default_rng(5)
    # at 0.05 more than 7 of 60 come up in one seed of 60
    assert shown(results[0], compared, generator, 60) <= 7


def test_a_model_with_a_third_of_the_errors_is_told_apart(results, compared):
    assert shown(results[0], compared, np.random.default_rng(6), 20, 0.3) >= 6


@pytest.mark.slow
def test_equal_models_are_seldom_told_apart_in_many_studies(results, compared):
    assert shown(results[0], compared, np.random.default_rng(7), 600) <= 41
