"""Measures that are taken while the masks are read: the same after a break, and never stale."""

import json
import shutil

import numpy as np
import pytest
import SimpleITK as sitk  # noqa: N813

import nnunetv2_fair
from nnunetv2_fair.errors import EvaluationError
from nnunetv2_fair.evaluation.downstream.all_measures import downstream_task
from nnunetv2_fair.evaluation.downstream.one_case import DownstreamTask
from nnunetv2_fair.evaluation.downstream.settings import DownstreamSettings
from nnunetv2_fair.evaluation.measuring.all_cases import Part, case_task, measure_all
from nnunetv2_fair.evaluation.measuring.plan import plan_evaluation
from nnunetv2_fair.evaluation.measuring.resuming import CaseStore, measuring_code
from nnunetv2_fair.evaluation.run import EvaluationSettings, run_evaluation
from nnunetv2_fair.evaluation.statistics.group_comparison import StatisticsSettings
from nnunetv2_fair.subgroups.table import read_table
from tests.evaluation.factories import make_dataset
from tests.evaluation.measuring.test_resuming import ROOT, file_of, imported_by

RADIOMICS = DownstreamSettings(("radiomics",))
QUICK = EvaluationSettings(metrics=("dice",), statistics=StatisticsSettings(n_bootstrap=50))


@pytest.fixture
def dataset(tmp_path):
    made = make_dataset(tmp_path, n_patients=12, cases_per_patient=1)
    (tmp_path / "imagesTs").mkdir()
    for number, case in enumerate(made.cases):
        grey = np.full((40, 57), number + 1, np.uint8)
        sitk.WriteImage(
            sitk.GetImageFromArray(grey), str(tmp_path / "imagesTs" / f"{case}_0000.png")
        )
    return made


def plan_of(dataset, **options):
    table = read_table(dataset.table)
    return plan_evaluation(dataset.references, dataset.predictions, table, ["sex"], **options)


def task_of(plan, folder, settings=RADIOMICS):
    return case_task(plan, ("dice",), 1.0, downstream_task(plan, settings, folder / "imagesTs"))


def test_measures_survive_the_file_bit_by_bit(dataset, tmp_path):
    plan = plan_of(dataset)
    task, out = task_of(plan, tmp_path), tmp_path / "out"
    measured = measure_all(plan, task, 1, Part(out))
    again = CaseStore(out, task)
    assert [repr(again.find(pair)) for pair in plan.pairs] == [repr(one) for one in measured]
    assert all(len(one.further.sha256) == 1 for one in measured)


def test_a_resumed_evaluation_is_the_same(dataset, tmp_path):
    plan, out = plan_of(dataset), tmp_path / "out"
    images = tmp_path / "imagesTs"
    whole = run_evaluation(plan, QUICK, None, RADIOMICS, images)
    for number in (1, 2):
        measure_all(plan, task_of(plan, tmp_path), 1, Part(out, (number, 2)))
    merged = run_evaluation(plan, QUICK, Part(out, merge=True), RADIOMICS, images)
    assert merged.downstream_cases.equals(whole.downstream_cases)
    assert repr(merged.downstream) == repr(whole.downstream)


def test_another_image_is_measured_again(dataset, tmp_path):
    plan, out = plan_of(dataset), tmp_path / "out"
    task = task_of(plan, tmp_path)
    measure_all(plan, task, 1, Part(out))
    first, *others = plan.pairs
    brighter = sitk.GetImageFromArray(np.full((40, 57), 99, np.uint8))
    sitk.WriteImage(brighter, str(tmp_path / "imagesTs" / f"{first.case}_0000.png"))
    store = CaseStore(out, task)
    assert store.find(first) is None
    assert all(store.find(pair) is not None for pair in others)
    (tmp_path / "imagesTs" / f"{others[0].case}_0000.png").unlink()
    assert store.find(others[0]) is None


def test_other_measures_are_measured_again(dataset, tmp_path):
    plan, out = plan_of(dataset), tmp_path / "out"
    measure_all(plan, case_task(plan, ("dice",), 1.0), 1, Part(out))
    assert CaseStore(out, task_of(plan, tmp_path)).is_empty
    measure_all(plan, task_of(plan, tmp_path), 1, Part(out))
    assert not CaseStore(out, task_of(plan, tmp_path)).is_empty
    without_energy = case_task(plan, ("dice",), 1.0, downstream_task(plan, RADIOMICS, None))
    assert CaseStore(out, without_energy).is_empty


@pytest.mark.parametrize("damage", [{}, {"values": 1}, {"values": [["a", "b"]]}])
def test_damaged_lines_are_measured_again(dataset, tmp_path, damage):
    plan, out = plan_of(dataset), tmp_path / "out"
    task = task_of(plan, tmp_path)
    measured = measure_all(plan, task, 1, Part(out))
    file = out / "measured_cases.jsonl"
    lines = [json.loads(line) for line in file.read_text().splitlines()]
    if damage:
        lines[0]["further"]["values"] |= damage
    else:
        del lines[0]["further"]
    file.write_text("".join(json.dumps(line) + "\n" for line in lines))
    store = CaseStore(out, task)
    assert [store.find(pair) is None for pair in plan.pairs].count(True) == 1
    assert repr(measure_all(plan, task, 1, Part(out))) == repr(measured)


def test_images_that_cannot_be_read_are_named_all_at_once(dataset, tmp_path):
    plan = plan_of(dataset)
    for case in dataset.cases[:2]:
        (tmp_path / "imagesTs" / f"{case}_0000.png").write_bytes(b"no picture")
    with pytest.raises(EvaluationError) as error:
        measure_all(plan, task_of(plan, tmp_path), 1, Part())
    for case in dataset.cases[:2]:
        assert f"case '{case}': " in str(error.value)
        assert f"{case}_0000.png cannot be read" in str(error.value)


def test_labels_that_no_file_names(dataset, tmp_path):
    named = run_evaluation(plan_of(dataset), QUICK, None, RADIOMICS, tmp_path / "imagesTs")
    (tmp_path / "dataset.json").unlink()
    found = run_evaluation(plan_of(dataset), QUICK, None, RADIOMICS, tmp_path / "imagesTs")
    names = {"organ": "1", "lesion": "2"}
    expected = named.downstream_cases.assign(label=named.downstream_cases["label"].map(names))
    assert found.downstream_cases.equals(expected)


def test_all_code_that_measures_counts(tmp_path, monkeypatch):
    copy = tmp_path / "nnunetv2_fair"
    for room in ("evaluation", "files"):
        shutil.copytree(ROOT / room, copy / room)
    monkeypatch.setattr(nnunetv2_fair, "__file__", str(copy / "__init__.py"))
    module = "nnunetv2_fair.evaluation.downstream.one_case"
    found, waiting = set(), [file_of(module)]
    while waiting:
        path = waiting.pop()
        # what decides which lines count measures nothing
        if path is not None and path not in found and path.name not in ("errors.py", "resuming.py"):
            found.add(path)
            waiting += imported_by(path)
    task = DownstreamTask(("radiomics",), None, None, "px", None)
    measuring_code.cache_clear()
    before = task.about
    for path in found:
        changed = copy / path.relative_to(ROOT)
        text = changed.read_text(encoding="utf-8")
        changed.write_text(f"{text}# changed\n", encoding="utf-8")
        measuring_code.cache_clear()
        assert task.about != before, path
        changed.write_text(text, encoding="utf-8")
    measuring_code.cache_clear()
