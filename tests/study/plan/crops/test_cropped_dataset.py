"""Steps that make a cropped dataset, and what is refused before any of them runs."""

import shutil

import pytest

from nnunetv2_fair.cli import crop, prepare
from nnunetv2_fair.study.plan.steps.commands import shown
from nnunetv2_fair.study.record import Record
from tests.nnunet_dataset import write_raw_volumes
from tests.study.conftest import finish_training
from tests.study.plan.crops.conftest import CROPPED

NAME = "Dataset903_TinyCropped"


def leave_record(study_root, step):
    """Leave what a step leaves that the study has done."""
    done = Record(step.name, step.kind, step.fingerprint, (), facts=dict(step.facts))
    done.write(study_root / step.record)


def test_crops_are_made_and_then_prepared_like_any_dataset(plan):
    found = plan(CROPPED)
    step = found.steps["crop.d903"]
    assert shown(step.commands[0]).startswith(
        "nnUNetv2_fair_crop -d Dataset901_Tiny -o 903 -n TinyCropped --margin 3 -np "
    )
    assert "--overwrite" not in shown(step.commands[0])
    # the folds of the source are carried over, and kept
    assert step.needs == ("prepare.d901",)
    assert shown(found.steps["prepare.d903"].commands[0]) == f"nnUNetv2_fair_prepare -d {NAME}"
    assert found.steps["prepare.d903"].needs == ("crop.d903",)
    assert found.steps["fingerprint.d903"].needs == ("crop.d903",)
    assert found.steps["train.d903.2d.nnUNetTrainer.f1"].needs == (
        "prepare.d903", "preprocess.d903.nnUNetPlans.2d",
    )  # fmt: skip
    assert "train.d903.2d.nnUNetTrainer.f0" not in found.steps
    assert step.resources == found.steps["fingerprint.d903"].resources


def test_options_are_those_of_the_command(plan, changed):
    options = "{dataset: 901, labels: [disc], axes: xy, size: [24, 28], jitter: 2, margin: 0}"
    text = changed(("{dataset: 901, margin: 3}", options))
    words = shown(plan(text, "seed: 7\n").steps["crop.d903"].commands[0])
    for option in ("--labels disc", "--axes xy", "--size 24 28", "--jitter 2", "--margin 0"):
        assert option in words
    assert "--seed 7" in words
    own = changed(("{dataset: 901, margin: 3}", "{dataset: 901, jitter: 2, seed: 3}"))
    assert "--seed 3" in shown(plan(own, "seed: 7\n").steps["crop.d903"].commands[0])
    # without jitter a seed changes nothing, so that it is no reason to crop again
    assert "--seed" not in shown(plan(CROPPED, "seed: 7\n").steps["crop.d903"].commands[0])
    short = changed(("{dataset: 901, margin: 3}", "901"), ("id: 903", "id: Dataset903_Discs"))
    assert "-o 903 -n Discs -np" in shown(plan(short).steps["crop.d903"].commands[0])


def test_steps_stay_the_same_once_the_crops_exist(plan, study_root):
    """Otherwise the second call would do everything again."""
    before = plan(CROPPED)
    leave_record(study_root, before.steps["prepare.d901"])
    assert prepare.main(["-d", "901", "--folds", "2"]) == 0
    assert crop.main(["-d", "901", "-o", "903", "--margin", "3", "-np", "1"]) == 0
    assert prepare.main(["-d", "903"]) == 0
    after = plan(CROPPED)
    assert {n: s.fingerprint for n, s in after.steps.items()} == {
        n: s.fingerprint for n, s in before.steps.items()
    }


def test_crops_made_before_the_study_are_used_if_they_are_what_it_asks_for(
    plan, changed, mistakes, nnunet_folders
):
    assert crop.main(["-d", "901", "-o", "903", "--margin", "3", "-np", "1"]) == 0
    found = plan(CROPPED).steps["crop.d903"]
    assert found.finished == str(nnunet_folders["nnUNet_raw"] / NAME / "crops.json")
    (line,) = mistakes(changed(("margin: 3", "margin: 4")))
    assert line.startswith(f"line 10: {NAME} was cropped before this study, with other settings "
                           "(margin 3 there, 4 here)")  # fmt: skip
    assert "delete" in line


def test_own_crops_are_made_again_if_the_study_asks_for_others(
    plan, changed, mistakes, study_root, nnunet_folders
):
    first = plan(CROPPED).steps["crop.d903"]
    assert crop.main(["-d", "901", "-o", "903", "--margin", "3", "-np", "1"]) == 0
    leave_record(study_root, first)
    text = changed(("margin: 3", "margin: 4"))
    again = plan(text).steps["crop.d903"]
    assert again.fingerprint != first.fingerprint
    assert not again.finished
    assert shown(again.commands[0]).endswith("--overwrite")
    # but not under finished trainings
    prepared = plan(CROPPED).steps["prepare.d903"]
    leave_record(study_root, prepared)
    finish_training(nnunet_folders["nnUNet_results"] / NAME, "nnUNetTrainer", 1)
    (line,) = mistakes(text)
    assert line.startswith("line 9: Dataset901_Tiny, its folds, or what crop says have changed "
                           f"since this study made {NAME} of it")  # fmt: skip


@pytest.mark.parametrize(
    ("pairs", "words"),
    [
        ([("dataset: 901, margin: 3", "dataset: 905")],
         ["line 10: crop: '905' is not a dataset of this study that could be cropped",
          "There: Dataset901_Tiny"]),
        ([("margin: 3", "margin: -1")], ["line 10: ", "found -1; expected a number of voxels"]),
        ([("margin: 3", "margn: 3")], ["line 10: ", "no key 'margn'", "Did you mean 'margin'?"]),
        ([("margin: 3", "labels: [disk]")],
         ["line 10: crop, labels: Dataset901_Tiny has no label 'disk'", "mean 'disc'?"]),
        ([("margin: 3", "size: [20, 20, 4]")],
         ["line 10: crop, size: found 3 numbers; with axes: xy, expected rows and columns"]),
        ([("folds: [1]", "number_of_folds: 3")],
         ["line 12: a cropped dataset has no key number_of_folds: the folds are those of"]),
        ([("folds: [1]", "stratify: sex")], ["line 12: a cropped dataset has no key stratify"]),
        ([("folds: [1]", "tests: [internal]")],
         ["line 12: a cropped dataset has no key tests", "name the cropped dataset with cascade"]),
        ([("folds: [1]", "folds: [2]")],
         ["line 12: Dataset903_TinyCropped has the folds 0 to 1, not 2"]),
        ([("id: 903", "id: 1903")], ["line 9: id 1903: expected a number from 1 to 999"]),
        ([("id: 903", "id: crops")], ["line 9: 'crops': expected an id from 1 to 999"]),
        ([("id: 903", "id: 901")], ["line 9: id 901 is taken by Dataset901_Tiny in nnUNet_raw"]),
    ],
)  # fmt: skip
def test_what_cannot_be_cropped(mistakes, changed, pairs, words):
    lines = mistakes(changed(*pairs))
    assert any(all(word in line for word in words) for line in lines), lines


def test_an_id_that_is_taken(mistakes, nnunet_folders, raw):
    other = nnunet_folders["nnUNet_results"] / "Dataset903_Lungs"
    other.mkdir()
    (line,) = mistakes(CROPPED)
    assert line == (
        "line 9: id 903 is taken by Dataset903_Lungs in nnUNet_results; the crops of "
        f"Dataset901_Tiny would be {NAME}. Choose another id"
    )
    other.rmdir()
    shutil.copytree(raw, raw.parent / NAME)
    (line,) = mistakes(CROPPED)
    assert line.startswith(f"line 9: {raw.parent / NAME} exists and holds no crops; expected crops")


def test_crops_of_crops(mistakes, raw):
    assert crop.main(["-d", "901", "-o", "902", "-np", "1"]) == 0
    text = CROPPED.replace("901", "902").replace("cascade: 903", "dataset: 902")
    lines = mistakes(text.replace("internal", "upper_bound"))
    assert any("line 10: crop: Dataset902_TinyCropped is cropped already" in line for line in lines)


def test_the_test_part_of_crops_is_called_an_upper_bound(plan, mistakes, study_root):
    assert crop.main(["-d", "901", "-o", "903", "-np", "1"]) == 0
    text = CROPPED[: CROPPED.index("  - id: 903")] + CROPPED[CROPPED.index("attributes") :]
    text = text.replace("id: 901", "id: 903").replace("{name: internal, cascade: 903}", "internal")
    (line,) = mistakes(text)
    assert line.startswith("line 8: test set 'internal' holds crops that the references show")
    named = text.replace("- internal", "- {name: upper_bound, dataset: 903}")
    assert "predict.d903.2d.upper_bound.nnUNetTrainer" in plan(named).steps
    full = text.replace("- internal", "- {name: full, dataset: 901}")
    (line,) = mistakes(full)
    assert "Dataset901_Tiny has full images, and models of Dataset903_TinyCropped know" in line


def test_a_volume_has_crops_of_three_axes(plan, nnunet_folders, study_root):
    write_raw_volumes(nnunet_folders["nnUNet_raw"])
    text = CROPPED.replace("901", "902").replace("[2d]", "[3d_fullres]")
    text = text.replace("margin: 3", "axes: xyz, size: [20, 20, 8]")
    text = text.replace("{name: internal, cascade: 903}",
                        "{name: other, images: RAW/imagesTr, labels: RAW/labelsTr, "
                        "demographics: RAW/demographics.csv, cascade: 903}")  # fmt: skip
    text = text.replace("RAW", str(nnunet_folders["nnUNet_raw"] / "Dataset902_Volumes"))
    found = plan(text)
    assert "--axes xyz --size 20 20 8" in shown(found.steps["crop.d903"].commands[0])
    assert "predict.d902.3d_fullres.other.nnUNetTrainer_cascade" in found.steps
