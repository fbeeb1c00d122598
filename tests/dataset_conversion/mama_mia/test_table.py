import json
from pathlib import Path

import openpyxl
import pandas as pd
import pytest

from nnunetv2_fair.cropping.boxes import read_boxes
from nnunetv2_fair.subgroups.groups import group_cases
from nnunetv2_fair.subgroups.table import read_dataset_table
from tests.dataset_conversion.factories.mama_mia import (
    COLUMNS,
    MiniDownload,
    make_download,
)
from tests.dataset_conversion.folders import json_of
from tests.dataset_conversion.mama_mia.running import convert, refused, target_of


def test_demographics_follow_the_challenge(download: MiniDownload, raw: Path) -> None:
    assert convert(download) == 0
    table = read_dataset_table(target_of(raw))
    frame = table.frame
    names = list(download.patients)
    assert list(frame.loc[names, "menopausal_status"]) == [
        "pre", "post", "pre", "post", "pre", "", "pre", "post",
    ]  # fmt: skip
    assert list(frame.loc[names, "breast_density"]) == ["a", "b", "c", "d", "", "a", "b", "c"]
    assert list(frame.loc[names[:3], "manufacturer"]) == [
        "SIEMENS",
        "GE MEDICAL SYSTEMS",
        "SIEMENS",
    ]
    assert list(frame.loc[names[:3], "scanner_model"]) == ["Avanto", "Signa HDxt", "Skyra"]
    assert list(frame.loc[names[:3], "field_strength"]) == ["1.5", "3", "1.5"]
    assert list(frame.loc[names[:3], "site"]) == ["Site AAI", "", "Site AAB"]
    assert list(frame.loc[names, "ethnicity"])[:6] == [
        "caucasian", "african american", "asian", "hispanic", "hawaian", "",
    ]  # fmt: skip
    assert list(frame["dataset"].unique()) == ["DUKE", "ISPY1", "ISPY2", "NACT"]
    ages = group_cases(table, "age").group_of
    # the official script: pandas.cut with right-closed bins
    bins, labels = [0, 40, 50, 60, 70, 100], ["0-40", "41-50", "51-60", "61-70", "71+"]
    years = pd.Series({name: patient.age for name, patient in download.patients.items()})
    assert dict(pd.cut(years, bins=bins, labels=labels)) == {name: ages[name] for name in names}
    assert years["ISPY2_125003"] == 40.5
    assert ages["ISPY2_125003"] == "41-50"


def test_json_fills_what_the_table_lacks(
    download: MiniDownload, raw: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first, second, third = list(download.patients)[:3]
    for row in download.rows.values():
        del row["breast_density"]
    download.rows[first]["age"] = None
    download.rows[second]["age"] = 77.0
    download.write_table()
    content = json.loads(download.info(third).read_text())
    content["clinical_data"]["age"] = float("nan")  # json.dumps writes NaN, as pandas users do
    download.info(third).write_text(json.dumps(content))
    assert convert(download) == 0
    frame = read_dataset_table(target_of(raw)).frame
    assert frame.loc[first, "age"] == "34.5"
    assert frame.loc[second, "age"] == "77"
    assert frame.loc[third, "age"] == "40.5"
    assert frame.loc[first, "breast_density"] == "a"
    assert "json files disagree: age of 1 patient; the table's" in capsys.readouterr().out


def test_a_release_without_table_or_density(tmp_path: Path, raw: Path) -> None:
    download = make_download(tmp_path / "challenge")
    download.table.unlink()
    assert convert(download) == 0
    table = read_dataset_table(target_of(raw))
    assert "ethnicity" not in table.schema.attributes
    assert list(table.frame.loc["DUKE_001", ["age", "site", "field_strength"]]) == [
        "34.5", "Site AAI", "1.5",
    ]  # fmt: skip
    official = make_download(tmp_path / "official", variant="official")
    assert convert(official, "--overwrite") == 0
    table = read_dataset_table(target_of(raw))
    assert "breast_density" not in table.schema.attributes
    notes = json_of(target_of(raw) / "conversion_log.json")["notes"]
    assert "'breast_density' is not used: this release has no values for it" in notes


def test_bad_cells(download: MiniDownload, raw: Path, capsys: pytest.CaptureFixture[str]) -> None:
    download.rows["DUKE_001"]["age"] = "45Y"
    download.rows["ISPY1_1002"]["menopausal_status"] = "unsure"
    download.rows["ISPY2_125003"]["breast_density"] = "e"
    download.rows["NACT_04"]["field_strength"] = "high"
    download.rows["DUKE_005"]["age"] = 430
    download.write_table()
    out = refused(download, raw, capsys)
    assert (
        "clinical_and_imaging_info.xlsx, line 2, patient 'DUKE_001': age is '45Y', expected a "
        "number of years from 0 to 120; correct it, or empty it if it is unknown"
    ) in out
    assert "menopausal_status is 'unsure', expected a text with pre, peri or post" in out
    assert "breast_density is 'e', expected a, b, c or d" in out
    assert "field_strength is 'high', expected a number (tesla)" in out
    assert "age is '430'" in out
    assert out.rstrip().endswith("To read the table so, add to the command: --dicom-age age")


def test_texts_that_mean_unknown(
    download: MiniDownload, raw: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = "Above categories  not applicable AND age < 50"
    download.rows["ISPY1_1002"]["menopausal_status"] = text
    download.write_table()
    remedy = "--unknown 'Above categories not applicable AND age < 50'"
    assert remedy in refused(download, raw, capsys)
    assert convert(download, "--unknown", text.upper()) == 0
    table = pd.read_csv(target_of(raw) / "demographics.csv", index_col="patient")
    # what says nothing leaves the word to the json file
    assert table.loc["ISPY1_1002", "menopausal_status"] == "post"


def test_rows_of_one_patient(
    download: MiniDownload, raw: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    same = dict(download.rows["DUKE_001"], patient_id="duke_001")
    other = dict(download.rows["NACT_04"], age=80, site="Site X")
    empty = dict(download.rows["NACT_04"], patient_id=None)
    download.rows |= {"again": same}
    download.write_table()
    assert convert(download, "--dry-run") == 0
    assert "1 row listed twice, used once" in capsys.readouterr().out
    download.rows |= {"differs": other, "empty": empty}
    download.write_table()
    out = refused(download, raw, capsys)
    differing = "line 5 says otherwise about the same patient (age, site)"
    assert f"line 11, patient 'NACT_04': {differing}" in out
    assert "keep one of the two rows" in out
    assert "line 12: patient_id is empty" in out


def test_tables_that_are_none(
    download: MiniDownload, raw: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    download.write_table(["age", "site"])
    out = refused(download, raw, capsys)
    assert (
        "clinical_and_imaging_info.xlsx has no column 'patient_id'. Columns found: age, site" in out
    )
    download.table.write_text("no zip archive")
    assert "is not readable as XLSX" in refused(download, raw, capsys)


def test_lists(download: MiniDownload, raw: Path, capsys: pytest.CaptureFixture[str]) -> None:
    names = list(download.patients)
    download.write_splits(names[:5], names[4:])
    out = refused(download, raw, capsys)
    assert "train_test_splits.csv: 1 patient is in both lists: DUKE_005" in out
    path = download.folder / "train_test_splits.csv"
    path.write_text("train,test\nDUKE_001,NACT_04\n")
    out = refused(download, raw, capsys)
    assert "has no column 'train_split'. Columns found: train, test" in out
    path.unlink()
    out = refused(download, raw, capsys)
    assert "has no train_test_splits.csv with the official parts" in out
    assert "--test-ratio 0.2" in out
    download.write_splits([n.lower() for n in names[:6]], [n.lower() for n in names[6:]])
    assert convert(download) == 0


def test_unreadable_tables_are_listed_with_what_is_missing(
    download: MiniDownload, raw: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    download.table.write_bytes(download.table.read_bytes()[:500])
    (download.folder / "train_test_splits.csv").unlink()
    download.expert("ISPY1_1002").unlink()
    out = refused(download, raw, capsys)
    for text in (
        "clinical_and_imaging_info.xlsx is not readable as XLSX",
        "has no train_test_splits.csv with the official parts",
        "1 patient, no expert mask: ISPY1_1002",
    ):
        assert text in out
    assert "no row in the table" not in out  # nobody knows


def test_patients_of_the_lists_who_are_nowhere_else(
    download: MiniDownload, raw: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    names = list(download.patients)
    download.write_splits([*names[:6], "DUKE_900"], [*names[6:], "NACT_99"])
    assert "2 patients, no image: DUKE_900, NACT_99" in refused(download, raw, capsys)
    assert convert(download, "--unpaired", "skip") == 0
    log = json_of(target_of(raw) / "conversion_log.json")
    assert log["skipped_by_group"]["no image"]["age"] == {"unknown": 2}


def test_numbers_of_phases_that_a_csv_holds_as_decimals(
    download: MiniDownload, raw: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    names = [name for name in COLUMNS if name != "menopause"]
    lines = [",".join(names)]
    for row in download.rows.values():
        cells = {**row, "num_phases": f"{row['num_phases']}.0", "site": ""}
        lines.append(",".join(f'"{cells[name] or ""}"' for name in names))
    download.table.with_suffix(".csv").write_text("\n".join(lines))
    download.table.unlink()
    download.image("DUKE_001", 2).unlink()  # the last of its three
    out = refused(download, raw, capsys)
    assert "1 patient, a phase that the table counts is not there: DUKE_001" in out


def test_boxes_without_numbers_are_none(
    download: MiniDownload, raw: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = download.info("ISPY1_1002")
    content = json.loads(path.read_text())
    content["primary_lesion"]["breast_coordinates"] = dict.fromkeys(
        content["primary_lesion"]["breast_coordinates"]
    )
    path.write_text(json.dumps(content))
    assert convert(download) == 0
    assert "1 patient has no breast box: ISPY1_1002" in capsys.readouterr().out
    assert "ISPY1_1002" not in read_boxes(target_of(raw) / "breast_boxes.json")


def test_options_of_tables(download: MiniDownload, raw: Path, capsys) -> None:
    book = openpyxl.load_workbook(download.table)
    sheet = book["dataset_info"]
    header = {cell.value: cell.column for cell in sheet[1]}
    for row in range(2, sheet.max_row + 1):
        cell = sheet.cell(row, header["age"])
        cell.value = None if cell.value is None else f"0{int(cell.value)} y"
        group = sheet.cell(row, header["ethnicity"])
        group.value = "C" if group.value == "caucasian" else group.value
    sheet.cell(1, header["age"]).value = "Age at MRI"
    book.save(download.table)
    named = ("--columns", "age=age at mri")
    error = refused(download, raw, capsys, *named)
    assert "To accept ages like this one: --dicom-age age" in error
    options = (*named, "--dicom-age", "age", "--values", "ethnicity", "C=caucasian", "--bins",
               "age=50")  # fmt: skip
    assert convert(download, *options) == 0
    table = read_dataset_table(target_of(raw))
    assert table.schema["age"].groups == ("<50", ">=50")
    assert "caucasian" in table.schema["ethnicity"].levels
    assert "c" not in table.schema["ethnicity"].levels
    ages = table.frame["age"]
    assert ages[ages != ""].astype(float).between(18, 100).all()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--columns", "Age=x"), r"--columns Age: expected some of patient, age"),
        (("--values", "colour", "a=b"), r"--values colour: expected some of age"),
        (("--bins", "site=1"), r"--bins site: expected some of age"),
        (("--dicom-age", "site"), r"--dicom-age site: expected some of age"),
    ],
)
def test_options_of_attributes_that_do_not_exist(
    download: MiniDownload, capsys, options: tuple[str, ...], message: str
) -> None:
    assert convert(download, *options) == 2
    assert message in capsys.readouterr().err
