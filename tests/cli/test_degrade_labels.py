"""``nnUNetv2_fair_degrade_labels``: doses, who is concerned, what is told, carried and refused."""

import json

import numpy as np
import pandas as pd
import pytest
import SimpleITK

from nnunetv2_fair.cli import degrade_labels, prepare
from nnunetv2_fair.cropping.images import read_channel
from nnunetv2_fair.dataset_conversion.twins.degrading import dilated, dropped, eroded, shifted
from nnunetv2_fair.files.fingerprints import text_hash
from tests.dataset_conversion.cropped.full_dataset import (
    N_TEST,
    N_TRAIN,
    case_name,
    volume,
    write_full,
)

#: Spacing of the volumes, in the order of the array.
SPACING = (9.6, 1.37, 1.37)


def run(*more):
    given = ["-d", "42", "-o", "50", "-np", "1", "-a", "sex", "--group", "female"]
    return degrade_labels.main([*given, *map(str, more)])


def labels_in(raw, name, i, ending=".nii.gz"):
    part = "Tr" if i < N_TRAIN else "Ts"
    return read_channel(raw / name / f"labels{part}" / f"{case_name(i)}{ending}")


def test_steps_of_one_group_in_millimetres(nnunet_folders, capsys):
    raw = nnunet_folders["nnUNet_raw"]
    full = write_full(raw)
    assert prepare.main(["-d", "42", "-a", "sex", "--folds", "2"]) == 0
    assert run("--how", "erode", "--amount", 1.5, 3) == 0
    names = ["Dataset050_HeartErode1p5", "Dataset051_HeartErode3"]
    splits = nnunet_folders["nnUNet_preprocessed"]
    for name, depth in zip(names, (1.5, 3), strict=True):
        for i in range(N_TRAIN + N_TEST):
            labels = volume(i, ".nii.gz")[1]
            female_training = i % 2 and i < N_TRAIN
            expected = eroded(labels, depth, SPACING) if female_training else labels
            assert np.array_equal(labels_in(raw, name, i), expected), (name, i)
            part = "Tr" if i < N_TRAIN else "Ts"
            image = f"images{part}/{case_name(i)}_0000.nii.gz"
            assert (raw / name / image).read_bytes() == (full / image).read_bytes()
            if not female_training:
                mask = f"labels{part}/{case_name(i)}.nii.gz"
                assert (raw / name / mask).read_bytes() == (full / mask).read_bytes()
                continue
            old, new = (
                SimpleITK.ReadImage(str(raw / d / "labelsTr" / f"{case_name(i)}.nii.gz"))
                for d in (full.name, name)
            )
            assert np.allclose(old.GetOrigin(), new.GetOrigin(), atol=1e-3)
            assert np.allclose(old.GetDirection(), new.GetDirection(), atol=1e-5)
        assert sorted(p.name for p in (raw / name / "previousTr").iterdir()) == [
            "c01.nii.gz", "c03.nii.gz", "c05.nii.gz"]  # fmt: skip
        folds = [(splits / d / "splits_final.json").read_text() for d in (full.name, name)]
        assert folds[0] == folds[1]
    doses = [
        pd.read_csv(raw / name / "label_changes.csv").dice_with_before.mean() for name in names
    ]
    assert 1 > doses[0] > doses[1]
    content = json.loads((raw / names[0] / "dataset.json").read_text())
    assert content["degraded_labels"] == {
        "source": "Dataset042_Heart", "how": "erode", "amount": 1.5, "unit": "mm"
    }  # fmt: skip
    assert "female" not in json.dumps(content), "dataset.json goes into every model"
    log = json.loads((raw / names[0] / "conversion_log.json").read_text())
    assert log["settings"]["group"] == "female"
    text = capsys.readouterr().out
    assert "training labels of group 'female' of 'sex' are eroded by 1.5 mm" in text
    assert "training labels, sex male: none of 3 cases has other ones" in text


def test_pictures_have_pixels_and_shifts_a_direction(nnunet_folders, capsys):
    raw = nnunet_folders["nnUNet_raw"]
    write_full(raw, ".png")
    assert run("--how", "shift", "--amount", 3, "--direction", 1, 0) == 0
    labels = volume(3, ".png")[1]
    expected = shifted(labels, 3, (1, 1), (0, 1))
    assert np.array_equal(labels_in(raw, "Dataset050_HeartShift3", 3, ".png"), expected)
    assert "are shifted by 3 px" in capsys.readouterr().out
    assert run("--how", "dilate", "--amount", 2, "--overwrite", "-o", "52") == 0
    found = labels_in(raw, "Dataset052_HeartDilate2", 3, ".png")
    assert np.array_equal(found, dilated(labels, 2, (1, 1)))


def test_chance_depends_on_seed_and_name_alone(nnunet_folders, capsys):
    raw = nnunet_folders["nnUNet_raw"]
    write_full(raw)
    assert run("--how", "drop", "--amount", 0.6, "--seed", 2) == 0
    name, lost = "Dataset050_HeartDrop0p6", 0
    for i in range(1, N_TRAIN, 2):
        rng = np.random.default_rng(int(text_hash(f"2|{case_name(i)}")[:16], 16))
        expected = dropped(volume(i, ".nii.gz")[1], 0.6, rng)
        lost += not expected.any()
        assert np.array_equal(labels_in(raw, name, i), expected)
    assert lost
    text = capsys.readouterr().out
    assert f"{lost} mask{'s are' if lost > 1 else ' is'} empty" in text
    first = (raw / name / "labelsTr" / "c01.nii.gz").read_bytes()
    assert run("--how", "shift", "--amount", 3, "-o", "51") == 0
    assert run("--how", "shift", "--amount", 3, "-o", "52", "-n", "Again") == 0
    again = [labels_in(raw, n, 1) for n in ("Dataset051_HeartShift3", "Dataset052_AgainShift3")]
    assert np.array_equal(*again)
    assert run("--how", "drop", "--amount", 0.6, "--seed", 2, "--overwrite") == 0
    assert (raw / name / "labelsTr" / "c01.nii.gz").read_bytes() == first


@pytest.mark.parametrize(
    ("more", "code", "message"),
    [
        (["--how", "erode", "--amount", 0], 2, "--amount 0: expected numbers above 0."),
        (["--how", "erode", "--amount", "nan"], 2, "expected numbers above 0"),
        (["--how", "erode", "--amount", 2, 1], 2, "different numbers, the smallest first"),
        (["--how", "drop", "--amount", 2], 2, "share of the pieces that are lost, expected"),
        (["--how", "erode", "--amount", 1, "--direction", 1, 0, 0], 2, "belongs to --how shift"),
        (["--how", "shift", "--amount", 1, "--direction", 0, 0, 0], 2, "not all 0"),
        (["--how", "shift", "--amount", 2, "--direction", 1, 0], 1, "has 2 numbers, the image 3"),
        (["--how", "erode", "--amount", 1, "--group", "femal"], 2, "Did you mean 'female'?"),
        (["--how", "erode", "--amount", 1, "-a", "age", "--group", ">=65"], 1,
         "has no training case of this group"),
        (["--how", "erode", "--amount", 0.5], 1, "none of 3 cases has other ones. Distances are"),
        (["--how", "drop", "--amount", 1e-9], 1, "By chance no piece was lost"),
        (["--how", "erode", "--amount", 2, "-o", 42], 2, "cannot be replaced by what is made of"),
        (["--how", "erode", "--amount", 2, 3, "-o", 999], 1, "dataset id 1000: expected"),
    ],
)  # fmt: skip
def test_nothing_is_written_if_anything_is_wrong(nnunet_folders, capsys, more, code, message):
    raw = nnunet_folders["nnUNet_raw"]
    write_full(raw)
    table = raw / "Dataset042_Heart" / "demographics.csv"
    table.write_text(table.read_text().replace("c09,p9,female,67", "c09,p9,female,70"))
    assert run(*more) == code
    assert message in capsys.readouterr().err
    assert [path.name for path in raw.iterdir()] == ["Dataset042_Heart"]


def test_a_dry_run_tells_of_all_steps_and_writes_nothing(nnunet_folders, capsys):
    raw = nnunet_folders["nnUNet_raw"]
    write_full(raw)
    assert run("--how", "smooth", "--amount", 2, 4, "--dry-run") == 0
    text = capsys.readouterr().out
    assert "Dataset050_HeartSmooth2" in text
    assert "Dataset051_HeartSmooth4" in text
    assert [path.name for path in raw.iterdir()] == ["Dataset042_Heart"]
