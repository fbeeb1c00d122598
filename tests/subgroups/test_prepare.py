"""Preparing a dataset from Python: what is chosen, and that nothing is half done."""

import json
import shutil
from pathlib import Path

import pytest

from nnunetv2_fair.cli import doctor
from nnunetv2_fair.errors import DatasetError
from nnunetv2_fair.subgroups.prepare import prepare_dataset, stratification
from nnunetv2_fair.subgroups.table import read_table
from tests.nnunet_dataset import NAME, write_raw


@pytest.fixture
def folders(nnunet_folders):
    write_raw(nnunet_folders["nnUNet_raw"])
    return nnunet_folders["nnUNet_raw"] / NAME, nnunet_folders["nnUNet_preprocessed"] / NAME


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_a_dataset_is_prepared_without_a_command(folders):
    _, preprocessed = folders
    done = prepare_dataset(901, "sex", n_folds=3)
    assert (done.name, done.folder, done.kept) == (NAME, preprocessed, False)
    assert sorted(contents(preprocessed)) == [
        "demographics.csv", "demographics.json", "demographics_prepared.json", "splits_final.json",
    ]  # fmt: skip
    assert json.loads(done.splits_file.read_text()) == done.folds
    assert len(done.folds) == 3
    again = prepare_dataset(NAME, "sex", n_folds=2)
    assert again.kept
    assert again.folds == done.folds


def reword(raw: Path) -> None:
    table = raw / "demographics.csv"
    table.write_text(table.read_text().replace("female", "woman"))
    schema = raw / "demographics.json"
    schema.write_text(schema.read_text().replace("female", "woman"))


@pytest.mark.parametrize("splits", ["{", '[{"train": ["case_000"], "val": ["stranger"]}]', "[1]"])
def test_bad_folds_leave_the_demographics_as_they_were(folders, splits):
    raw, preprocessed = folders
    prepare_dataset(901, "sex", n_folds=3)
    (preprocessed / "splits_final.json").write_text(splits)
    before = contents(preprocessed)
    reword(raw)
    with pytest.raises(DatasetError, match="--overwrite"):
        prepare_dataset(901, "sex", n_folds=3)
    assert contents(preprocessed) == before


@pytest.mark.parametrize("broken", ["demographics.csv", "demographics.json", "splits_final.json"])
def test_what_cannot_be_written_leaves_all_files_as_they_were(folders, monkeypatch, broken):
    raw, preprocessed = folders
    prepare_dataset(901, "sex", n_folds=3)
    before = contents(preprocessed)
    reword(raw)
    monkeypatch.setattr(Path, "write_text", refusing(Path.write_text, broken))
    monkeypatch.setattr("shutil.copyfile", refusing(shutil.copyfile, broken))
    with pytest.raises(OSError, match="no space left"):
        prepare_dataset(901, "sex", n_folds=4, overwrite=True)
    assert contents(preprocessed) == before


def refusing(function, name):
    """Return the function, which finds the drive full when it is to write that file."""

    def refuse(*arguments, **options):
        if any(Path(str(argument)).name == name for argument in arguments[:2]):
            raise OSError("no space left")
        return function(*arguments, **options)

    return refuse


def test_folds_that_are_kept_need_not_be_possible(folders):
    prepare_dataset(901, "sex", n_folds=3)
    assert prepare_dataset(901, "sex", n_folds=50).kept


def table_of(write_demographics, rows):
    lines = ["case,patient,synthetic,sex,age", *rows]
    return read_table(write_demographics("\n".join(lines) + "\n"))


def people(n):
    """Return rows of ``n`` patients with two cases each, evenly over six joint groups."""
    groups = [(sex, age) for sex in ("female", "male") for age in (40, 55, 70)]
    return [
        f"c{i}_{k},p{i},0,{groups[i % 6][0]},{groups[i % 6][1]}" for i in range(n) for k in (0, 1)
    ]


@pytest.mark.parametrize(
    ("n_patients", "expected"), [(59, "sex"), (60, "sex+age"), (61, "sex+age")]
)
def test_joint_groups_keep_two_patients_per_fold(write_demographics, n_patients, expected):
    table = table_of(write_demographics, people(n_patients))
    assert stratification(table, table.cases, 5) == expected


@pytest.mark.parametrize(
    "useless",
    [
        [f"fake{i},fake{i},1,female,40" for i in range(30)],
        [f"half{i},half{i},0,female," for i in range(30)],
    ],
    ids=["synthetic", "unknown"],
)
def test_patients_whom_folds_cannot_deal_do_not_count(write_demographics, useless):
    table = table_of(write_demographics, [*people(59), *useless])
    assert stratification(table, table.cases, 5) == "sex"


def test_new_training_cases_that_no_fold_has_are_named(nnunet_folders, capsys):
    write_raw(nnunet_folders["nnUNet_raw"])
    raw = nnunet_folders["nnUNet_raw"] / NAME
    assert prepare_dataset(901, "sex", n_folds=2).warnings == []
    for i in range(2):
        shutil.copy(raw / "imagesTr/case_000_0000.png", raw / f"imagesTr/new_{i}_0000.png")
    with (raw / "demographics.csv").open("a") as file:
        file.write("new_0,n0,male,50\nnew_1,n1,female,60\n")
    (sentence,) = prepare_dataset(901, "sex", n_folds=2).warnings
    assert sentence.startswith("2 of 26 training cases are in no fold of ")
    assert "new_0, new_1. Make folds of all cases: nnUNetv2_fair_prepare -d 901 --ov" in sentence


def test_cases_that_lie_elsewhere_are_those_that_dataset_json_lists(folders):
    raw, _ = folders
    elsewhere = raw.parent / "shared"
    elsewhere.mkdir()
    listed = {}
    for i in range(24):
        image, label = f"case_{i:03d}_0000.png", f"case_{i:03d}.png"
        shutil.move(raw / "imagesTr" / image, elsewhere / image)
        shutil.move(raw / "labelsTr" / label, elsewhere / label)
        paths = {"images": [str(elsewhere / image)], "label": str(elsewhere / label)}
        listed[f"case_{i:03d}"] = paths
    content = json.loads((raw / "dataset.json").read_text())
    (raw / "dataset.json").write_text(json.dumps({**content, "dataset": listed}))
    done = prepare_dataset(901, "sex", n_folds=3)
    assert (len(done.train), len(done.test), done.kept) == (24, 6, False)
    validated = sorted(case for fold in done.folds for case in fold["val"])
    assert validated == sorted(listed)
    assert prepare_dataset(901, "sex").kept
    assert doctor._check_tables() == []
    # a case that is no longer listed is no longer there, whatever lies in the folder
    del listed["case_003"]
    (raw / "dataset.json").write_text(json.dumps({**content, "dataset": listed}))
    (problem,) = doctor._check_tables()
    assert "not among the training cases of the dataset: case_003; or make new folds" in problem
