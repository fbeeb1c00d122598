"""Joint groups whose levels contain what joins them, at every place that tells groups apart.

Joined without care, ("a, b", "c") and ("a", "b, c") would both be "a, b, c".
"""

import dataclasses
import json
import logging

import numpy as np
import pandas as pd
import pytest

from nnunetv2_fair.cli import compare, evaluate
from nnunetv2_fair.evaluation.disclosure.of_comparison import shareable_comparison
from nnunetv2_fair.evaluation.disclosure.of_evaluation import shareable
from nnunetv2_fair.evaluation.model_comparison.comparison import compare_models
from nnunetv2_fair.evaluation.results.comparison import ModelComparison
from nnunetv2_fair.evaluation.results.evaluation import EvaluationResult
from nnunetv2_fair.sampling.balance import BalancedSampler, balanced_shares
from nnunetv2_fair.subgroups.groups import group_cases
from nnunetv2_fair.subgroups.splits import make_folds, missing_groups
from nnunetv2_fair.subgroups.table import read_table
from nnunetv2_fair.subgroups.tokens import group_named, group_token
from tests.evaluation.factories import LABELS, blob, write_dataset_json, write_mask
from tests.report.html_check import check_page
from tests.study.finished_study import FAIR, StudyFolder, add_evaluation, attempt

#: Levels and the names that their joint groups have.
NAMES = {
    ("a", "c"): "a, c",
    ("a", "b, c"): 'a, "b, c"',
    ("a, b", "c"): '"a, b", c',
    ("a, b", "b, c"): '"a, b", "b, c"',
}
SIZE = 6
SCHEMA = {
    "default": "x",
    "attributes": {
        "x": {"type": "categorical", "levels": ["a", "a, b"]},
        "y": {"type": "categorical", "levels": ["c", "b, c"]},
    },
}


def levels_of(number: int) -> tuple[str, str]:
    return list(NAMES)[number % len(NAMES)]


def name_of(case: str) -> str:
    return NAMES[levels_of(int(case.split("_")[1]))]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Masks of one person each, predicted worse from group to group, and their table."""
    root = tmp_path_factory.mktemp("joint")
    rows = ["case,patient,x,y"]
    for number in range(SIZE * len(NAMES)):
        x, y = levels_of(number)
        case = f"case_{number:02d}"
        rows.append(f'{case},p{number},"{x}","{y}"')
        labels = blob((30, 40), (15, 20), (10, 12)).astype(np.uint8)
        write_mask(root / "labelsTs" / f"{case}.png", labels)
        for model, step in (("first", 1), ("second", 0)):
            moved = np.roll(labels, 1 + step * (number % len(NAMES)), -1)
            write_mask(root / model / f"{case}.png", moved)
    (root / "demographics.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    (root / "demographics.json").write_text(json.dumps(SCHEMA), encoding="utf-8")
    write_dataset_json(root, {k: v for k, v in LABELS.items() if k != "lesion"})
    for model in ("first", "second"):
        evaluated(root, root / f"evaluation_{model}", "-gt", root / "labelsTs", "-pred",
                  root / model, "--demographics", root / "demographics.csv", "--discover",
                  "--tables", "csv")  # fmt: skip
    return root


def evaluated(root, out, *arguments) -> EvaluationResult:
    given = [*arguments, "-a", "x", "y", "x+y", "-o", out, "-np", 1, "--bootstrap", 20]
    assert evaluate.main([str(argument) for argument in given]) == 0
    return EvaluationResult.read(out, with_cases="--shareable" not in arguments)


@pytest.fixture(scope="module")
def result(folder):
    return EvaluationResult.read(folder / "evaluation_first")


@pytest.fixture
def grouping(folder):
    return group_cases(read_table(folder / "demographics.csv"), "x+y")


def check_groups(result: EvaluationResult) -> None:
    """Every joint group holds its own people and no others."""
    per_case = result.per_case
    assert list(per_case["x+y"]) == [name_of(case) for case in per_case["case"]]
    assert result.group_parts["x+y"] == {name: parts for parts, name in NAMES.items()}
    assert result.group_parts["x"] == {"a": ("a",), "a, b": ("a, b",)}
    for metric in result.metrics:
        found = result.comparison("x+y", metric.name, result.headline_label)
        assert list(found.groups) == list(NAMES.values())
        for name, statistics in found.groups.items():
            own = per_case.loc[per_case["x+y"] == name, metric.column]
            assert (statistics.n_cases, statistics.n_patients) == (SIZE, SIZE)
            assert statistics.mean == pytest.approx(own.mean())


def test_grouping(grouping):
    assert grouping.names == tuple(NAMES.values())
    assert {group.parts: group.name for group in grouping.groups} == NAMES
    cases = list(grouping.group_of)
    assert grouping.counts(cases) == dict.fromkeys(NAMES.values(), SIZE)
    for case in cases:
        assert grouping.group_of[case] == name_of(case)
        assert grouping.names[grouping.index_of(case)] == name_of(case)


def test_splits(folder, grouping):
    table = read_table(folder / "demographics.csv")
    folds = make_folds(table, grouping, table.cases, 3, seed=1)
    for fold in folds:
        assert grouping.counts(fold["val"]) == dict.fromkeys(NAMES.values(), SIZE // 3)
    assert missing_groups(grouping, folds, table.cases) == []


def test_sampling(grouping):
    members = [list(group) for group in grouping.members(grouping.group_of).values()]
    shares = balanced_shares([len(group) for group in members])
    sampler = BalancedSampler([*members, []], shares, [8])
    np.random.seed(3)
    for _ in range(5):
        drawn = pd.Series([name_of(case) for case in sampler()]).value_counts()
        assert dict(drawn) == dict.fromkeys(NAMES.values(), 2)


def test_names_of_trainers(grouping):
    for name in grouping.names:
        assert group_named(group_token(name), grouping.names, "x+y") == name


def test_evaluation(result):
    check_groups(result)
    means = result.comparison("x+y", "dice", result.headline_label).groups.values()
    assert [s.mean for s in means] == sorted((s.mean for s in means), reverse=True)


def test_printed_and_written_tables(folder):
    groups = pd.read_csv(folder / "evaluation_first" / "table_groups.csv")
    assert set(NAMES.values()) <= set(groups["Group"])


def test_from_csv(folder, tmp_path, result):
    table = folder / "demographics.csv"
    scores = folder / "evaluation_first" / "per_case.csv"
    for number, more in enumerate(([], ["--demographics", table])):
        read = evaluated(folder, tmp_path / str(number), "--from-csv", scores, *more)
        check_groups(read) if more else check_same_groups(read, result)


def check_same_groups(read: EvaluationResult, result: EvaluationResult) -> None:
    """As :func:`check_groups`; without a dictionary the levels are in the alphabet's order."""
    pd.testing.assert_series_equal(read.per_case["x+y"], result.per_case["x+y"])
    assert sorted(read.group_parts["x+y"].items()) == sorted(
        (name, parts) for parts, name in NAMES.items()
    )


def test_without_parts_names_are_not_taken_apart(result):
    unknown = dataclasses.replace(result, group_parts={})
    assert unknown.parts_of("x+y") is None
    assert unknown.parts_of("x") == {"a": ("a",), "a, b": ("a, b",)}


def test_shareable(folder, tmp_path):
    told = evaluated(folder, tmp_path / "shared", "-gt", folder / "labelsTs", "-pred",
                     folder / "first", "--demographics", folder / "demographics.csv",
                     "--shareable")  # fmt: skip
    found = told.comparison("x+y", "dice", told.headline_label)
    assert {name: s.n_patients for name, s in found.groups.items()} == dict.fromkeys(
        NAMES.values(), SIZE
    )
    assert shareable(told) is told


def test_report(folder):
    page = check_page((folder / "evaluation_first" / "report.html").read_text(encoding="utf-8"))
    for name in NAMES.values():
        assert name in page.text
    # the grid of the joint groups, and that of the discovery
    assert len(page.having("table", "heat")) >= 2


def test_discovery(result):
    found = result.discovery
    assert found is not None
    assert {tuple(sorted(s.items.items())) for s in found.subgroups if len(s.items) == 2} <= {
        (("x", x), ("y", y)) for x, y in NAMES
    }
    names = [subgroup.name for subgroup in found.subgroups]
    assert len(set(names)) == len(names)
    (grid,) = found.heatmaps
    assert grid.n_patients == ((SIZE, SIZE), (SIZE, SIZE))
    joint = result.comparison("x+y", "dice", result.headline_label).groups
    for x, row in zip(grid.row_groups, grid.mean, strict=True):
        for y, mean in zip(grid.column_groups, row, strict=True):
            assert mean == pytest.approx(joint[NAMES[x, y]].mean)


def test_comparison(folder, tmp_path):
    places = [str(folder / f"evaluation_{model}") for model in ("first", "second")]
    assert compare.main([*places, "-o", str(tmp_path / "out"), "--bootstrap", "20"]) == 0
    read = ModelComparison.read(tmp_path / "out")
    assert read.group_parts["x+y"] == {name: parts for parts, name in NAMES.items()}
    entry = read.entry("x+y", "dice", read.headline_label)
    assert entry.group_patients == dict.fromkeys(NAMES.values(), SIZE)
    for name, change in entry.differences["second"].groups.items():
        means = [entry.per_model[m].group_means[name] for m in ("first", "second")]
        assert change.value == pytest.approx(means[1] - means[0])
    assert len(entry.differences["second"].gaps) > 3
    results = [EvaluationResult.read(folder / f"evaluation_{m}") for m in ("first", "second")]
    told = shareable_comparison(compare_models(results, n_bootstrap=20), results)
    assert told.entry("x+y", "dice", told.headline_label).group_patients == entry.group_patients


def test_index_of_a_study(tmp_path, result, caplog):
    from nnunetv2_fair.study.index.progress import read_progress
    from nnunetv2_fair.study.index.results import read_results, scores_of

    study = StudyFolder(tmp_path)
    step = add_evaluation(study, FAIR)
    folder = (tmp_path / step.outputs[0]).parent
    folder.mkdir(parents=True)
    result.write(folder)
    study.done(step, attempt(1))
    with caplog.at_level(logging.WARNING):
        (on_test,) = read_results(tmp_path, read_progress(tmp_path))
    metric = result.metric("dice")
    scores = scores_of(on_test, FAIR, "x+y", result.headline_label, metric)
    worst = next(score for score in scores if score.measure == "worst_group_mean")
    assert worst.group == '"a, b", "b, c"'
    gaps = [score.group for score in scores if score.measure.startswith("fairness_gap")]
    assert len(set(gaps)) == len(NAMES) - 1
