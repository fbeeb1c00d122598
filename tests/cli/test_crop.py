"""``nnUNetv2_fair_crop``: what is written, resumed, carried over, reported and refused."""

import json
import pickle

import numpy as np
import pandas as pd
import pytest
import SimpleITK

from nnunetv2_fair.cli import crop, prepare
from nnunetv2_fair.cropping.box import Window
from nnunetv2_fair.cropping.images import read_channel
from nnunetv2_fair.dataset_conversion.cropped.plan import CropSettings, plan_cropped
from nnunetv2_fair.dataset_conversion.cropped.survey import SurveyOrder, survey_case
from nnunetv2_fair.dataset_conversion.shared.source import read_source
from nnunetv2_fair.dataset_conversion.writing import case_files
from tests.dataset_conversion.cropped.full_dataset import (
    N_TRAIN,
    ORGANS,
    case_name,
    save,
    volume,
    write_full,
)

NAME = "Dataset043_HeartCropped"


def run(*more):
    return crop.main(["-d", "42", "-o", "43", "-np", "1", *more])


def crops_of(raw):
    content = json.loads((raw / NAME / "crops.json").read_text())
    return {
        case: (Window(*(tuple(entry[key]) for key in ("start", "size", "shape"))), entry)
        for case, entry in content["cases"].items()
    }


def part_of(i):
    return "Tr" if i < N_TRAIN else "Ts"


@pytest.mark.parametrize(
    ("ending", "channels", "more"),
    [
        (".nii.gz", 1, ()),
        (".nii.gz", 2, ("--axes", "xyz")),
        (".nrrd", 1, ("--size", "50", "17")),  # images are smaller than the crop
        (".png", 1, ()),
    ],
)
def test_round_trip(nnunet_folders, ending, channels, more):
    raw = nnunet_folders["nnUNet_raw"]
    full = write_full(raw, ending, channels)
    assert run(*more) == 0
    windows = crops_of(raw)
    sizes = {window.size[-2:] for window, _ in windows.values()}
    assert sizes == {(50, 17) if "--size" in more else (9 + 10, 12 + 10)}, "test has no say"
    for i in range(len(ORGANS)):
        case, part = case_name(i), part_of(i)
        image, labels = volume(i, ending)
        window, entry = windows[case]
        cropped = read_channel(raw / NAME / f"images{part}" / f"{case}_0000{ending}")
        mask = read_channel(raw / NAME / f"labels{part}" / f"{case}{ending}")
        inside = window.in_image.slices
        assert cropped.dtype == image.dtype
        assert np.array_equal(window.pasted(cropped)[inside], image[inside])
        assert np.array_equal(window.pasted(mask)[inside], labels[inside])
        lost = np.count_nonzero(labels) - np.count_nonzero(mask)
        assert entry["cut_share"] == pytest.approx(lost / np.count_nonzero(labels))
        if i < N_TRAIN and "--size" not in more:
            assert lost == 0
        if ending == ".png":
            continue
        where = full / f"images{part}" / f"{case}_0000{ending}"
        old = SimpleITK.ReadImage(str(where))
        new = SimpleITK.ReadImage(str(raw / NAME / f"labels{part}" / f"{case}{ending}"))
        start = [int(n) for n in window.start[::-1]]
        for corner in np.ndindex(2, 2, 2):
            index = [int(c * (n - 1)) for c, n in zip(corner, new.GetSize(), strict=True)]
            there = old.TransformIndexToPhysicalPoint(
                [a + b for a, b in zip(index, start, strict=True)]
            )
            here = new.TransformIndexToPhysicalPoint(index)
            assert np.abs(np.subtract(here, there)).max() < 1e-4


def test_people_folds_and_what_the_labels_mean_are_carried_over(nnunet_folders, capsys):
    raw, pre = nnunet_folders["nnUNet_raw"], nnunet_folders["nnUNet_preprocessed"]
    full = write_full(raw)
    assert prepare.main(["-d", "42", "--folds", "3"]) == 0
    assert run() == 0
    for name in ("demographics.csv", "demographics.json"):
        mine, theirs = (folder / name for folder in (raw / NAME, full))
        if name.endswith("csv"):
            pd.testing.assert_frame_equal(pd.read_csv(mine), pd.read_csv(theirs))
        else:
            kept = json.loads(mine.read_text())["attributes"]
            assert (
                kept["age"]["bins"] == json.loads(theirs.read_text())["attributes"]["age"]["bins"]
            )
    folds = [pre / name / "splits_final.json" for name in (full.name, NAME)]
    assert folds[0].read_bytes() == folds[1].read_bytes()
    content = json.loads((raw / NAME / "dataset.json").read_text())
    assert content["labels"] == {"background": 0, "muscle": 1, "blood": 2}
    assert content["licence"] == "mine"
    assert content["cropped"] == {
        "source": "Dataset042_Heart", "axes": "xy", "labels": [1, 2],
        "size": {"rows": 19, "columns": 22}, "smallest": {"rows": 5, "columns": 7},
        "largest": {"rows": 9, "columns": 12}, "pieces": 1,
    }  # fmt: skip
    assert prepare.main(["-d", "43"]) == 0
    assert "exists and is kept" in capsys.readouterr().out
    assert folds[0].read_bytes() == folds[1].read_bytes()


def test_without_folds_it_says_how_to_get_the_same(nnunet_folders, capsys):
    write_full(nnunet_folders["nnUNet_raw"])
    assert run() == 0
    assert "has no folds yet. For the same folds" in capsys.readouterr().out
    assert not list(nnunet_folders["nnUNet_preprocessed"].iterdir())


def test_other_folds_are_not_replaced_unasked(nnunet_folders, capsys):
    raw, pre = nnunet_folders["nnUNet_raw"], nnunet_folders["nnUNet_preprocessed"]
    write_full(raw)
    prepare.main(["-d", "42", "--folds", "3"])
    (pre / NAME).mkdir()
    splits = pre / NAME / "splits_final.json"
    splits.write_text("[]")
    assert run() == 1
    assert "exists with other folds than those of Dataset042_Heart" in capsys.readouterr().err
    assert splits.read_text() == "[]"
    assert not (raw / NAME).exists()
    assert run("--overwrite") == 0
    assert len(json.loads(splits.read_text())) == 3


def test_a_test_organ_larger_than_every_training_one_is_told(nnunet_folders, capsys):
    """Case 7 has 12 x 16 voxels; with margin 1, crops have 11 x 14."""
    raw = nnunet_folders["nnUNet_raw"]
    write_full(raw)
    assert run("--margin", "1") == 0
    out = capsys.readouterr().out
    share = crops_of(raw)[case_name(7)][1]["cut_share"]
    assert share == pytest.approx(1 - 11 * 14 / (12 * 16))
    assert "test: the references of 1 of 4 cases are partly outside their crops" in out
    percent = f"{100 * share / 2:.3g}%"
    assert f"By sex: female 1 of 2 (mean share of all {percent}), male 0 of 2" in out
    notes = json.loads((raw / NAME / "conversion_log.json").read_text())["notes"]
    assert any("test: the references of 1 of 4 cases" in note for note in notes)


def test_boxes_of_chosen_labels(nnunet_folders):
    raw = nnunet_folders["nnUNet_raw"]
    write_full(raw)
    assert run("--labels", "blood", "--margin", "0") == 0
    content = json.loads((raw / NAME / "dataset.json").read_text())["cropped"]
    assert content["labels"] == [2]
    assert content["size"] == {"rows": 9 - 3, "columns": 12 - 3}


def test_jitter_moves_training_crops_only_and_cuts_nothing(nnunet_folders):
    raw = nnunet_folders["nnUNet_raw"]
    write_full(raw)
    found = []
    for more in ((), ("--jitter", "3"), ("--jitter", "3"), ("--jitter", "3", "--seed", "1")):
        assert run("--overwrite", "--margin", "2", *more) == 0
        found.append({case: window.start for case, (window, _) in crops_of(raw).items()})
        shares = {case: entry["cut_share"] for case, (_, entry) in crops_of(raw).items()}
        assert not any(shares[case_name(i)] for i in range(N_TRAIN))
    exact, jittered, again, other = found
    assert jittered == again
    assert jittered != other
    moved = {case for case in exact if exact[case] != jittered[case]}
    assert moved
    assert moved <= {case_name(i) for i in range(N_TRAIN)}
    assert all(abs(a - b) <= 3 for c in moved for a, b in zip(exact[c], jittered[c], strict=True))


def test_boxes_of_predictions_for_the_test_part(nnunet_folders, tmp_path):
    """Moved by 2 columns and with a false blob: crops follow the organ, sizes do not change."""
    raw = nnunet_folders["nnUNet_raw"]
    write_full(raw)
    assert run() == 0
    exact = crops_of(raw)
    for i in range(N_TRAIN, len(ORGANS)):
        labels = np.roll(volume(i, "")[1], -2, axis=2)
        labels[:, 33:36, :30] = 1
        save(tmp_path / "pred" / f"{case_name(i)}.nii.gz", labels, i)
    assert run("--overwrite", "--boxes", str(tmp_path / "pred"), "--margin", "5") == 0
    for i in range(len(ORGANS)):
        (one, _), (other, entry) = exact[case_name(i)], crops_of(raw)[case_name(i)]
        assert one.size == other.size
        if i < N_TRAIN:
            assert one == other
        else:
            at_border = one.start[2] == 40 - 22
            assert other.start[2] == (one.start[2] if at_border else max(0, one.start[2] - 2))
        assert entry["part"] == ("train" if i < N_TRAIN else "test")


def test_what_no_reference_is_there_for_is_left_out(nnunet_folders, capsys):
    raw = nnunet_folders["nnUNet_raw"]
    full = write_full(raw)
    for path in (full / "labelsTs").iterdir():
        path.unlink()
    assert run() == 0
    assert "4 test cases without a reference are left out" in capsys.readouterr().out
    assert not (raw / NAME / "imagesTs").exists()
    assert len(pd.read_csv(raw / NAME / "demographics.csv")) == N_TRAIN


def test_further_masks_are_cropped_too(nnunet_folders):
    raw = nnunet_folders["nnUNet_raw"]
    full = write_full(raw)
    for i in range(N_TRAIN):
        save(full / "automaticTr" / f"{case_name(i)}.nii.gz", volume(i, "")[1] // 2, i)
    assert run() == 0
    for i in range(N_TRAIN):
        mask, other = (
            read_channel(raw / NAME / folder / f"{case_name(i)}.nii.gz")
            for folder in ("labelsTr", "automaticTr")
        )
        assert np.array_equal(mask // 2, other)


def test_dry_run_writes_nothing(nnunet_folders, capsys):
    raw, pre = nnunet_folders["nnUNet_raw"], nnunet_folders["nnUNet_preprocessed"]
    full = write_full(raw)
    prepare.main(["-d", "42", "--folds", "3"])
    before = sorted(str(path) for path in [*raw.rglob("*"), *pre.rglob("*")])
    assert run("--dry-run") == 0
    assert "Nothing was written" in capsys.readouterr().out
    damaged = full / "imagesTr" / "c01_0000.nii.gz"
    damaged.write_bytes(damaged.read_bytes()[:-9])
    assert run("--dry-run") == 1
    assert "c01_0000.nii.gz is damaged" in capsys.readouterr().err
    assert sorted(str(path) for path in [*raw.rglob("*"), *pre.rglob("*")]) == before


def test_an_interrupted_run_is_resumed(nnunet_folders, monkeypatch, capsys):
    raw = nnunet_folders["nnUNet_raw"]
    full = write_full(raw)
    damaged = full / "imagesTs" / "c08_0000.nii.gz"
    whole = damaged.read_bytes()
    damaged.write_bytes(whole[:-9])
    assert run() == 1
    assert "the others are kept for the next run" in capsys.readouterr().err
    assert not (raw / NAME).exists()
    damaged.write_bytes(whole)
    written = []
    write = case_files._write
    monkeypatch.setattr(
        case_files, "_write", lambda order: (written.append(order.job.case), write(order))[1]
    )
    assert run() == 0
    assert written == ["c08"]
    assert not list(raw.glob(".*"))
    assert run("--overwrite", "--margin", "6") == 0
    assert len(written) == 11, "another crop is written again"


def test_what_travels_to_other_processes_can(nnunet_folders):
    full = write_full(nnunet_folders["nnUNet_raw"])
    plan = plan_cropped(CropSettings(full, 43, "HeartCropped", size=(4, 4)))
    for job in plan.jobs:
        copy = pickle.loads(pickle.dumps(job))
        assert np.array_equal(copy.load().mask, job.load().mask)
    order = SurveyOrder(read_source(full, "cropped").cases[0], (1, 2))
    assert survey_case(pickle.loads(pickle.dumps(order))) == survey_case(order)


def refused(capsys, *more):
    code = run(*more)
    return code, capsys.readouterr().err


@pytest.mark.parametrize(
    ("more", "code", "message"),
    [
        (("--size", "3"), 2, "with --axes xy, expected two numbers (rows, columns)"),
        (("--size", "3", "4", "--axes", "xyz"), 2, "expected three (rows, columns, slices)"),
        (("--size", "3", "0"), 2, "expected 1 or more"),
        (("--margin", "-1"), 2, "--margin -1: expected 0 or more"),
        (("--jitter", "-1"), 2, "--jitter -1: expected 0 or more"),
        (("--labels", "lung"), 1, "has no label 'lung'. Labels: muscle, blood"),
        (("--labels", "background"), 1, "the background is everywhere"),
        (("--boxes", "nowhere"), 1, "--boxes nowhere does not exist"),
        (("-d", "77"), 1, "No dataset '77'"),
        (("-o", "1000"), 1, "expected a number from 1 to 999 (-o)"),
        (("-np", "0"), 2, "-np 0: expected 1 or more"),
    ],
)
def test_settings_that_make_no_sense(nnunet_folders, capsys, more, code, message):
    raw = nnunet_folders["nnUNet_raw"]
    write_full(raw)
    found, text = refused(capsys, *more)
    assert found == code
    assert message in text
    assert [path.name for path in raw.iterdir()] == ["Dataset042_Heart"]


def test_a_dataset_that_is_taken(nnunet_folders, capsys):
    raw = nnunet_folders["nnUNet_raw"]
    write_full(raw)
    assert run() == 0
    code, text = refused(capsys)
    assert code == 1
    assert "Dataset043_HeartCropped already exists. Choose another id (-o), or add" in text
    code, text = refused(capsys, "-n", "Other")
    assert code == 1
    assert "dataset id 43 is taken by Dataset043_HeartCropped" in text
    code, text = refused(capsys, "-d", "43", "-o", "44")
    assert code == 1
    assert "is a cropped dataset itself; crop the one that it was made of" in text


def test_a_dataset_is_never_replaced_by_its_own_crops(nnunet_folders, capsys):
    raw = nnunet_folders["nnUNet_raw"]
    full = write_full(raw)
    before = {path: path.read_bytes() for path in full.rglob("*") if path.is_file()}
    code, text = refused(capsys, "-o", "42", "-n", "Heart", "--overwrite")
    assert code == 2
    assert "Dataset042_Heart cannot be replaced by what is made of it. Choose another id" in text
    assert {path: path.read_bytes() for path in full.rglob("*") if path.is_file()} == before


def test_a_dataset_without_labels(nnunet_folders, capsys):
    full = write_full(nnunet_folders["nnUNet_raw"])
    content = json.loads((full / "dataset.json").read_text())
    (full / "dataset.json").write_text(json.dumps({**content, "labels": {"background": 0}}))
    code, text = refused(capsys)
    assert code == 1
    assert "has no label besides the background, so nothing says what to crop to" in text


def test_cases_without_foreground_are_listed(nnunet_folders, capsys):
    raw = nnunet_folders["nnUNet_raw"]
    full = write_full(raw)
    for i in (1, 8):
        save(full / f"labels{part_of(i)}" / f"{case_name(i)}.nii.gz", 0 * volume(i, "")[1], i)
    code, text = refused(capsys)
    assert code == 1
    assert "2 references hold none of the labels 1, 2: c01, c08. Name masks that show" in text
    assert [path.name for path in raw.iterdir()] == ["Dataset042_Heart"]


def test_masks_for_boxes_of_other_cases_and_places(nnunet_folders, capsys, tmp_path):
    write_full(nnunet_folders["nnUNet_raw"])
    boxes = tmp_path / "boxes"
    options = ("--boxes", str(boxes))
    boxes.mkdir()
    assert "holds no mask named <case>.nii.gz" in refused(capsys, *options)[1]
    for i in range(N_TRAIN, len(ORGANS)):
        save(boxes / f"{case_name(i)}.nii.gz", volume(i, "")[1], i)
    save(boxes / "x1.nii.gz", volume(1, "")[1], 1)
    (boxes / "c09.nii.gz").unlink()
    text = refused(capsys, *options)[1]
    assert "1 mask is of cases that Dataset042_Heart does not have" in text
    assert "x1" in text
    assert "1 test case has no mask: c09" in text
    (boxes / "x1.nii.gz").unlink()
    save(boxes / "c09.nii.gz", volume(9, "")[1], 3)
    assert "differ in position" in refused(capsys, *options)[1]
    save(boxes / "c09.nii.gz", volume(9, "")[1] * 0, 9)
    blob = volume(8, "")[1] * 0
    blob[:, 3:6] = 1
    save(boxes / "c08.nii.gz", blob, 8)
    code, text = refused(capsys, *options)
    assert code == 1
    assert "1 mask is empty, so that nothing says where the organ is: c09" in text
    assert "c08 (implausible: 3 x 40 voxels, training 5-9 x 7-12)" in text


def test_grids_that_differ_and_missing_files(nnunet_folders, capsys):
    raw = nnunet_folders["nnUNet_raw"]
    full = write_full(raw)
    save(full / "labelsTr" / "c02.nii.gz", volume(2, "")[1], 5)
    save(full / "labelsTr" / "c03.nii.gz", volume(3, "")[1][:, 1:], 3)
    text = refused(capsys)[1]
    assert "case 'c02': c02_0000.nii.gz and c02.nii.gz differ in position" in text
    assert "case 'c03': c03_0000.nii.gz and c03.nii.gz differ in size" in text
    (full / "labelsTr" / "c02.nii.gz").unlink()
    (full / "labelsTs" / "c08.nii.gz").unlink()
    text = refused(capsys)[1]
    assert "2 cases of Dataset042_Heart cannot be cropped, for lack of a reference" in text
    (full / "demographics.csv").unlink()
    write_full(raw)
    (full / "demographics.csv").unlink()
    assert "has no demographics.csv" in refused(capsys)[1]


def test_pictures_have_no_slices(nnunet_folders, capsys):
    write_full(nnunet_folders["nnUNet_raw"], ".png")
    code, text = refused(capsys, "--axes", "xyz")
    assert code == 2
    assert "10 cases have no slices" in text
    assert "Choose --axes xy" in text
