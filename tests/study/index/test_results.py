import dataclasses
import logging
import math
import shutil

import numpy as np
import pandas as pd
import pytest

from nnunetv2_fair.evaluation.results.comparison import RankRange
from nnunetv2_fair.evaluation.results.evaluation import EvaluationResult
from nnunetv2_fair.paths import PER_CASE_CSV
from nnunetv2_fair.study.index.progress import read_progress
from nnunetv2_fair.study.index.rankings_csv import write_rankings
from nnunetv2_fair.study.index.results import read_results, scores_of
from tests.report import factories
from tests.study.finished_study import (
    BASELINE,
    BROKEN,
    FAIR,
    StudyFolder,
    add_comparison,
    add_evaluation,
    attempt,
    make_masks,
    make_study,
)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> StudyFolder:
    root = tmp_path_factory.mktemp("results")
    return make_study(root, make_masks(root / "masks"))


@pytest.fixture
def study(finished: StudyFolder, tmp_path) -> StudyFolder:
    """A copy that a test may change."""
    shutil.copytree(finished.root, tmp_path / "copy")
    copy = StudyFolder(tmp_path / "copy", finished.title)
    copy.steps = dict(finished.steps)
    return copy


def read(study: StudyFolder):
    return read_results(study.root, read_progress(study.root))


def written(tmp_path, result: EvaluationResult) -> StudyFolder:
    """A study of one method whose evaluation is given."""
    study = StudyFolder(tmp_path)
    step = add_evaluation(study, FAIR)
    folder = (tmp_path / step.outputs[0]).parent
    folder.mkdir(parents=True)
    result.write(folder)
    study.done(step, attempt(1))
    return study


def by_measure(on_test, trainer, attribute, label, metric="dice"):
    info = on_test.shown[trainer].metric(metric)
    return {s.measure: s for s in scores_of(on_test, trainer, attribute, label, info)}


def test_methods_and_comparison_of_a_test_set(finished):
    (on_test,) = read(finished)
    assert on_test.test == "internal"
    assert [e.trainer for e in on_test.evaluated] == [BASELINE, FAIR, BROKEN]
    assert list(on_test.shown) == [BASELINE, FAIR]
    assert on_test.evaluated[2].step.waits_for == f"train.d042.2d.{BROKEN}.f0"
    assert on_test.compared is not None
    assert on_test.compared.models == (BASELINE, FAIR)


def test_scores_are_those_of_the_cases(finished):
    """Worked out anew from per_case.csv by pandas."""
    (on_test,) = read(finished)
    cases = pd.read_csv(finished.root / on_test.evaluated[0].folder / PER_CASE_CSV)
    for label in ("organ", "lesion"):
        rows = cases[cases["label"] == label]
        for metric, column, worst in (("dice", "dice", "min"), ("hd95", "hd95_px", "max")):
            means = rows.groupby("sex")[column].mean()
            found = by_measure(on_test, BASELINE, "sex", label, metric)
            assert found["overall_mean"].value == pytest.approx(rows[column].mean())
            assert found["worst_group_mean"].value == pytest.approx(getattr(means, worst)())
            assert found["worst_group_mean"].group == getattr(means, f"idx{worst}")()
            assert found["delta"].value == pytest.approx(np.ptp(means))
            limits = found["worst_group_mean"].interval
            printed = not math.isnan(limits.low)
            assert not printed or limits.low <= found["worst_group_mean"].value <= limits.high


def test_ranks_are_those_of_the_comparison(finished):
    (on_test,) = read(finished)
    entry = on_test.compared.entry("sex", "dice", "average")
    for trainer in (BASELINE, FAIR):
        found = by_measure(on_test, trainer, "sex", "average")
        for measure in ("overall_mean", "worst_group_mean", "between_groups"):
            assert found[measure].ranks == entry.ranks[measure][trainer]
            assert found[measure].n_ranked == 2
        # noise enlarges them, so that they rank nobody
        assert all(found[m].ranks is None for m in ("delta", "ser", "fairness_gap"))
        assert found["between_groups"].value == entry.distance(trainer)
    assert by_measure(on_test, FAIR, "sex", "average")["between_groups"].ranks.last == 1


def test_no_person_is_read(study):
    for path in study.root.rglob(PER_CASE_CSV):
        path.unlink()
    (on_test,) = read(study)
    assert list(on_test.shown) == [BASELINE, FAIR]
    assert all(result.per_case.empty for result in on_test.shown.values())


def test_several_groups_are_ranked_by_the_variance_between_them(tmp_path):
    levels = {"age": ("<50", "50-64", ">=65")}
    base = factories.make_result(levels, 30, {"<50": 0.2})
    better = factories.make_result(levels, 30, {">=65": 0.01}, name="b", seed=9)
    better = dataclasses.replace(better, inputs_sha256="f" * 64)
    study = StudyFolder(tmp_path)
    for trainer, result in ((BASELINE, base), (FAIR, better)):
        step = add_evaluation(study, trainer)
        (tmp_path / step.outputs[0]).parent.mkdir(parents=True)
        result.write((tmp_path / step.outputs[0]).parent)
        study.done(step)
    step = add_comparison(study, [])
    (tmp_path / step.outputs[0]).parent.mkdir(parents=True)
    compared = factories.models([base, better], [BASELINE, FAIR], 300)
    compared.write((tmp_path / step.outputs[0]).parent)
    study.done(step)
    (on_test,) = read(study)
    metric = base.metric("dice")
    scores = scores_of(on_test, FAIR, "age", "nodule", metric)
    assert [s.group for s in scores if s.measure == "fairness_gap"] == ["<50 - 50-64", "<50 - >=65"]
    entry = compared.entry("age", "dice", "nodule")
    found = next(s for s in scores if s.measure == "between_groups")
    assert found.ranks == entry.ranks["between_groups"][FAIR] == RankRange(1, 1)
    assert found.value**2 == pytest.approx(max(0, entry.per_model[FAIR].between_groups))


def test_small_groups_are_never_the_worst(tmp_path):
    sizes = {"female": 4, "male": 30, "other": 30}
    drops = {"female": 0.5, "other": 0.1}
    result = factories.make_result({"sex": tuple(sizes)}, sizes, drops)
    (on_test,) = read(written(tmp_path, result))
    worst = by_measure(on_test, FAIR, "sex", "nodule")["worst_group_mean"]
    assert worst.group == "other"
    assert worst.value == pytest.approx(
        result.comparison("sex", "dice", "nodule").groups["other"].mean
    )


def test_values_of_a_single_patient_are_not_told(tmp_path):
    sizes = {"female": 1, "male": 30}
    result = factories.make_result({"sex": tuple(sizes)}, sizes)
    alone = [
        dataclasses.replace(c, left_out={}) if c.attribute == "sex" else c
        for c in result.comparisons
    ]
    result = dataclasses.replace(result, comparisons=tuple(alone))
    (on_test,) = read(written(tmp_path, result))
    for score in scores_of(on_test, FAIR, "sex", "nodule", result.metric("dice")):
        assert math.isnan(score.value)
        assert math.isnan(score.interval.low)
        assert score.group == ""


def test_groups_without_a_worst_one(tmp_path):
    result = factories.make_result({"sex": ("f", "m")}, {"f": 2, "m": 3})
    (on_test,) = read(written(tmp_path, result))
    found = by_measure(on_test, FAIR, "sex", "nodule")
    assert math.isfinite(found["overall_mean"].value)
    assert math.isnan(found["worst_group_mean"].value)
    assert found["worst_group_mean"].ranks is None


def test_comparison_of_other_evaluations_is_not_shown(study):
    (on_test,) = read(study)
    folder = study.root / on_test.evaluated[1].folder
    result = EvaluationResult.read(folder)
    dataclasses.replace(result, created="2027-01-01T00:00:00+00:00").write(folder)
    (on_test,) = read(study)
    assert on_test.compared is None
    assert on_test.problem == f"it was made from other evaluations of {FAIR}"
    assert by_measure(on_test, FAIR, "sex", "average")["delta"].ranks is None


def test_damaged_results_are_named_and_the_rest_is_shown(study, caplog):
    (on_test,) = read(study)
    (study.root / on_test.evaluated[0].folder / "summary.json").write_text("{", encoding="utf-8")
    (study.root / on_test.comparison_folder / "comparison.json").unlink()
    with caplog.at_level(logging.WARNING):
        (on_test,) = read(study)
    assert list(on_test.shown) == [FAIR]
    assert on_test.evaluated[0].problem == "finished, but its summary.json cannot be read"
    assert on_test.problem == "its comparison.json cannot be read"
    assert "is not JSON: it ends in the middle of line 1" in caplog.text
    assert "has no comparison.json" in caplog.text


def test_rankings_hold_every_value(finished, tmp_path):
    results = read(finished)
    # as text: pandas 2 would change the last digit of numbers
    table = pd.read_csv(write_rankings(results, tmp_path), keep_default_na=False, dtype=str)
    assert set(table["trainer"]) == {BASELINE, FAIR}
    for trainer in (BASELINE, FAIR):
        for attribute in ("sex", "age"):
            for label in ("organ", "lesion", "average"):
                for metric in ("dice", "iou", "hd", "hd95"):
                    expected = by_measure(results[0], trainer, attribute, label, metric)
                    rows = table[
                        (table["trainer"] == trainer)
                        & (table["attribute"] == attribute)
                        & (table["label"] == label)
                        & (table["metric"] == metric)
                    ].set_index("measure")
                    assert list(rows.index) == list(expected)
                    for measure, score in expected.items():
                        row = rows.loc[measure]
                        assert float(row["value"]) == score.value
                        high = row["high"]
                        assert high == "" or float(high) == score.interval.high
                        ranked = "" if score.ranks is None else str(score.ranks.last)
                        assert row["last_rank"] == ranked
                        ratio = measure in ("ser", "skew")
                        distance = metric in ("hd", "hd95") and not ratio
                        assert row["unit"] == ("px" if distance else "")


def test_rankings_of_nothing_have_their_columns(tmp_path):
    text = write_rankings((), tmp_path).read_text(encoding="utf-8")
    assert text.startswith("dataset,configuration,plans,test,predicted,trainer,attribute,label,")
