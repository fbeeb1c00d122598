import json
import math
from pathlib import Path

import numpy as np
import pytest

from nnunetv2_fair.errors import EvaluationError
from nnunetv2_fair.evaluation.measuring.all_cases import Part, case_task, measure_all
from nnunetv2_fair.evaluation.measuring.one_case import CaseTask, measure_case
from nnunetv2_fair.evaluation.measuring.plan import EvaluationPlan, plan_evaluation
from nnunetv2_fair.evaluation.measuring.resuming import CaseStore, number_of_shards, shard_of
from nnunetv2_fair.subgroups.table import read_table
from tests.evaluation.factories import Dataset, make_dataset, write_mask

METRICS = ("dice", "hd")


@pytest.fixture
def dataset(tmp_path: Path) -> Dataset:
    return make_dataset(tmp_path, n_patients=5, cases_per_patient=1)


def plan_of(dataset: Dataset, **options) -> EvaluationPlan:
    table = read_table(dataset.table)
    return plan_evaluation(dataset.references, dataset.predictions, table, ["sex"], **options)


def lines_of(folder: Path) -> list[dict]:
    text = "".join(path.read_text() for path in sorted(folder.glob("measured_cases*.jsonl")))
    return [json.loads(line) for line in text.splitlines() if line.strip()]


def measured_cases(folder: Path) -> list[str]:
    return [entry["case"] for entry in lines_of(folder)]


def test_measures_survive_the_file_bit_by_bit(dataset: Dataset, tmp_path: Path):
    write_mask(dataset.predictions / f"{dataset.cases[0]}.png", np.zeros((40, 57), np.uint8))
    for folder in (dataset.references, dataset.predictions):
        write_mask(folder / f"{dataset.cases[1]}.png", np.zeros((40, 57), np.uint8))
    (dataset.predictions / f"{dataset.cases[2]}.png").unlink()
    plan = plan_of(dataset, allow_missing=True)
    task = case_task(plan, METRICS, 1.0)
    out = tmp_path / "out"
    with CaseStore(out, task) as store:
        for pair in plan.pairs:
            store.add(measure_case(pair, task))
    again = CaseStore(out, task)
    for pair in plan.pairs:
        assert repr(again.find(pair)) == repr(measure_case(pair, task))
    values = [m["values"] for entry in lines_of(out) for m in entry["labels"].values()]
    assert math.inf in (value for row in values for value in row)
    assert any(math.isnan(value) for row in values for value in row)


def test_file_names_nobody_but_the_case(dataset: Dataset, tmp_path: Path):
    plan = plan_of(dataset)
    measure_all(plan, case_task(plan, METRICS, 1.0), 1, Part(tmp_path / "out"))
    for entry in lines_of(tmp_path / "out"):
        assert set(entry) == {
            "task", "case", "labels", "reference_values", "prediction_values", "diagonal", "sha256",
        }  # fmt: skip


def test_interrupted_evaluation_goes_on(dataset: Dataset, tmp_path: Path):
    plan = plan_of(dataset)
    task = case_task(plan, METRICS, 1.0)
    expected = measure_all(plan, task, 1, Part())
    out = tmp_path / "out"
    measure_all(plan, task, 1, Part(out))
    path = out / "measured_cases.jsonl"
    lines = path.read_text().splitlines()
    path.write_text("\n".join(lines[:2]) + "\n" + lines[2][: len(lines[2]) // 2])  # killed there
    assert measure_all(plan, task, 1, Part(out)) == expected
    text = path.read_text().splitlines()
    assert text[:2] == lines[:2]
    assert [json.loads(line)["case"] for line in text[3:]] == list(dataset.cases[2:])
    before = path.read_bytes()
    assert measure_all(plan, task, 1, Part(out)) == expected
    assert path.read_bytes() == before


@pytest.mark.parametrize("folder", ["labelsTs", "predictions"])
def test_changed_files_are_measured_again(dataset: Dataset, tmp_path: Path, folder: str):
    plan = plan_of(dataset)
    task = case_task(plan, METRICS, 1.0)
    out = tmp_path / "out"
    first = measure_all(plan, task, 1, Part(out))
    changed = np.zeros((40, 57), np.uint8)
    changed[3:30, 4:40] = 1
    write_mask(dataset.root / folder / f"{dataset.cases[3]}.png", changed)
    second = measure_all(plan, task, 1, Part(out))
    assert [a == b for a, b in zip(first, second, strict=True)] == [True, True, True, False, True]
    assert second == measure_all(plan, task, 1, Part())
    assert measured_cases(out) == [*dataset.cases, dataset.cases[3]]


@pytest.mark.parametrize(
    "other",
    [
        CaseTask(("dice",), 1.0, {"organ": (1,), "lesion": (2,)}, None, frozenset({0, 1, 2})),
        CaseTask(METRICS, 2.0, {"organ": (1,), "lesion": (2,)}, None, frozenset({0, 1, 2})),
        CaseTask(METRICS, 1.0, {"organ": (1, 2), "lesion": (2,)}, None, frozenset({0, 1, 2})),
        CaseTask(METRICS, 1.0, {"organ": (1,), "lesion": (2,)}, 3, frozenset({0, 1, 2})),
        CaseTask(METRICS, 1.0, None),
    ],
    ids=["metrics", "tolerance", "regions", "ignore", "no labels"],
)
def test_other_options_measure_anew(dataset: Dataset, tmp_path: Path, other: CaseTask):
    plan = plan_of(dataset)
    task = case_task(plan, METRICS, 1.0)
    measure_all(plan, task, 1, Part(tmp_path / "out"))
    assert all(CaseStore(tmp_path / "out", task).find(pair) for pair in plan.pairs)
    assert CaseStore(tmp_path / "out", other).is_empty


@pytest.mark.parametrize(
    "line", ["", "{", "[]", "null", '{"task": 1}', '"x"', "\x00\xff", '{"task": "%", "case": 7}']
)
def test_lines_that_mean_nothing_are_passed_over(dataset: Dataset, tmp_path: Path, line: str):
    plan = plan_of(dataset)
    task = case_task(plan, METRICS, 1.0)
    out = tmp_path / "out"
    measure_all(plan, task, 1, Part(out))
    path = out / "measured_cases.jsonl"
    good = json.loads(path.read_text().splitlines()[0])
    path.write_text(line.replace("%", good["task"]) + "\n" + path.read_text())
    store = CaseStore(out, task)
    assert all(store.find(pair) for pair in plan.pairs)


def test_measures_of_a_wrong_length_are_passed_over(dataset: Dataset, tmp_path: Path):
    plan = plan_of(dataset)
    task = case_task(plan, METRICS, 1.0)
    measure_all(plan, task, 1, Part(tmp_path))
    path = tmp_path / "measured_cases.jsonl"
    entries = lines_of(tmp_path)
    entries[0]["labels"]["organ"]["values"].append(1.0)
    path.write_text("".join(json.dumps(entry) + "\n" for entry in entries))
    assert CaseStore(tmp_path, task).find(plan.pairs[0]) is None


def test_all_other_cases_are_kept_when_some_fail(dataset: Dataset, tmp_path: Path):
    bad = dataset.predictions / f"{dataset.cases[1]}.png"
    good = bad.read_bytes()
    plan = plan_of(dataset)
    bad.write_bytes(good[:60])
    task = case_task(plan, METRICS, 1.0)
    with pytest.raises(EvaluationError, match=rf"No results were written:\n  - .*{bad.name}"):
        measure_all(plan, task, 1, Part(tmp_path / "out"))
    assert sorted(measured_cases(tmp_path / "out")) == sorted({*dataset.cases} - {dataset.cases[1]})
    bad.write_bytes(good)
    measure_all(plan, task, 1, Part(tmp_path / "out"))
    assert measured_cases(tmp_path / "out")[-1] == dataset.cases[1]


def test_shards_share_all_cases_and_merge(dataset: Dataset, tmp_path: Path):
    plan = plan_of(dataset)
    task = case_task(plan, METRICS, 1.0)
    out = tmp_path / "out"
    parts = [shard_of(plan.pairs, (number, 3)) for number in (1, 2, 3)]
    assert sorted(pair.case for part in parts for pair in part) == sorted(dataset.cases)
    assert max(map(len, parts)) - min(map(len, parts)) <= 1
    for number in (3, 1):
        found = measure_all(plan, task, 1, Part(out, (number, 3)))
        assert [case.case for case in found] == [pair.case for pair in parts[number - 1]]
    assert number_of_shards(out) == 3
    with pytest.raises(
        EvaluationError,
        match=r"2 of 5 cases have not been measured by shards "
        rf".*{dataset.cases[1]}, {dataset.cases[4]}\. "
        r"Run with the same options: --shard 2/3$",
    ):
        measure_all(plan, task, 1, Part(out, merge=True))
    measure_all(plan, task, 1, Part(out, (2, 3)))
    before = sorted(path.read_bytes() for path in out.iterdir())
    assert measure_all(plan, task, 1, Part(out, merge=True)) == measure_all(plan, task, 1, Part())
    assert sorted(path.read_bytes() for path in out.iterdir()) == before
    other = case_task(plan, METRICS, 3.0)
    with pytest.raises(EvaluationError, match=r"--shard 1/3, --shard 2/3, --shard 3/3"):
        measure_all(plan, other, 1, Part(out, merge=True))


def test_merging_nothing_says_so(dataset: Dataset, tmp_path: Path):
    plan = plan_of(dataset)
    with pytest.raises(EvaluationError, match=r"5 of 5 cases .*Run the shards again"):
        measure_all(plan, case_task(plan, METRICS, 1.0), 1, Part(tmp_path / "none", merge=True))
