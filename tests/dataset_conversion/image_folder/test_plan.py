import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import openpyxl
import pytest

from nnunetv2_fair.dataset_conversion.image_folder.plan import (
    ImageFolderSettings,
    plan_image_folder,
)
from nnunetv2_fair.dataset_conversion.shared.pictures import MaskRules
from nnunetv2_fair.subgroups.table import read_dataset_table
from tests.dataset_conversion.folders import (
    edit_table,
    image_of,
    json_of,
    make_folder,
    mask_of,
    pixels_of,
    save,
)
from tests.dataset_conversion.image_folder.running import convert, refused
from tests.dataset_conversion.writing.test_writer import tree


def test_a_folder_becomes_a_dataset(folder: Path, raw: Path) -> None:
    assert convert(folder, "--bins", "age=50,65", "--labels", "lungs=1") == 0
    target = raw / "Dataset042_Tiny"
    table = read_dataset_table(target)
    assert len(table.cases) == 20
    assert table.schema.default == "sex"
    assert table.schema["age"].groups == ("<50", "50-<65", ">=65")
    assert list(table.frame.loc["p03", ["patient", "sex", "age"]]) == ["p03", "male", "36"]
    train = sorted(path.name[:3] for path in (target / "imagesTr").iterdir())
    test = sorted(path.name[:3] for path in (target / "imagesTs").iterdir())
    assert sorted(train + test) == table.cases
    assert len(test) == 4
    for case, part in [(train[0], "Tr"), (test[0], "Ts")]:
        number = int(case[1:])
        image = pixels_of(target / f"images{part}" / f"{case}_0000.png")
        assert np.array_equal(image, image_of(number))
        assert np.array_equal(pixels_of(target / f"labels{part}" / f"{case}.png"), mask_of(number))
    content = json_of(target / "dataset.json")
    assert content["labels"] == {"background": 0, "lungs": 1}
    assert content["numTraining"] == 16
    log = json_of(target / "conversion_log.json")
    assert log["counts"]["images converted"] == 20
    assert log["settings"]["bins"] == {"age": [50.0, 65.0]}
    assert str(folder.parent) not in (target / "conversion_log.txt").read_text(encoding="utf-8")


def test_the_same_seed_gives_the_same_dataset_with_more_processes(
    folder: Path, raw: Path, tmp_path: Path
) -> None:
    assert convert(folder, "--seed", "3") == 0
    assert convert(folder, "--seed", "3", "-o", str(tmp_path / "other"), processes="2") == 0
    assert tree(raw) == tree(tmp_path / "other")


def test_a_map_of_columns_in_a_file_and_an_excel_table(folder: Path, raw: Path) -> None:
    (folder / "metadata.csv").unlink()
    book = openpyxl.Workbook()
    book.active.append(["filename", "subject", "Gender", "Age", "hospital"])
    for i in range(20):
        book.active.append([f"images/p{i:02d}.png", f"S{i // 2}", "FM"[i % 2], 30 + i, "A"])
    book.save(folder / "list.xlsx")
    columns = folder / "columns.json"
    columns.write_text('{"image": "filename", "patient": "subject", "sex": "Gender"}')
    assert (
        convert(
            folder, "--table", "list.xlsx", "--columns", str(columns), "-a", "sex", "-a", "age",
            "--values", "sex", "F=female", "M=male",
        )
        == 0
    )  # fmt: skip
    table = read_dataset_table(raw / "Dataset042_Tiny")
    columns = ["patient", "synthetic", "sex", "age"]
    assert list(table.frame.loc["p05", columns]) == ["S2", "0", "male", "35"]
    assert list(table.schema.attributes) == ["sex", "age"]


def test_resizing_mapping_and_colours(folder: Path, raw: Path) -> None:
    for i in range(20):
        save(
            folder / "images" / f"p{i:02d}.png", np.dstack([image_of(i), image_of(99), image_of(7)])
        )
        save(folder / "masks" / f"p{i:02d}.png", mask_of(i, 255))
    more = ("--color", "rgb", "--label-map", "255=1", "--resize", "10", "15", "--test-ratio", "0")
    assert convert(folder, *more) == 0
    target = raw / "Dataset042_Tiny"
    assert pixels_of(target / "imagesTr/p03_0000.png").shape == (10, 15, 3)
    assert set(np.unique(pixels_of(target / "labelsTr/p03.png"))) == {0, 1}
    assert json_of(target / "dataset.json")["channel_names"] == {"0": "R", "1": "G", "2": "B"}
    assert not (target / "imagesTs").exists()


def test_several_things_at_once(
    folder: Path, raw: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    edit_table(folder, {",female,40": ",female,??", ",male,48": ",male,999"})
    save(folder / "masks/p01.png", mask_of(1).T)
    save(folder / "images/p02.png", np.dstack([image_of(2), image_of(3), image_of(4)]))
    (folder / "images/p03.png").write_bytes((folder / "images/p03.png").read_bytes()[:200])
    error = refused(folder, raw, capsys)
    assert "metadata.csv, line 7, image 'p05.png': '??' is not a number" in error
    assert "metadata.csv, line 11, image 'p09.png': '999' is outside the plausible range" in error
    assert "images/p01.png has 20 rows and 28 columns, masks/p01.png has 28 and 20" in error
    assert "images/p02.png is in colour, but grey was promised" in error
    assert "--color rgb" in error
    assert "images/p03.png cannot be read" in error
    assert len(re.findall(r"^  - ", error, re.MULTILINE)) == 5


def test_0_255_masks_are_refused_with_the_flag_that_works(
    tmp_path: Path, raw: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = make_folder(tmp_path / "white", value=255)
    error = refused(folder, raw, capsys)
    assert "masks/p00.png holds the values 0, 255 (and 19 other masks are alike)" in error
    flags = re.search(r"Map the values: (--label-map 255=1)$", error, re.MULTILINE)
    assert flags is not None
    assert convert(folder, *flags[1].split()) == 0


def test_jpeg_masks_need_a_threshold(
    folder: Path, raw: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for i in range(20):
        (folder / "masks" / f"p{i:02d}.png").unlink()
        save(folder / "masks" / f"p{i:02d}.jpg", mask_of(i, 255), quality=95)
    assert "masks/p00.jpg is a JPEG" in refused(folder, raw, capsys)
    assert convert(folder, "--threshold", "127") == 0
    target = raw / "Dataset042_Tiny"
    found = pixels_of(next((target / "labelsTr").glob("p01.png"), target / "labelsTs/p01.png"))
    assert (found == mask_of(1)).mean() > 0.99


def test_hostile_names_become_safe_ones_and_stay_apart(folder: Path, raw: Path) -> None:
    names = ["患者 一", "患者 二", "a b", "Zoë; rm -rf $HOME", "-d", "x" * 200, "CON(1)"]
    for i, name in enumerate(names):
        for kind in ("images", "masks"):
            (folder / kind / f"p{i:02d}.png").rename(folder / kind / f"{name}.png")
    edit_table(folder, {f"p{i:02d}.png": f"{name}.png" for i, name in enumerate(names)})
    assert convert(folder, "--test-ratio", "0") == 0
    target = raw / "Dataset042_Tiny"
    cases = read_dataset_table(target).cases
    assert len(set(cases)) == 20
    assert all(re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", case) for case in cases)
    renamed = json_of(target / "conversion_log.json")["renamed"]
    assert renamed["Zoë; rm -rf $HOME"] == "Zoe_rm_-rf_HOME"
    assert set(renamed) == set(names)
    for i, name in enumerate(names):
        written = pixels_of(target / "imagesTr" / f"{renamed[name]}_0000.png")
        assert np.array_equal(written, image_of(i))


def test_names_that_would_become_one_are_refused(
    folder: Path, raw: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for kind in ("images", "masks"):
        (folder / kind / "p00.png").rename(folder / kind / "a b.png")
        (folder / kind / "p01.png").rename(folder / kind / "a_b.png")
    edit_table(folder, {"p00.png": "a b.png", "p01.png": "a_b.png"})
    error = refused(folder, raw, capsys)
    assert "'a b' and 'a_b' would all become case 'a_b'; rename" in error


def test_windows_1252_byte_order_mark_and_semicolons(
    folder: Path, raw: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = folder / "metadata.csv"
    text = path.read_text(encoding="utf-8").replace("female", "weiblich").replace(",male", ",männl")
    path.write_bytes(text.encode("cp1252"))
    error = refused(folder, raw, capsys)
    assert "metadata.csv, line 2" in error
    assert "CSV UTF-8" in error
    path.write_bytes(b"\xef\xbb\xbf" + text.replace(",", ";").encode())
    assert convert(folder) == 0
    levels = read_dataset_table(raw / "Dataset042_Tiny").schema["sex"].levels
    assert levels == ("männl", "weiblich")


def test_an_existing_dataset_is_kept(
    folder: Path, raw: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert convert(folder) == 0
    before = tree(raw)
    assert convert(folder) == 1
    assert "Dataset042_Tiny already exists" in capsys.readouterr().err
    assert tree(raw) == before
    assert convert(folder, "--test-ratio", "0", "--overwrite") == 0
    assert tree(raw) != before


def test_absent_folders_and_tables_list_what_is_there(
    folder: Path, raw: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "masks").rename(folder / "labels")
    error = refused(folder, raw, capsys)
    assert "no folder 'masks'. Folders found: images, labels" in error
    assert "--masks" in error
    (folder / "metadata.csv").rename(folder / "people.csv")
    (folder / "scanners.csv").write_text("a,b\n1,2\n")
    error = refused(folder, raw, capsys, "--masks", "labels")
    assert "has several tables" in error
    assert "people.csv" in error
    assert "--table" in error
    assert "-i" in refused(folder / "nowhere", raw, capsys)


def test_too_large_for_the_disk(
    folder: Path, raw: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    error = refused(folder, raw, capsys, "--resize", "900000", "900000")
    assert "GiB free; the dataset may need up to" in error


@pytest.mark.parametrize(
    "change",
    [
        {"size": (10, 14)},
        {"color": "to-grey"},
        {"rules": MaskRules(threshold=0)},
    ],
    ids=["size", "color", "rules"],
)
def test_cases_of_other_settings_are_not_taken_for_done(
    folder: Path, change: dict[str, Any]
) -> None:
    settings = ImageFolderSettings(folder, 42, "Tiny")
    first = {job.case: job.fingerprint for job in plan_image_folder(settings).jobs}
    assert {job.case: job.fingerprint for job in plan_image_folder(settings).jobs} == first
    save(folder / "images" / "p03.png", image_of(77))
    again = {job.case: job.fingerprint for job in plan_image_folder(settings).jobs}
    assert [case for case in first if first[case] != again[case]] == ["p03"]
    other = {j.case: j.fingerprint for j in plan_image_folder(replace(settings, **change)).jobs}
    assert not set(other.values()) & set(again.values())
