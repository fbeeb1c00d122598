import shutil
from pathlib import Path

import pytest

from nnunetv2_fair.cli.convert_MAMA_MIA import main
from tests.dataset_conversion.factories.mama_mia import (
    MiniDownload,
)
from tests.dataset_conversion.folders import json_of
from tests.dataset_conversion.mama_mia.running import convert, refused, target_of


def test_examinations_without_a_phase_are_left_out_and_counted(
    download: MiniDownload, raw: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert convert(download, "--phases", "1,3") == 0
    short = [name for name, patient in download.patients.items() if patient.n_phases < 4]
    assert short == ["DUKE_001", "NACT_04", "ISPY2_125007"]
    content = json_of(target_of(raw) / "conversion_log.json")
    reason = "the examination has no phase 3"
    assert {(e["item"], e["reason"]) for e in content["skipped"]} == {(n, reason) for n in short}
    groups = content["skipped_by_group"][reason]
    assert groups["dataset"] == {"DUKE": 1, "ISPY2": 1, "NACT": 1}
    assert groups["age"] == {"0-40": 1, "41-50": 1, "51-60": 1}
    assert f"Left out, {reason}: 3" in capsys.readouterr().out


def test_wrong_folders(
    download: MiniDownload, raw: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def message(folder: Path) -> str:
        assert main(["-i", str(folder), "-d", "60"]) == 1
        return capsys.readouterr().err

    assert "absent does not exist or is not a folder (-i)" in message(tmp_path / "absent")
    out = message(download.folder / "segmentations")
    assert "it has no folder images, no folder segmentations/expert, no table clinical" in out
    assert "Found there: automatic/, expert/. Name the folder that holds" in out
    assert f"Did you mean its folder MAMA-MIA (-i {download.folder})?" in message(tmp_path)
    assert f"Name the folder above it (-i {download.folder})" in message(download.folder / "images")
    packed = tmp_path / "packed"
    packed.mkdir()
    (packed / "images.zip").touch()
    assert "Unpack images.zip first" in message(packed)
    assert not raw.exists()


def test_partial_downloads(
    download: MiniDownload, raw: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.rmtree(download.image("DUKE_001", 0).parent)
    download.expert("ISPY1_1002").unlink()
    download.image("ISPY2_125003", 1).unlink()
    del download.rows["NACT_04"]
    download.info("NACT_04").unlink()
    download.write_table()
    names = list(download.patients)
    download.write_splits(names[5:], names[:4])
    out = refused(download, raw, capsys)
    for text in (
        "1 patient, no image: DUKE_001. Complete the download, or leave such patients out with "
        "--unpaired skip",
        "1 patient, no expert mask: ISPY1_1002",
        "1 patient, a phase that the table counts is not there: ISPY2_125003",
        "1 patient, no row in the table: NACT_04",
        "1 patient, in none of the official lists: DUKE_005",
    ):
        assert text in out
    assert convert(download, "--unpaired", "skip") == 0
    content = json_of(target_of(raw) / "conversion_log.json")
    assert content["counts"]["patients converted"] == 3
    assert content["skipped_by_group"]["no image"]["dataset"] == {"DUKE": 1}
    assert content["skipped_by_group"]["no row in the table"]["age"] == {"unknown": 1}


def test_files_of_two_cases(
    download: MiniDownload, raw: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = download.image("DUKE_001", 1)
    shutil.copy(path, path.with_name("DUKE_001_0001.nii.gz"))
    shutil.copy(path, path.with_name("DUKE_009_0001.nii.gz"))
    shutil.copytree(path.parent, path.parent.with_name("duke_001"))
    shutil.copy(download.expert("NACT_04"), download.expert("NACT_04").with_name("nact_04.nii.gz"))
    (path.parent / "._duke_001_0001.nii.gz").write_bytes(b"\0")  # macOS
    out = refused(download, raw, capsys)
    assert (
        "images/DUKE_001 holds both DUKE_001_0001.nii.gz and duke_001_0001.nii.gz; keep one" in out
    )
    assert "images/DUKE_001/DUKE_009_0001.nii.gz is in the folder of another patient" in out
    assert "images holds both DUKE_001 and duke_001; keep one folder" in out
    assert "expert holds both NACT_04.nii.gz and nact_04.nii.gz; keep one" in out
    assert "._duke" not in out
