import os
import re
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import openpyxl
import pytest

from nnunetv2_fair.cli.convert_image_folder import main
from nnunetv2_fair.dataset_conversion.image_folder.plan import (
    ImageFolderSettings,
    plan_image_folder,
)
from nnunetv2_fair.dataset_conversion.shared.pictures import MaskRules
from nnunetv2_fair.subgroups.table import read_dataset_table
from tests.dataset_conversion.folders import (
    edit_table,
    environment,
    image_of,
    json_of,
    make_folder,
    mask_of,
    pixels_of,
    save,
    write_csv,
)
from tests.dataset_conversion.writing.test_writer import tree


@pytest.fixture
def raw(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    return environment(monkeypatch, tmp_path)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return make_folder(tmp_path / "data")


def convert(folder: Path, *more: str, processes: str = "1") -> int:
    return main(["-i", str(folder), "-d", "42", "-n", "Tiny", "-np", processes, *more])


def refused(folder: Path, raw: Path, capsys: pytest.CaptureFixture[str], *more: str) -> str:
    """Convert, expect one message and no trace on disk, and return the message."""
    assert convert(folder, *more) == 1
    assert not raw.exists() or not list(raw.iterdir())
    return capsys.readouterr().err


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


def test_groups_keep_their_shares_in_the_test_part(folder: Path, raw: Path) -> None:
    assert convert(folder, "--test-ratio", "0.3", "--seed", "5", "-a", "sex") == 0
    groups = json_of(raw / "Dataset042_Tiny" / "conversion_log.json")["groups"]["sex"]
    assert groups["test"]["male"] in (2, 3)  # 7 of 20 are male
    assert groups["test"]["female"] in (3, 4)


@pytest.mark.parametrize("seed", range(6))
def test_groups_of_the_default_attribute_come_first(folder: Path, raw: Path, seed: int) -> None:
    rows = [(f"p{i:02d}", "fm"[i % 2], "B" if i in (0, 1, 2, 4) else "A") for i in range(20)]
    write_csv(folder / "metadata.csv", ("image", "sex", "site"), rows)
    assert convert(folder, "--default", "site", "--test-ratio", "0.25", "--seed", str(seed)) == 0
    groups = json_of(raw / "Dataset042_Tiny" / "conversion_log.json")["groups"]
    assert groups["site"]["test"] == {"A": 4, "B": 1}  # of 16 and 4


def test_the_same_seed_gives_the_same_dataset_with_more_processes(
    folder: Path, raw: Path, tmp_path: Path
) -> None:
    assert convert(folder, "--seed", "3") == 0
    assert convert(folder, "--seed", "3", "-o", str(tmp_path / "other"), processes="2") == 0
    assert tree(raw) == tree(tmp_path / "other")


def test_dry_run_writes_nothing_and_says_what_it_would(
    folder: Path, raw: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert convert(folder, "--dry-run") == 0
    assert not raw.exists()
    out = capsys.readouterr().out
    assert "train: 16 cases of 16 patients" in out
    assert "sex, test: female " in out
    assert f"Would be written to {raw / 'Dataset042_Tiny'}:" in out
    assert "imagesTr, labelsTr: 16 cases as .png: p" in out
    assert "Nothing was written" in out


def test_dry_run_lists_problems_of_data_and_target_at_once(
    folder: Path, raw: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (raw / "Dataset042_Other").mkdir(parents=True)
    before = tree(raw.parent)
    assert convert(folder, "--dry-run") == 1
    assert "id 42 is taken by Dataset042_Other" in capsys.readouterr().err
    (folder / "masks" / "p03.png").unlink()
    (folder / "images" / "p05.png").write_bytes(b"no picture")
    del before["data/masks/p03.png"], before["data/images/p05.png"]
    assert convert(folder, "--dry-run") == 1
    error = capsys.readouterr().err
    assert "id 42 is taken by Dataset042_Other" in error
    assert "image without mask: p03.png" in error
    assert "p05.png" in error
    after = tree(raw.parent)
    del after["data/images/p05.png"]
    assert after == before


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


def test_patients_stay_together(folder: Path, raw: Path) -> None:
    for i in range(20):
        for kind in ("images", "masks"):
            (folder / kind / f"p{i:02d}.png").rename(folder / kind / f"P{i // 4}_{i % 4}.png")
    rows = [(f"P{i // 4}_{i % 4}", "fm"[i // 4 % 2]) for i in range(20)]
    write_csv(folder / "metadata.csv", ("image", "sex"), rows)
    assert convert(folder, "--patient-from-name", "^([^_]+)_", "--test-ratio", "0.4") == 0
    target = raw / "Dataset042_Tiny"
    assert set(read_dataset_table(target).patients.values()) == {f"P{i}" for i in range(5)}
    parts = {
        part: {path.name[:2] for path in (target / part).iterdir()}
        for part in ("imagesTr", "imagesTs")
    }
    assert len(parts["imagesTs"]) == 2
    assert not parts["imagesTr"] & parts["imagesTs"]


def test_rows_per_patient_reach_all_their_images(folder: Path, raw: Path) -> None:
    for i in range(20):
        name = f"{10 + i // 4}{'_' if i < 12 else '-'}{i % 4}.png"
        for kind in ("images", "masks"):
            (folder / kind / f"p{i:02d}.png").rename(folder / kind / name)
    # 1 must not take the images of 10 to 14
    rows = [(10 + i, "female" if i % 2 else "male", 40 + i) for i in range(5)]
    write_csv(folder / "metadata.csv", ("patient", "sex", "age"), rows)
    assert convert(folder, "--table-per", "patient", "--test-ratio", "0.4") == 0
    frame = read_dataset_table(raw / "Dataset042_Tiny").frame
    assert list(frame.loc["13-2", ["patient", "sex", "age"]]) == ["13", "female", "43"]
    write_csv(folder / "metadata.csv", ("patient", "sex", "age"), [(1, "male", 3), *rows])
    assert convert(folder, "--table-per", "patient", "--overwrite") == 1


def test_images_belong_to_the_patient_with_the_longest_fitting_name(
    folder: Path, raw: Path
) -> None:
    names = ["7_1", "7_2", "7_a_1", "7-3", "71_1", *(f"8_{i}" for i in range(15))]
    for i, name in enumerate(names):
        for kind in ("images", "masks"):
            (folder / kind / f"p{i:02d}.png").rename(folder / kind / f"{name}.png")
    rows = [("7", "male"), ("7_a", "female"), ("8", "male")]
    write_csv(folder / "metadata.csv", ("patient", "sex"), rows)
    more = ("--table-per", "patient", "--test-ratio", "0", "--unpaired", "skip")
    assert convert(folder, *more) == 0
    target = raw / "Dataset042_Tiny"
    patients = read_dataset_table(target).patients
    assert {case: patients.get(case) for case in names[:5]} == {
        "7_1": "7",
        "7_2": "7",
        "7_a_1": "7_a",
        "7-3": "7",
        "71_1": None,  # the table does not know patient 71
    }


def test_a_column_names_the_test_part(folder: Path, raw: Path) -> None:
    rows = [(f"p{i:02d}.png", "fm"[i % 2], "test" if i in (3, 8) else "train") for i in range(20)]
    write_csv(folder / "metadata.csv", ("image", "sex", "split"), rows)
    assert convert(folder, "--split-column", "split") == 0
    target = raw / "Dataset042_Tiny"
    assert sorted(p.name for p in (target / "imagesTs").iterdir()) == [
        "p03_0000.png",
        "p08_0000.png",
    ]
    assert list(read_dataset_table(target).schema.attributes) == ["sex"]


def test_a_patient_in_both_named_parts_is_refused(
    folder: Path, raw: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [(f"p{i:02d}", f"P{i // 2}", "f", "test" if i == 5 else "train") for i in range(20)]
    write_csv(folder / "metadata.csv", ("image", "patient", "sex", "split"), rows)
    assert "1 patients have cases in both training and test part: P2" in refused(
        folder, raw, capsys, "--split-column", "split"
    )


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


def test_images_and_masks_in_one_folder(tmp_path: Path, raw: Path) -> None:
    folder = tmp_path / "busi"
    for i in range(10):
        save(folder / "all" / f"benign ({i}).png", image_of(i))
        save(folder / "all" / f"benign ({i})_mask.png", mask_of(i))
    rows = [(f"benign ({i}).png", "fm"[i % 2]) for i in range(10)]
    write_csv(folder / "metadata.csv", ("image", "sex"), rows)
    assert convert(folder, "--images", "all", "--masks", "all", "--suffix-mask", "_mask") == 0
    assert read_dataset_table(raw / "Dataset042_Tiny").cases == [f"benign_{i}" for i in range(10)]


def test_synthetic_images_never_reach_the_test_part(folder: Path, raw: Path) -> None:
    rows = [(f"p{i:02d}", "fm"[i % 2], int(i >= 10)) for i in range(20)]
    write_csv(folder / "metadata.csv", ("image", "sex", "synthetic"), rows)
    assert convert(folder, "--test-ratio", "0.5") == 0
    target = raw / "Dataset042_Tiny"
    synthetic = read_dataset_table(target).synthetic_cases
    assert len(synthetic) == 10
    test = {path.name[:3] for path in (target / "imagesTs").iterdir()}
    assert len(test) == 5
    assert not test & synthetic


# Bad input: the message names file, case and remedy, and nothing is written.


def test_missing_duplicate_and_unknown_rows(
    folder: Path, raw: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    edit_table(folder, {"p04.png": "p99.png", "p06.png": "p05.png"})
    error = refused(folder, raw, capsys)
    assert "image without row in the table: p04.png, p06.png" in error
    assert "row of the table without image: line 6, image 'p99.png'" in error
    assert "line 8: image 'p05.png' already stands in line 7; keep one of the two rows" in error
    assert "metadata.csv" in error
    assert "--unpaired skip" in error


def test_the_same_image_under_two_spellings(
    folder: Path, raw: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    edit_table(folder, {"p06.png": "images/p05"})
    error = refused(folder, raw, capsys)
    assert "line 8, image 'images/p05': the same image already stands in line 7" in error


def test_images_without_mask_and_masks_without_image(
    folder: Path, raw: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "masks/p02.png").unlink()
    (folder / "images/p03.png").unlink()
    error = refused(folder, raw, capsys)
    assert "image without mask: p02.png. Add the files to masks, or leave" in error
    assert "mask without image: p03.png" in error
    assert "row of the table without image: line 5, image 'p03.png'" in error


def test_unpaired_files_are_left_out_on_request_and_counted_by_group(
    folder: Path, raw: Path
) -> None:
    for i in (2, 3, 4):
        (folder / "masks" / f"p{i:02d}.png").unlink()
    assert convert(folder, "--unpaired", "skip") == 0
    log = json_of(raw / "Dataset042_Tiny" / "conversion_log.json")
    assert [entry["item"] for entry in log["skipped"]] == ["p02.png", "p03.png", "p04.png"]
    assert log["skipped_by_group"]["image without mask"]["sex"] == {"female": 2, "male": 1}
    assert (log["counts"]["images found"], log["counts"]["images converted"]) == (20, 17)


def test_a_suffix_that_was_forgotten_is_offered(
    folder: Path, raw: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for path in sorted((folder / "masks").iterdir()):
        path.rename(path.with_name(f"{path.stem}_seg.png"))
    assert "--suffix-mask _seg" in refused(folder, raw, capsys)
    assert convert(folder, "--suffix-mask", "_seg") == 0


def test_several_things_at_once(
    folder: Path, raw: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    edit_table(folder, {",female,40": ",female,?", ",male,48": ",male,999"})
    save(folder / "masks/p01.png", mask_of(1).T)
    save(folder / "images/p02.png", np.dstack([image_of(2), image_of(3), image_of(4)]))
    (folder / "images/p03.png").write_bytes((folder / "images/p03.png").read_bytes()[:200])
    error = refused(folder, raw, capsys)
    assert "metadata.csv, line 7, image 'p05.png': '?' is not a number" in error
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


@pytest.mark.parametrize("cell", ["../p03.png", "/etc/passwd", "..\\p03.png", "C:\\p03.png"])
def test_cells_that_lead_out_of_the_folder(
    folder: Path, raw: Path, capsys: pytest.CaptureFixture[str], cell: str
) -> None:
    edit_table(folder, {"p03.png": cell})
    error = refused(folder, raw, capsys)
    assert f"line 5, image '{cell}': leads out of the folder images" in error


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
    assert "Dataset042_Tiny exists already" in capsys.readouterr().err
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
    error = refused(folder, raw, capsys, "--masks", "labels")
    assert "has no table" in error
    assert "people.csv" in error
    assert "--table" in error
    assert "-i" in refused(folder / "nowhere", raw, capsys)


def test_too_large_for_the_disk(
    folder: Path, raw: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    error = refused(folder, raw, capsys, "--resize", "900000", "900000")
    assert "GiB free; the dataset may need up to" in error


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (("--label-map", "255"), "--label-map 255: expected the form name=value"),
        (("--label-map", "255=x"), "255=x: expected an integer"),
        (("--label-map", "lungs=1"), "names go to --labels"),
        (("--labels", "a=1", "a=2"), "'a' is given twice"),
        (("--label-map", "255=1", "--threshold", "127"), "exclude each other"),
        (("--bins", "age=fifty"), "age=50,65"),
        (("--range", "age=5"), "--range age"),
        (("--values", "sex=F"), "expected an attribute and pairs"),
        (("--columns", "nowhere.json"), "nowhere.json"),
        (("--test-ratio", "1"), "--test-ratio 1"),
        (("--patient-from-name", "("), "no regular expression"),
        (("--patient-from-name", "abc"), "parentheses"),
        (("--masks", "images"), "--suffix-mask"),
        (("-np", "0"), "-np 0"),
    ],
)
def test_wrong_usage_is_told_from_wrong_data(
    folder: Path,
    raw: Path,
    capsys: pytest.CaptureFixture[str],
    flags: tuple[str, ...],
    message: str,
) -> None:
    arguments = ["-i", str(folder), "-d", "42", "-n", "Tiny", *flags]
    assert main(arguments) == 2
    assert message in capsys.readouterr().err
    assert not raw.exists()


def test_nothing_heavy_is_imported(folder: Path, raw: Path) -> None:
    code = (
        "import sys; from nnunetv2_fair.cli.convert_image_folder import main; "
        f"code = main(['-i', {str(folder)!r}, '-d', '42', '-n', 'Tiny', '-np', '1']); "
        "heavy = {'torch', 'nnunetv2', 'SimpleITK', 'sklearn', 'scipy'} & set(sys.modules); "
        "sys.exit(str(heavy) if heavy else code)"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=Path(__file__).parents[2]
    )
    assert result.returncode == 0, result.stderr


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


def _wait_for(count: int, folder: Path, process: subprocess.Popen[bytes]) -> None:
    end = time.monotonic() + 60
    while time.monotonic() < end and process.poll() is None:
        if len(list(folder.glob("*.json"))) >= count:
            return
        time.sleep(0.002)
    pytest.fail("the conversion ended before it could be killed")


@pytest.mark.parametrize("processes", ["1", "2"])
def test_killed_and_run_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, processes: str
) -> None:
    folder = tmp_path / "data"
    rows = []
    for i in range(60):  # large enough that writing them takes a while
        save(folder / "images" / f"p{i:02d}.png", image_of(i, 500, 700), compress_level=0)
        save(folder / "masks" / f"p{i:02d}.png", mask_of(i, 1, 500, 700))
        rows.append((f"p{i:02d}.png", "fm"[i % 2]))
    write_csv(folder / "metadata.csv", ("image", "sex"), rows)
    raw = environment(monkeypatch, tmp_path)
    command = [sys.executable, "-m", "nnunetv2_fair.cli.convert_image_folder"]
    command += ["-i", str(folder), "-d", "42", "-n", "Tiny", "-np", processes]
    root = Path(__file__).parents[2]
    process = subprocess.Popen(command, cwd=root, stderr=subprocess.DEVNULL)
    work = raw / ".Dataset042_Tiny.partial"
    _wait_for(5, work / "records", process)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert not (raw / "Dataset042_Tiny").exists()
    time.sleep(0.5)  # workers notice that the command is gone
    done = {path.stem: path.stat().st_mtime_ns for path in (work / "records").glob("*.json")}
    assert 5 <= len(done) < 60
    kept = {
        path.name: path.stat().st_mtime_ns
        for path in (work / "dataset").glob("images*/*.png")
        if path.name[:3] in done
    }
    assert convert(folder) == 0
    target = raw / "Dataset042_Tiny"
    for path in target.glob("images*/*.png"):
        assert kept.get(path.name, path.stat().st_mtime_ns) == path.stat().st_mtime_ns
    assert [path.name for path in raw.iterdir()] == ["Dataset042_Tiny"]
    assert convert(folder, "-o", str(tmp_path / "fresh")) == 0
    assert tree(target) == tree(tmp_path / "fresh" / "Dataset042_Tiny")
    shutil.rmtree(tmp_path / "fresh")
