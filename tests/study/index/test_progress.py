import dataclasses
import json

import pytest

from nnunetv2_fair.errors import StudyError
from nnunetv2_fair.study.index.progress import read_progress
from nnunetv2_fair.study.run.attempts import write_marker
from nnunetv2_fair.study.step import PLAN_JSON, STATE
from tests.study.finished_study import StudyFolder, attempt


def states(study: StudyFolder) -> dict[str, str]:
    return {step.step.name: step.state for step in read_progress(study.root).steps}


def test_states_of_steps(tmp_path):
    study = StudyFolder(tmp_path)
    done = study.add("done", "train")
    study.done(done, attempt(5, 1), attempt(9))
    old = study.add("old", "train")
    study.done(old, taken_over=True)
    failed = study.add("failed", "train", ["done"])
    study.failed(failed, attempt(5, 0), attempt(9, -9, fingerprint="f-failed"))
    study.add("behind", "predict", ["failed", "done"])
    study.add("far_behind", "merge", ["behind"])
    study.add("next", "predict", ["old"])
    study.add("index", "index", ["far_behind"])
    assert states(study) == {
        "done": "done", "old": "taken over", "failed": "failed", "behind": "waiting",
        "far_behind": "waiting", "next": "to do",
    }  # fmt: skip
    progress = read_progress(tmp_path)
    assert {s.step.name: s.waits_for for s in progress.steps if s.waits_for} == {
        "behind": "failed",
        "far_behind": "failed",
    }
    assert {s.step.name: s.how for s in progress.steps if s.how} == {
        "failed": "ended by SIGKILL, 2 attempts so far"
    }
    # the index page is one of those that wait
    assert progress.count() == {"done": 1, "taken over": 1, "failed": 1, "waiting": 3, "to do": 1}
    assert [a.seconds for a in progress.steps[0].attempts] == [5, 9]


def test_outcome_of_another_fingerprint_is_to_do(tmp_path):
    study = StudyFolder(tmp_path)
    study.done(study.add("train", "train"), attempt(5))
    assert states(study) == {"train": "done"}
    step = study.add("train", "train")
    study.steps["train"] = dataclasses.replace(step, fingerprint="another")
    study.add("other", "train")  # writes the plan
    found = read_progress(tmp_path).steps[0]
    assert found.state == "to do"
    assert len(found.attempts) == 1  # what it has cost is not forgotten


def test_failed_step_that_ended_well_later_is_done(tmp_path):
    study = StudyFolder(tmp_path)
    step = study.add("train", "train")
    study.failed(step, attempt(5, 1))
    assert states(study) == {"train": "failed"}
    study.done(step, attempt(5, 1), attempt(6))
    assert states(study) == {"train": "done"}


def test_failure_of_former_options_is_to_do(tmp_path):
    study = StudyFolder(tmp_path)
    step = study.add("train", "train")
    study.failed(step, attempt(5, 1, fingerprint="f-train"))
    assert states(study) == {"train": "failed"}
    study.failed(step, attempt(5, 1, fingerprint="f-of-old"))
    assert states(study) == {"train": "to do"}


def test_marked_step_is_running(tmp_path):
    study = StudyFolder(tmp_path)
    step = study.add("train", "train")
    study.add("predict", "predict", ["train"])
    study.failed(step, attempt(5, -15))
    write_marker(tmp_path, step, attempt(3))
    assert states(study) == {"train": "running", "predict": "to do"}


def test_half_a_line_is_passed_over(tmp_path):
    study = StudyFolder(tmp_path)
    step = study.add("train", "train")
    study.failed(step, attempt(5, 1))
    path = tmp_path / STATE / "attempts" / "train.jsonl"
    path.write_text(path.read_text(encoding="utf-8") + '{"started": "20', encoding="utf-8")
    (found,) = read_progress(tmp_path).steps
    assert found.attempts == (attempt(5, 1),)


def test_folder_without_a_study(tmp_path):
    with pytest.raises(StudyError, match=r"has no \.study/plan\.json.*nnUNetv2_fair_study study"):
        read_progress(tmp_path)


@pytest.mark.parametrize("content", ["{", "[]", '{"title": "x"}', '{"title": 1, "steps": [3]}'])
def test_damaged_plan(tmp_path, content):
    path = tmp_path / PLAN_JSON
    path.parent.mkdir()
    path.write_text(content, encoding="utf-8")
    with pytest.raises(StudyError, match=r"plan\.json is damaged .*writes the plan again"):
        read_progress(tmp_path)


def test_all_damaged_records_are_named_at_once(tmp_path):
    study = StudyFolder(tmp_path)
    for name, content in (("a", "{"), ("b", json.dumps({"step": "b", "attempts": []}))):
        step = study.add(name, "train")
        path = tmp_path / step.record
        path.parent.mkdir(parents=True)
        path.write_text(content, encoding="utf-8")
    with pytest.raises(StudyError) as error:
        read_progress(tmp_path)
    assert "done/a/f-a.json" in str(error.value).replace("\\", "/")
    assert "done/b/f-b.json" in str(error.value).replace("\\", "/")
    assert "Delete these files and start the study again" in str(error.value)
