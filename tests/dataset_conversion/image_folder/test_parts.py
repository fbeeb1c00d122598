from pathlib import Path

import pytest

from nnunetv2_fair.subgroups.table import read_dataset_table
from tests.dataset_conversion.folders import (
    json_of,
    write_csv,
)
from tests.dataset_conversion.image_folder.running import convert, refused


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
    assert "1 patient has cases in both training and test part: P2" in refused(
        folder, raw, capsys, "--split-column", "split"
    )


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
