from collections.abc import Sequence
from pathlib import Path

import numpy as np
import openpyxl
import pytest

from nnunetv2_fair.cli.convert_QDUS import main
from nnunetv2_fair.subgroups.groups import group_cases
from nnunetv2_fair.subgroups.table import read_dataset_table
from tests.dataset_conversion.folders import (
    environment,
    image_of,
    json_of,
    mask_of,
    pixels_of,
    save,
    write_csv,
)

CASES = ("101", "102", "103", "110", "1101", "201", "202", "203", "204", "205")
SEXES = ("F", "M", "Female", "male", "女", "男", "f", "m", "", "female")
AGES = ("45Y", "050Y", "49", "50", "77", "", "12Y", "600M", "31", "64")


@pytest.fixture
def raw(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    return environment(monkeypatch, tmp_path)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Ten cases of two images each, a row per case, masks of 0 and 200."""
    folder = tmp_path / "qdus"
    for i, case in enumerate(CASES):
        for view in (1, 2):
            stem = f"{case}_{view}"
            colour = np.dstack([image_of(i), image_of(i + view), image_of(i)])
            save(folder / "images" / f"{stem}.png", colour)
            save(folder / "masks" / f"{stem}_mask.png", mask_of(i, 200))
    write_table(folder, SEXES)
    return folder


def write_table(folder: Path, sexes: Sequence[str]) -> None:
    rows = zip(CASES, sexes, AGES, strict=True)
    write_csv(folder / "metadata.csv", ("case_id", "Sex", "Age"), rows)


def convert(folder: Path, *more: str) -> int:
    return main(["-i", str(folder), "-d", "43", "-np", "1", *more])


def test_rows_per_case_reach_the_images_of_the_case(folder: Path, raw: Path) -> None:
    assert convert(folder) == 0
    target = raw / "Dataset043_QDUS"
    frame = read_dataset_table(target).frame
    assert len(frame) == 20
    assert list(frame.loc["1101_2", ["patient", "sex", "age"]]) == ["1101", "female", "77"]
    assert list(frame.loc["110_1", ["patient", "sex", "age"]]) == ["110", "male", "50"]
    assert frame.loc["101_1", "age"] == "45"
    assert frame.loc["203_1", "age"] == "50"  # 600 months
    assert frame.loc["201_1", "sex"] == "male"  # 男
    assert frame.loc["204_2", "sex"] == ""  # unknown stays unknown
    groups = group_cases(read_dataset_table(target), "age").group_of
    assert groups["103_1"] == "<50"
    assert groups["102_1"] == ">=50"
    assert groups["201_1"] is None


def test_pictures_become_grey_and_masks_binary(folder: Path, raw: Path) -> None:
    assert convert(folder, "--test-ratio", "0") == 0
    target = raw / "Dataset043_QDUS"
    assert json_of(target / "dataset.json")["labels"] == {"background": 0, "nodule": 1}
    expected = np.dstack([image_of(2), image_of(3), image_of(2)]) @ [0.299, 0.587, 0.114]
    assert np.abs(pixels_of(target / "imagesTr/103_1_0000.png") - expected).max() < 1
    assert np.array_equal(pixels_of(target / "labelsTr/103_1.png"), mask_of(2))


def test_cases_stay_together(folder: Path, raw: Path) -> None:
    assert convert(folder) == 0  # 7:3, as in the paper
    target = raw / "Dataset043_QDUS"
    train, test = (
        {path.name.split("_")[0] for path in (target / part).iterdir()}
        for part in ("imagesTr", "imagesTs")
    )
    assert len(test) == 3
    assert not train & test


def test_rows_per_image_from_excel_with_other_folder_names(folder: Path, raw: Path) -> None:
    (folder / "images").rename(folder / "image")
    (folder / "masks").rename(folder / "mask")
    (folder / "metadata.csv").unlink()
    book = openpyxl.Workbook()
    book.active.append(["case_id", "image", "Sex", "Age"])
    for i, case in enumerate(CASES):
        for view in (1, 2):
            book.active.append([int(case), f"{case}_{view}.png", "FM"[i % 2], 40 + i])
    book.save(folder / "metadata.xlsx")
    assert convert(folder) == 0
    frame = read_dataset_table(raw / "Dataset043_QDUS").frame
    assert list(frame.loc["102_2", ["patient", "sex", "age"]]) == ["102", "male", "41"]


def test_an_empty_image_column_leaves_rows_to_cases(folder: Path, raw: Path) -> None:
    rows = [(case, "", sex, age) for case, sex, age in zip(CASES, SEXES, AGES, strict=True)]
    write_csv(folder / "metadata.csv", ("case_id", "image", "Sex", "Age"), rows)
    assert convert(folder) == 0
    frame = read_dataset_table(raw / "Dataset043_QDUS").frame
    assert list(frame.loc["1101_2", ["patient", "sex", "age"]]) == ["1101", "female", "77"]


def test_rows_of_one_case_must_agree_on_sex(
    folder: Path, raw: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [(case, f"{case}_{view}.png", "FM"[i % 2], 40 + i + view)
            for i, case in enumerate(CASES) for view in (1, 2)]  # fmt: skip
    rows[1] = (*rows[1][:2], "M", 42)
    rows[3] = (*rows[3][:2], "", 43)
    write_csv(folder / "metadata.csv", ("case_id", "image", "Sex", "Age"), rows)
    assert convert(folder) == 1
    error = capsys.readouterr().err
    assert "'sex' differs between images of the same patient for 1 patient: 101." in error
    assert "Correct these rows" in error
    rows[1] = (*rows[1][:2], "F", 42)
    write_csv(folder / "metadata.csv", ("case_id", "image", "Sex", "Age"), rows)
    assert convert(folder) == 0


def test_blurred_jpeg_masks_are_cut_at_127(folder: Path, raw: Path) -> None:
    for i, case in enumerate(CASES):
        (folder / "masks" / f"{case}_1_mask.png").unlink()
        save(folder / "masks" / f"{case}_1.jpg", mask_of(i, 255), quality=75)
    assert convert(folder, "--test-ratio", "0") == 0
    found = pixels_of(raw / "Dataset043_QDUS/labelsTr/101_1.png")
    assert (found == mask_of(0)).mean() > 0.99


def test_unpaired_files_are_listed_and_images_and_cases_counted_apart(
    folder: Path, raw: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "masks" / "101_1_mask.png").unlink()
    (folder / "images" / "102_1.png").unlink()
    save(folder / "images" / "999_1.png", image_of(3))
    save(folder / "masks" / "999_1.png", mask_of(3))
    assert convert(folder) == 0
    assert "Left out, image without row in the table: 1 (999_1.png)" in capsys.readouterr().out
    log = json_of(raw / "Dataset043_QDUS" / "conversion_log.json")
    assert {(entry["reason"], entry["item"]) for entry in log["skipped"]} == {
        ("image without mask", "101_1.png"),
        ("mask without image", "102_1_mask.png"),
        ("image without row in the table", "999_1.png"),
    }
    assert log["skipped_by_group"]["image without mask"]["sex"] == {"female": 1}
    assert log["counts"] == {
        "images found": 20,
        "masks found": 20,
        "rows in the table": 10,
        "images converted": 18,
        "patients converted": 10,
    }


def test_what_is_absent_is_named_at_once_and_no_other_flags(
    folder: Path, raw: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("images", "masks"):
        (folder / name).rename(folder / f"other_{name}")
    (folder / "metadata.csv").rename(folder / "people.txt")
    assert convert(folder) == 1
    error = capsys.readouterr().err
    found = "Folders found: other_images, other_masks. Rename the right one."
    assert f"has no folder 'images' or 'image'. {found}" in error
    assert f"has no folder 'masks' or 'mask'. {found}" in error
    assert "Files found: people.txt. Name the right one with --table." in error


def test_masks_of_other_names_are_to_be_renamed(
    folder: Path, raw: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for path in (folder / "masks").iterdir():
        path.rename(path.with_name(path.name.replace("_mask", "_seg")))
    assert convert(folder) == 1
    error = capsys.readouterr().err
    assert "seem to end in '_seg': rename them to end in '_mask'" in error


def test_empty_masks_name_their_folder(
    folder: Path, raw: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for path in (folder / "masks").iterdir():
        save(path, mask_of(0, 0))
    assert convert(folder) == 1
    assert "all 20 masks hold nothing but 0" in (error := capsys.readouterr().err)
    assert "Is 'masks' the folder of the masks?" in error


def test_numbers_for_sex_need_a_map(
    folder: Path, raw: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_table(folder, "0101010101")
    assert convert(folder) == 1
    error = capsys.readouterr().err
    assert "metadata.csv, line 2, patient '101': '0' is not a level of 'sex'" in error
    assert "--values sex" in error
    assert not raw.exists()
    assert convert(folder, "--values", "sex", "0=female", "1=male") == 0
    frame = read_dataset_table(raw / "Dataset043_QDUS").frame
    assert frame.loc["101_1", "sex"] == "female"


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("45Y", "45Q", "line 2, patient '101': '45Q' is not a number"),
        (",49", ",-49", "line 4, patient '103': '-49' is outside the plausible range"),
        (",49", ",999", "'999' is outside the plausible range of 'age' (0 to 120 years)"),
        (",Female", ",Femal", "line 4, patient '103': 'Femal' is not a level of 'sex'"),
        ("\n103,", "\n102,", "line 4: patient '102' already appears on line 3"),
        ("case_id", "Fall", "no column 'case_id', which says whose images a row describes"),
        ("case_id", "Fall", "Columns found: Fall, Sex, Age. Name it: --columns case_id=<column>"),
        (",Sex", ",Geschlecht", "no column 'sex' for the attribute 'sex'"),
    ],
)
def test_bad_tables_name_line_case_and_cell(
    folder: Path, raw: Path, capsys: pytest.CaptureFixture[str], old: str, new: str, message: str
) -> None:
    path = folder / "metadata.csv"
    text = path.read_bytes().decode()
    text = text.replace("\r\n", "\n")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")
    assert convert(folder) == 1
    assert message in capsys.readouterr().err
    assert not raw.exists()


def test_columns_of_other_names(folder: Path, raw: Path) -> None:
    path = folder / "metadata.csv"
    text = path.read_text(encoding="utf-8").replace("case_id,Sex,Age", "Fall,Geschlecht,Alter")
    path.write_text(text, encoding="utf-8")
    assert convert(folder, "--columns", "case_id=Fall", "sex=Geschlecht", "age=Alter") == 0
    assert len(read_dataset_table(raw / "Dataset043_QDUS").cases) == 20
