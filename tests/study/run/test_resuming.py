"""What counts as done: a record, and an outcome that is there."""

import pytest

from nnunetv2_fair.study.record import Record
from nnunetv2_fair.study.run.resuming import absent_outputs, forget_incomplete
from tests.study.stub_plans import stub, write_plan


@pytest.fixture
def study(tmp_path):
    """Return the plan of a training on synthetic images, its predictions and evaluation, done."""
    steps = [
        stub("images.a", kind="synthesize", outputs=("pack.json",)),
        stub("train.a", kind="train", needs=("images.a",), outputs=("final.pth",)),
        stub("predict.a", kind="predict", needs=("train.a",), outputs=("dataset.json",)),
        stub("evaluate.a", kind="evaluate", needs=("predict.a",), outputs=("summary.json",)),
    ]
    plan = write_plan(tmp_path, *steps)
    for step in steps:
        Record(step.name, step.kind, step.fingerprint, ()).write(tmp_path / step.record)
        (tmp_path / step.outputs[0]).write_text("x")
    return plan


def done(folder, plan):
    return {name for name, step in plan.steps.items() if (folder / step.record).exists()}


def test_all_is_done(tmp_path, study):
    assert forget_incomplete(tmp_path, study) == []
    assert done(tmp_path, study) == {"images.a", "train.a", "predict.a", "evaluate.a"}


@pytest.mark.parametrize("empty", [False, True])
def test_a_result_that_is_gone_is_made_again(tmp_path, study, empty):
    output = tmp_path / "summary.json"
    output.write_text("") if empty else output.unlink()
    assert forget_incomplete(tmp_path, study) == [
        "evaluate.a is done again: summary.json is missing or empty."
    ]
    assert done(tmp_path, study) == {"images.a", "train.a", "predict.a"}
    assert not (tmp_path / ".study" / "done" / "evaluate.a").exists()


def test_checkpoints_and_predictions_may_be_deleted_until_they_are_needed(tmp_path, study):
    for name in ("pack.json", "final.pth", "dataset.json"):
        (tmp_path / name).unlink()
    assert forget_incomplete(tmp_path, study) == []
    (tmp_path / "summary.json").unlink()
    assert [sentence.split()[0] for sentence in forget_incomplete(tmp_path, study)] == [
        "images.a", "train.a", "predict.a", "evaluate.a",
    ]  # fmt: skip
    assert done(tmp_path, study) == set()


@pytest.mark.parametrize("text", ["", "{", "[]", '{"step": "evaluate.a"}'])
def test_a_damaged_record_does_not_count(tmp_path, study, text):
    (tmp_path / study.steps["evaluate.a"].record).write_text(text)
    assert forget_incomplete(tmp_path, study) == [
        "evaluate.a is checked again: its record is damaged."
    ]
    assert done(tmp_path, study) == {"images.a", "train.a", "predict.a"}


def test_a_folder_is_an_outcome(tmp_path):
    (tmp_path / "preprocessed").mkdir()
    step = stub("a", outputs=("preprocessed", "absent"))
    assert absent_outputs(tmp_path, step) == ["absent"]
