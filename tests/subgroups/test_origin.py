"""A table that was changed after the preparation, and one that only looks so."""

import json

import pytest

from nnunetv2_fair.subgroups.origin import changed_since
from nnunetv2_fair.subgroups.prepare import prepare_dataset
from nnunetv2_fair.tables.settings import TableSettings
from tests.nnunet_dataset import NAME, write_raw


@pytest.fixture
def folders(nnunet_folders):
    write_raw(nnunet_folders["nnUNet_raw"])
    prepare_dataset(901, "sex", n_folds=2)
    return nnunet_folders["nnUNet_raw"] / NAME, nnunet_folders["nnUNet_preprocessed"] / NAME


def test_a_correction_is_seen_until_it_is_copied(folders):
    raw, preprocessed = folders
    assert changed_since(preprocessed) == []
    table = raw / "demographics.csv"
    table.write_text(table.read_text().replace("female", "male", 1))
    (sentence,) = changed_since(preprocessed)
    assert sentence.startswith(f"{table} or its dictionary has changed since the copy in")
    assert sentence.endswith("To copy it again: nnUNetv2_fair_prepare -d 901")
    prepare_dataset(901, "sex")
    assert changed_since(preprocessed) == []
    dictionary = json.loads((raw / "demographics.json").read_text())
    dictionary["attributes"]["age"]["bins"]["edges"] = [None, 40, 65, None]
    (raw / "demographics.json").write_text(json.dumps(dictionary))
    assert len(changed_since(preprocessed)) == 1


def test_what_a_spreadsheet_program_changes_is_no_change(folders):
    raw, preprocessed = folders
    table = raw / "demographics.csv"
    header, *rows = table.read_text().splitlines()
    quoted = [",".join(f'"{cell}"' for cell in row.split(",")) for row in reversed(rows)]
    table.write_bytes("\r\n".join(["\ufeff" + header, *quoted, ""]).encode())
    dictionary = raw / "demographics.json"
    dictionary.write_text(json.dumps(json.loads(dictionary.read_text()), indent=7))
    assert changed_since(preprocessed) == []


def test_options_of_the_preparation_are_no_change(folders):
    raw, preprocessed = folders
    table = raw / "demographics.csv"
    table.write_text(table.read_text().replace("female", "f"))
    prepare_dataset(901, "sex", reading=TableSettings(values={"sex": {"f": "female"}}))
    assert changed_since(preprocessed) == []


def test_nothing_is_said_where_nothing_is_known(folders, monkeypatch):
    raw, preprocessed = folders
    table = raw / "demographics.csv"
    table.write_text("spoiled")
    assert len(changed_since(preprocessed)) == 1
    monkeypatch.setenv("nnUNet_raw", "/nowhere")
    assert changed_since(preprocessed) == []
    monkeypatch.delenv("nnUNet_raw")
    assert changed_since(preprocessed) == []
    monkeypatch.setenv("nnUNet_raw", str(raw.parent))
    for content in ("[]", "{}", "{"):
        (preprocessed / "demographics_prepared.json").write_text(content)
        assert changed_since(preprocessed) == []
