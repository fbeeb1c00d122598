import io
import json
import shlex

import pandas as pd
import pytest

from nnunetv2_fair.cli.prepare import main
from tests.conftest import SEX_AND_AGE
from tests.nnunet_dataset import NAME, write_raw


@pytest.fixture
def dataset(nnunet_folders):
    write_raw(nnunet_folders["nnUNet_raw"])
    return {
        "raw": nnunet_folders["nnUNet_raw"] / NAME,
        "preprocessed": nnunet_folders["nnUNet_preprocessed"] / NAME,
    }


def run(capsys, *arguments):
    code = main(list(arguments))
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def test_copies_the_table_and_writes_folds_by_patient(dataset, capsys):
    code, out, _ = run(capsys, "-d", "901", "-a", "sex", "--folds", "3")
    assert code == 0
    for name in ("demographics.csv", "demographics.json"):
        copied = (dataset["preprocessed"] / name).read_bytes()
        assert copied == (dataset["raw"] / name).read_bytes()
    folds = json.loads((dataset["preprocessed"] / "splits_final.json").read_text())
    table = pd.read_csv(dataset["raw"] / "demographics.csv").set_index("case")
    assert len(folds) == 3
    for fold in folds:
        assert not set(table.loc[fold["train"], "patient"]) & set(table.loc[fold["val"], "patient"])
        assert len(fold["train"]) + len(fold["val"]) == 24
    assert "24 training and 6 test cases of 15 patients" in out
    assert "sex is unknown for 4 cases" in out
    assert "secretpatient" not in out
    assert "Next: nnUNetv2_plan_and_preprocess -d 901" in out


def test_existing_folds_are_kept_unless_told(dataset, capsys):
    run(capsys, "-d", "901", "-a", "sex", "--folds", "2")
    splits = dataset["preprocessed"] / "splits_final.json"
    before = splits.read_bytes()
    code, out, _ = run(capsys, "-d", "901", "-a", "sex", "--folds", "3")
    assert code == 0
    assert splits.read_bytes() == before
    assert "exists and is kept (--overwrite replaces it)" in out
    run(capsys, "-d", "901", "-a", "sex", "--folds", "3", "--overwrite")
    assert len(json.loads(splits.read_text())) == 3


def test_existing_folds_that_leak_patients_are_reported(dataset, capsys):
    dataset["preprocessed"].mkdir()
    splits = dataset["preprocessed"] / "splits_final.json"
    splits.write_text(json.dumps([{"train": ["case_000"], "val": ["case_001"]}]))
    code, out, _ = run(capsys, "-d", "901", "-a", "sex")
    assert code == 0
    assert "1 patient in both its training and its validation part" in out
    splits.write_text(json.dumps([{"train": ["case_000"], "val": ["stranger"]}]))
    code, _, err = run(capsys, "-d", "901", "-a", "sex")
    assert code == 1
    assert "1 case is not in the demographics table" in err
    assert "stranger" in err
    splits.write_text("{")
    code, _, err = run(capsys, "-d", "901", "-a", "sex")
    assert code == 1
    assert "splits_final.json is not JSON" in err


def test_attributes_are_chosen_as_far_as_groups_stay_large(dataset, capsys):
    code, out, _ = run(capsys, "-d", "901", "--folds", "2")
    assert code == 0
    assert "stratified by sex." in out


def drop_last_row(raw):
    path = raw / "demographics.csv"
    path.write_text("".join(path.read_text().splitlines(keepends=True)[:-1]))


@pytest.mark.parametrize(
    ("damage", "arguments", "code", "message"),
    [
        (drop_last_row, [], 1, ": case_029"),
        (
            lambda raw: (raw / "imagesTr" / "case_003_0000.png").unlink(),
            [],
            1,
            "1 row names a case that",
        ),
        (lambda raw: (raw / "demographics.csv").unlink(), [], 1, "has no demographics.csv"),
        (
            lambda raw: (raw / "demographics.json").unlink(),
            [],
            1,
            "To write it: nnUNetv2_fair_prepare -d 901 --describe\n",
        ),
        (lambda raw: (raw / "dataset.json").write_text("{}"), [], 1, "file_ending"),
        (lambda raw: None, ["-a", "race"], 1, "no attribute 'race'. Attributes of this"),
        (lambda raw: None, ["--folds", "50"], 1, "50 folds cannot be made from 12 patients"),
        (lambda raw: None, ["-d", "77"], 1, "No dataset '77'"),
        (lambda raw: None, ["-d", "seven"], 1, "'seven' is not a dataset"),
    ],
)
def test_bad_input_changes_nothing(dataset, capsys, damage, arguments, code, message):
    damage(dataset["raw"])
    found, _, err = run(capsys, "-d", "901", *arguments)
    assert found == code
    assert message in err
    assert not dataset["preprocessed"].exists()


def test_missing_environment_variable_is_named(dataset, capsys, monkeypatch):
    monkeypatch.delenv("nnUNet_raw")
    code, _, err = run(capsys, "-d", "901")
    assert code == 1
    assert "nnUNet_raw is not set" in err


def test_attributes_without_groups_are_refused(dataset, capsys):
    schema = {"default": "age", "attributes": {"age": {"type": "numeric"}}}
    assert SEX_AND_AGE["attributes"].keys() > schema["attributes"].keys()
    (dataset["raw"] / "demographics.json").write_text(json.dumps(schema))
    code, _, err = run(capsys, "-d", "901")
    assert code == 1
    assert "no attribute forms groups" in err


def test_options_of_tables_are_those_of_evaluate(dataset, capsys):
    path = dataset["raw"] / "demographics.csv"
    raw = path.read_text()
    header, *rows = raw.splitlines()
    column = header.split(",").index("sex")
    cells = [row.split(",") for row in rows]
    short = {"female": "F", "male": "m", "": "n/a"}
    for row in cells:
        row[column] = short[row[column]]
    renamed = header.replace("case", "Case").replace("sex", "Gender")
    path.write_text("\n".join([renamed, *(",".join(row) for row in cells)]) + "\n")
    code, _, err = run(capsys, "-d", "901", "-a", "sex", "--folds", "3")
    assert code == 1
    options = shlex.split(err.split("them: " if "them: " in err else "it: ")[1].split(". Or")[0])
    assert options == ["--columns", "sex=Gender"]
    code, _, err = run(capsys, "-d", "901", "-a", "sex", "--folds", "3", *options)
    assert code == 1
    options += shlex.split(err.split("add to the command: ")[1])
    assert not dataset["preprocessed"].exists()
    code, out, _ = run(capsys, "-d", "901", "-a", "sex", "--folds", "3", *options)
    assert code == 0
    assert "sex is unknown for 4 cases" in out
    wanted = pd.read_csv(io.StringIO(raw), dtype=str, keep_default_na=False).set_index("case")
    written = dataset["preprocessed"] / "demographics.csv"
    found = pd.read_csv(written, dtype=str, keep_default_na=False).set_index("case")
    assert found["sex"].to_dict() == wanted["sex"].to_dict()
    assert found["patient"].to_dict() == wanted["patient"].to_dict()


def test_bins_of_the_command_are_written(dataset, capsys):
    code, _, _ = run(capsys, "-d", "901", "-a", "age", "--folds", "2", "--bins", "age=45")
    assert code == 0
    told = json.loads((dataset["preprocessed"] / "demographics.json").read_text())
    assert told["attributes"]["age"]["bins"]["labels"] == ["<45", ">=45"]
