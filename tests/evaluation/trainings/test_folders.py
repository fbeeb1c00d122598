"""Folders of predictions of several trainings."""

import json
import shutil

import numpy as np
import pytest

from nnunetv2_fair.errors import EvaluationError, UsageError
from nnunetv2_fair.evaluation.trainings.folders import (
    folders_inside,
    names_of,
    prediction_folders,
)
from tests.evaluation.factories import write_mask


def fill(folder, seed, cases=("a", "b")):
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(seed)
    for case in cases:
        write_mask(folder / f"{case}.png", rng.integers(0, 2, (6, 7)).astype(np.uint8))
    return folder


def test_a_folder_per_training_or_one_that_holds_them(tmp_path):
    folders = [fill(tmp_path / "all" / f"fold_{number}", number) for number in (0, 2, 10)]
    (tmp_path / "all" / ".hidden").mkdir()
    (tmp_path / "all" / "notes.txt").write_text("")
    by_name = dict(zip(("fold_0", "fold_2", "fold_10"), folders, strict=True))
    assert prediction_folders([tmp_path / "all"]) == by_name
    assert list(prediction_folders([tmp_path / "all"])) == ["fold_0", "fold_2", "fold_10"]
    assert prediction_folders(folders[::-1]) == by_name


def test_names_are_as_long_as_it_takes(tmp_path):
    folders = [tmp_path / one / "fold_0" / "pred" for one in ("run_1", "run_2")]
    assert names_of(folders) == ["run_1_fold_0_pred", "run_2_fold_0_pred"]
    assert names_of([tmp_path / "x", tmp_path / "y"]) == ["x", "y"]


def test_all_problems_are_listed(tmp_path):
    one = fill(tmp_path / "one", 1)
    other = fill(tmp_path / "other", 2, cases=("a", "c"))
    copy = tmp_path / "copy"
    shutil.copytree(one, copy)
    with pytest.raises(EvaluationError) as error:
        prediction_folders([one, other, copy])
    text = str(error.value)
    assert "'one' and 'other' have predictions of different cases: 1 only in the first (b)" in text
    assert "'one' and 'copy' hold the same predictions, byte for byte" in text
    assert "Each folder must hold the predictions of one training" in text


def test_one_training_twice_or_alone(tmp_path):
    one = fill(tmp_path / "one", 1)
    with pytest.raises(EvaluationError, match="one is given twice"):
        prediction_folders([one, tmp_path / "." / "one"])
    with pytest.raises(UsageError, match="without a folder per training in it"):
        prediction_folders([one])
    with pytest.raises(UsageError, match="does not exist or is not a folder"):
        prediction_folders([tmp_path / "absent"])
    with pytest.raises(UsageError, match=r"-x .*absent does not exist"):
        folders_inside(tmp_path / "absent", "-x")


def test_folds_without_predictions(tmp_path):
    fill(tmp_path / "fold_0", 1)
    (tmp_path / "fold_1").mkdir()
    (tmp_path / "fold_2").mkdir()
    (tmp_path / "fold_2" / "progress.png.txt").write_text("")
    with pytest.raises(EvaluationError) as error:
        prediction_folders([tmp_path])
    assert "fold_1 has no predicted masks: found nothing" in str(error.value)
    assert "fold_2 has no predicted masks: found only progress.png.txt" in str(error.value)


def test_trainers_and_plans_of_nnunet(tmp_path):
    plain = "nnUNetTrainer__nnUNetPlans__2d"
    same = [
        fill(tmp_path / model / "pred", seed)
        for seed, model in enumerate((plain, "nnUNetTrainer_run2__nnUNetPlans__2d"))
    ]
    assert len(prediction_folders(same)) == 2  # a repeat is the same method
    other = fill(tmp_path / "nnUNetTrainerOversampling_sex__nnUNetPlans__2d" / "pred", 5)
    with pytest.raises(EvaluationError, match=r"different models of nnU-Net.*Oversampling_sex__"):
        prediction_folders([same[0], other])
    for folder, plans in zip(same, ("nnUNetPlans", "nnUNetResEncUNetLPlans"), strict=True):
        (folder / "plans.json").write_text(json.dumps({"plans_name": plans}))
    with pytest.raises(
        EvaluationError, match=r"different plans of nnU-Net.*nnUNetResEncUNetLPlans"
    ):
        prediction_folders(same)
    (same[1] / "plans.json").write_text("[not json")
    assert len(prediction_folders(same)) == 2
