from pathlib import Path

import pytest

from nnunetv2_fair.dataset_conversion.image_folder.plan import (
    ImageFolderSettings,
    plan_image_folder,
)
from nnunetv2_fair.errors import ConversionError
from nnunetv2_fair.subgroups.table import read_dataset_table
from tests.dataset_conversion.folders import (
    edit_table,
    image_of,
    json_of,
    mask_of,
    save,
    write_csv,
)
from tests.dataset_conversion.image_folder.running import convert, refused


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


def test_images_and_masks_in_one_folder(tmp_path: Path, raw: Path) -> None:
    folder = tmp_path / "busi"
    for i in range(10):
        save(folder / "all" / f"benign ({i}).png", image_of(i))
        save(folder / "all" / f"benign ({i})_mask.png", mask_of(i))
    rows = [(f"benign ({i}).png", "fm"[i % 2]) for i in range(10)]
    write_csv(folder / "metadata.csv", ("image", "sex"), rows)
    assert convert(folder, "--images", "all", "--masks", "all", "--suffix-mask", "_mask") == 0
    assert read_dataset_table(raw / "Dataset042_Tiny").cases == [f"benign_{i}" for i in range(10)]


def test_missing_duplicate_and_unknown_rows(
    folder: Path, raw: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    edit_table(folder, {"p04.png": "p99.png", "p06.png": "p05.png"})
    error = refused(folder, raw, capsys)
    assert "image without row in the table: p04.png, p06.png" in error
    assert "row of the table without image: line 6, image 'p99.png'" in error
    assert "line 8: image 'p05.png' already appears on line 7; keep one of the two rows" in error
    assert "metadata.csv" in error
    assert "--unpaired skip" in error


def test_the_same_image_under_two_spellings(
    folder: Path, raw: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    edit_table(folder, {"p06.png": "images/p05"})
    error = refused(folder, raw, capsys)
    assert "line 8, image 'images/p05': the same image already appears on line 7" in error


def test_images_without_mask_and_masks_without_image(
    folder: Path, raw: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "masks/p02.png").unlink()
    (folder / "images/p03.png").unlink()
    error = refused(folder, raw, capsys)
    assert (
        "image without mask: p02.png. The mask of p00 is called p00 or p00_mask, p00_seg" in error
    )
    assert "and the like (other ends: --suffix-mask). Add the files to masks, or leave" in error
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
        path.rename(path.with_name(f"{path.stem}_drawing.png"))
    assert "--suffix-mask _drawing" in refused(folder, raw, capsys)
    assert convert(folder, "--suffix-mask", "_drawing") == 0


@pytest.mark.parametrize("cell", ["../p03.png", "/etc/passwd", "..\\p03.png", "C:\\p03.png"])
def test_cells_that_lead_out_of_the_folder(
    folder: Path, raw: Path, capsys: pytest.CaptureFixture[str], cell: str
) -> None:
    edit_table(folder, {"p03.png": cell})
    error = refused(folder, raw, capsys)
    assert f"line 5, image '{cell}': leads out of the folder images" in error


def test_a_name_in_two_folders_decides_nothing(
    folder: Path, raw: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for part in ("left", "right"):
        for kind, picture in (("images", image_of(3)), ("masks", mask_of(3))):
            save(folder / kind / part / "q.png", picture)
    edit_table(folder, {"p19.png": "q.png"})
    error = refused(folder, raw, capsys)
    assert "row of the table without image: line 21, image 'q.png'" in error
    assert "image without row in the table: q.png, p19.png, q.png" in error


def test_a_name_in_one_folder_below_is_found(folder: Path, raw: Path) -> None:
    for kind in ("images", "masks"):
        (folder / kind / "left").mkdir()
        (folder / kind / "p05.png").rename(folder / kind / "left" / "p05.png")
    assert convert(folder, "--test-ratio", "0") == 0
    frame = read_dataset_table(raw / "Dataset042_Tiny").frame
    assert list(frame.loc["left__p05", ["sex", "age"]]) == ["female", "40"]


def test_a_path_that_leads_nowhere_is_not_found_by_its_name(
    folder: Path, raw: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    edit_table(folder, {"p05.png": "left/p05.png"})
    error = refused(folder, raw, capsys)
    assert "row of the table without image: line 7, image 'left/p05.png'" in error
    assert "image without row in the table: p05.png" in error


def test_an_image_with_two_masks_is_refused(folder: Path) -> None:
    save(folder / "masks" / "p05_mask.png", mask_of(6))
    settings = ImageFolderSettings(folder, 42, "Tiny", mask_suffixes=("_mask", ""))
    with pytest.raises(
        ConversionError, match=r"image 'p05.png' has 2 masks: p05_mask.png, p05.png; remove all"
    ):
        plan_image_folder(settings)
