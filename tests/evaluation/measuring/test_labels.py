import json
from pathlib import Path

import pytest

from nnunetv2_fair.errors import EvaluationError
from nnunetv2_fair.evaluation.measuring.labels import (
    find_dataset_json,
    labels_found,
    read_label_set,
)


def write(tmp_path: Path, content: object) -> Path:
    path = tmp_path / "dataset.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
    return path


def test_labels_regions_and_ignore(tmp_path: Path):
    labels = {"background": 0, "whole": [1, 2], "core": [2], "edge": 3, "ignore": 4}
    found = read_label_set(write(tmp_path, {"labels": labels}))
    assert found.regions == {"whole": (1, 2), "core": (2,), "edge": (3,)}
    assert found.ignore == 4
    assert found.known == {0, 1, 2, 3, 4}


def test_labels_of_the_references():
    found = labels_found([0, 3, 1, 0])
    assert found.regions == {"1": (1,), "3": (3,)}
    assert found.ignore is None


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "is not JSON"),
        ([], 'has no "labels"'),
        ({"labels": {}}, 'has no "labels"'),
        ({"labels": {"background": 0}}, r"no foreground label \(labels: background\)"),
        ({"labels": {"0": "background", "1": "organ"}}, "exchange the two"),
        ({"labels": {"organ": 1.5}}, r"label 'organ' has the value 1\.5"),
        ({"labels": {"organ": [1, "2"]}}, "label 'organ' has the value"),
        ({"labels": {"organ": True}}, "label 'organ' has the value True"),
        ({"labels": {"organ": []}}, r"label 'organ' has the value \[\]"),
        ({"labels": {"organ": -1}}, "label 'organ' has the value -1"),
        ({"labels": {"average": 1}}, "a label named 'average'"),
    ],
)
def test_other_content_is_refused(tmp_path: Path, content: object, message: str):
    path = write(tmp_path, content)
    with pytest.raises(EvaluationError, match=message) as error:
        read_label_set(path)
    assert str(path) in str(error.value)


def test_where_dataset_json_is_looked_for(tmp_path: Path):
    references, predictions = tmp_path / "Dataset001_X" / "labelsTs", tmp_path / "predictions"
    references.mkdir(parents=True)
    predictions.mkdir()
    assert find_dataset_json(None, predictions, references) is None
    for folder in (references.parent, references, predictions):
        (folder / "dataset.json").touch()
        assert find_dataset_json(None, predictions, references) == folder / "dataset.json"
    own = tmp_path / "own.json"
    with pytest.raises(EvaluationError, match=r"own\.json does not exist; --dataset-json"):
        find_dataset_json(own, predictions, references)
    own.touch()
    assert find_dataset_json(own, predictions, references) == own


def test_two_files_that_contradict_each_other_are_refused(tmp_path: Path):
    predictions, references = tmp_path / "predictions", tmp_path / "labelsTs"
    for folder, core in ((predictions, 2), (references, 1)):
        folder.mkdir()
        labels = {"background": 0, "core": core, "shell": 3 - core}
        (folder / "dataset.json").write_text(json.dumps({"labels": labels}))
    with pytest.raises(
        EvaluationError, match=r"core \(2 and 1\), shell \(1 and 2\).*--dataset-json"
    ):
        find_dataset_json(None, predictions, references)
    own = references / "dataset.json"
    assert find_dataset_json(own, predictions, references) == own
