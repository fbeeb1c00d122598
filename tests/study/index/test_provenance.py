import json

from nnunetv2_fair.study.index.progress import read_progress
from nnunetv2_fair.study.index.provenance import distinct, distinct_versions, write_provenance
from nnunetv2_fair.study.record import Record
from tests.study.finished_study import FAIR, VERSIONS, StudyFolder, attempt, facts


def make(root) -> StudyFolder:
    study = StudyFolder(root)
    train = study.add("train", "train", facts=facts(FAIR, fold="0"))
    study.done(
        train,
        attempt(3600.5, -15, gpu="NVIDIA A100", gpus=1, job="17", peak_memory_mb=900.0),
        attempt(60, gpu="NVIDIA H200", gpus=1, job="18", peak_memory_mb=700.0, continued=True),
    )
    predict = study.add("predict", "predict", ["train"], facts=facts(FAIR))
    study.failed(predict, attempt(5, 2))
    study.add("merge", "merge", ["predict"])
    return study


def test_every_step_is_told(tmp_path):
    study = make(tmp_path)
    path = write_provenance(read_progress(study.root), study.root)
    content = json.loads(path.read_text(encoding="utf-8"))
    assert content["title"] == study.title
    train, predict, merge = content["steps"]
    assert train["step"] == "train"
    assert train["state"] == "done"
    assert train["versions"] == VERSIONS
    assert train["facts"]["trainer"] == FAIR
    assert train["fingerprint"] == "f-train"
    assert train["wall_seconds"] == 3660.5
    assert train["peak_memory_mb"] == 900
    assert train["gpu"] == "NVIDIA H200"  # where it ended
    assert train["jobs"] == ["17", "18"]
    assert [a["continued"] for a in train["attempts"]] == [False, True]
    assert [a["host"] for a in train["attempts"]] == ["node-1", "node-1"]
    assert (predict["state"], predict["versions"]) == ("failed", {})
    assert predict["attempts"][0]["exit_code"] == 2
    assert (merge["state"], merge["waits_for"]) == ("waiting", "predict")
    assert merge["peak_memory_mb"] is None
    assert "waits_for" not in train


def test_different_versions_and_machines_are_listed(tmp_path):
    study = make(tmp_path)
    other = study.add("other", "train")
    record = Record("other", "train", "f-other", (attempt(1),), {"python": "3.12.1"})
    record.write(tmp_path / other.record)
    progress = read_progress(study.root)
    assert distinct_versions(progress)["python"] == ("3.11.9", "3.12.1")
    assert distinct_versions(progress)["commit"] == ("0a1b2c3",)
    assert distinct(progress, "gpu") == ("NVIDIA A100", "NVIDIA H200")
    assert distinct(progress, "host") == ("node-1",)
