"""``nnUNetv2_fair_relabel``: the twin, its folds, what is told, resumed and refused."""

import json
import shutil

import numpy as np
import pandas as pd
import pytest

from nnunetv2_fair.cli import prepare, relabel
from nnunetv2_fair.cropping.images import read_channel
from nnunetv2_fair.dataset_conversion.writing import case_files
from tests.canaries import sightings
from tests.dataset_conversion.cropped.full_dataset import (
    N_TEST,
    N_TRAIN,
    case_name,
    save,
    volume,
    write_full,
)

NAME = "Dataset043_HeartRelabelled"


def run(folder, *more):
    return relabel.main(["-d", "42", "-o", "43", "-np", "1", "--labels-from", str(folder), *more])


def other_labels(i, ending):
    labels = volume(i, ending)[1]
    return np.where(labels == 2, 1, labels).astype(np.uint8)


def write_other(folder, ending=".nii.gz", cases=range(N_TRAIN)):
    for i in cases:
        name = case_name(i).upper() if i % 2 else case_name(i)
        save(folder / f"{name}{ending}", other_labels(i, ending), i)
    return folder


@pytest.mark.parametrize(("ending", "channels"), [(".nii.gz", 2), (".png", 1)])
def test_the_twin_has_other_training_labels_and_nothing_else(
    nnunet_folders, tmp_path, capsys, ending, channels
):
    raw = nnunet_folders["nnUNet_raw"]
    full = write_full(raw, ending, channels)
    for i in range(N_TRAIN):
        save(full / "automaticTr" / f"{case_name(i)}{ending}", other_labels(i, ending), i)
    assert prepare.main(["-d", "42", "-a", "sex", "--folds", "2"]) == 0
    # masks of other cases, too: those of the test part are not used
    folder = write_other(tmp_path / "automatic", ending, range(N_TRAIN + N_TEST))
    assert run(folder) == 0
    twin = raw / NAME
    for path in sorted(full.glob("*/*")):
        if path.parent.name == "labelsTr":
            i = int(path.name[1:3])
            assert np.array_equal(read_channel(twin / "labelsTr" / path.name),
                                  other_labels(i, ending))  # fmt: skip
            kept = twin / "previousTr" / path.name
        else:
            kept = twin / path.relative_to(full)
        assert kept.read_bytes() == path.read_bytes(), path
    table = pd.read_csv(full / "demographics.csv")
    assert pd.read_csv(twin / "demographics.csv").equals(table)
    content = json.loads((twin / "dataset.json").read_text())
    assert content["labels_from"] == {
        "source": "Dataset042_Heart", "folder": f"{tmp_path.name}/automatic", "cases": N_TRAIN,
        "cases_with_labels_of_source": 0,
    }  # fmt: skip
    preprocessed = nnunet_folders["nnUNet_preprocessed"]
    first, second = (
        (preprocessed / name / "splits_final.json").read_text() for name in (full.name, NAME)
    )
    assert first == second
    assert prepare.main(["-d", "43", "-a", "sex"]) == 0
    changes = pd.read_csv(twin / "label_changes.csv").set_index("case")
    labels = volume(0, ending)[1]
    assert changes.at["c00", "changed_voxels"] == np.count_nonzero(labels == 2)
    assert changes.at["c00", "dice_with_before"] == 1, "the foreground is the same"
    text = capsys.readouterr().out
    assert f"training labels: {N_TRAIN} of {N_TRAIN} cases have other ones (mean Dice" in text
    assert "training labels, sex female: 3 of 3 cases have other ones" in text
    assert "Next: nnUNetv2_fair_prepare -d 43" in text
    assert not sightings(twin, [str(tmp_path)])


def test_cases_without_another_mask(nnunet_folders, tmp_path, capsys):
    raw = nnunet_folders["nnUNet_raw"]
    full = write_full(raw)
    assert prepare.main(["-d", "42", "-a", "sex", "--folds", "2"]) == 0
    folder = write_other(tmp_path / "automatic", cases=range(1, N_TRAIN))
    assert run(folder) == 1
    text = capsys.readouterr().err
    assert "1 training case has no mask there: c00. Add the masks, leave the cases out" in text
    assert not (raw / NAME).exists()

    assert run(folder, "--missing", "keep") == 0
    kept = (raw / NAME / "labelsTr" / "c00.nii.gz").read_bytes()
    assert kept == (full / "labelsTr" / "c00.nii.gz").read_bytes()
    assert json.loads((raw / NAME / "dataset.json").read_text())["labels_from"][
        "cases_with_labels_of_source"] == 1  # fmt: skip

    assert run(folder, "--missing", "skip", "--overwrite") == 0
    assert "c00" not in pd.read_csv(raw / NAME / "demographics.csv")["case"].to_list()
    text = (nnunet_folders["nnUNet_preprocessed"] / NAME / "splits_final.json").read_text()
    assert '"c00"' not in text
    assert '"c01"' in text
    log = json.loads((raw / NAME / "conversion_log.json").read_text())
    assert log["skipped_by_group"]["no other label"]["sex"] == {"male": 1}
    assert "make a twin of this dataset with --labels-from its folder previousTr" in str(log)
    # which is the way to the experts' labels of the same cases
    back = ["-d", "43", "-o", "44", "-n", "Expert", "--labels-from", str(raw / NAME / "previousTr")]
    assert relabel.main([*back, "-np", "1"]) == 0
    for i in range(1, N_TRAIN):
        labels = read_channel(raw / "Dataset044_Expert" / "labelsTr" / f"{case_name(i)}.nii.gz")
        assert np.array_equal(labels, volume(i, ".nii.gz")[1])


def _wrong_grid(folder):
    save(folder / "c02.nii.gz", other_labels(2, ".nii.gz")[:, 1:], 2)


def _wrong_value(folder):
    save(folder / "c02.nii.gz", other_labels(2, ".nii.gz") * 7, 2)


def _two_masks(folder):
    save(folder / "c02.nrrd", other_labels(2, ".nii.gz"), 2)


def _damaged(folder):
    path = folder / "c02.nii.gz"
    path.write_bytes(path.read_bytes()[:-9])


@pytest.mark.parametrize(
    ("harm", "message"),
    [
        (_wrong_grid, "case 'c02': c02_0000.nii.gz and c02.nii.gz differ in size"),
        (_wrong_value, "the mask holds 7; the labels of the dataset are 0, 1, 2"),
        (_two_masks, "1 case has more than one mask, such as c02.nii.gz, c02.nrrd"),
        (_damaged, "c02.nii.gz"),
        (shutil.rmtree, "does not exist or is not a folder"),
        (lambda f: [p.unlink() for p in f.iterdir()], "holds no mask of a training case"),
    ],
)
def test_bad_masks_cost_nothing(nnunet_folders, tmp_path, capsys, harm, message):
    raw = nnunet_folders["nnUNet_raw"]
    write_full(raw)
    folder = write_other(tmp_path / "automatic")
    harm(folder)
    assert run(folder) == 1
    assert message in capsys.readouterr().err
    assert [path.name for path in raw.iterdir()] == ["Dataset042_Heart"]


def test_a_dry_run_writes_nothing(nnunet_folders, tmp_path, capsys):
    raw = nnunet_folders["nnUNet_raw"]
    write_full(raw)
    folder = write_other(tmp_path / "automatic")
    assert run(folder, "--dry-run") == 0
    assert "Nothing was written (--dry-run)" in capsys.readouterr().out
    assert [path.name for path in raw.iterdir()] == ["Dataset042_Heart"]


def test_an_interrupted_run_is_resumed(nnunet_folders, tmp_path, monkeypatch, capsys):
    raw = nnunet_folders["nnUNet_raw"]
    write_full(raw)
    folder = write_other(tmp_path / "automatic")
    write, written = case_files._write, []

    def interrupted(order):
        if len(written) == 3:
            raise KeyboardInterrupt
        written.append(order.job.case)
        return write(order)

    monkeypatch.setattr(case_files, "_write", interrupted)
    assert run(folder) == 130
    monkeypatch.setattr(case_files, "_write", lambda o: written.append(o.job.case) or write(o))
    assert run(folder) == 0
    assert "Resuming an interrupted conversion: 3 cases were already written" in (
        capsys.readouterr().out
    )
    assert sorted(written) == [case_name(i) for i in range(N_TRAIN + N_TEST)]
    assert (raw / NAME / "previousTr").is_dir()
