"""nnU-Net's own check of a dataset is the reference for what the writer makes."""

from collections.abc import Callable
from pathlib import Path

import pytest

from nnunetv2_fair.cli.convert_image_folder import main
from nnunetv2_fair.dataset_conversion.writing.dataset_plan import DatasetDescription
from nnunetv2_fair.dataset_conversion.writing.writer import write_dataset
from tests.dataset_conversion.folders import environment, make_folder
from tests.dataset_conversion.image_folder.test_volumes import people, per_case, two_folders
from tests.dataset_conversion.writing.test_writer import Volume, job, plan_of

pytestmark = pytest.mark.slow  # nnU-Net imports torch in this process and in its workers


def verify(folder: Path, capfd: pytest.CaptureFixture[str]) -> str:
    from nnunetv2.experiment_planning.verify_dataset_integrity import verify_dataset_integrity

    verify_dataset_integrity(str(folder), 1)
    return capfd.readouterr().out


def test_pictures(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    raw = environment(monkeypatch, tmp_path)
    folder = make_folder(tmp_path / "data", 10)
    assert main(["-i", str(folder), "-d", "42", "-n", "Tiny", "-np", "1"]) == 0
    out = verify(raw / "Dataset042_Tiny", capfd)
    assert "NaturalImage2DIO" in out
    assert "verify_dataset_integrity Done" in out


@pytest.mark.parametrize(
    ("layout", "reader"),
    [
        (two_folders, "SimpleITKIO"),
        (lambda folder: two_folders(folder, "{}.nii", "{}.nii"), "NibabelIO"),
        (lambda folder: two_folders(folder, "{}.mhd", "{}_seg.nrrd"), "SimpleITKIO"),
        (per_case, "SimpleITKIO"),
    ],
)
def test_a_folder_of_volumes(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    layout: Callable[[Path], None],
    reader: str,
) -> None:
    raw = environment(monkeypatch, tmp_path)
    layout(tmp_path / "data")
    people(tmp_path / "data")
    assert main(["-i", str(tmp_path / "data"), "-d", "42", "-n", "Tiny", "-np", "1"]) == 0
    out = verify(raw / "Dataset042_Tiny", capfd)
    assert reader in out
    assert "verify_dataset_integrity Done" in out
    assert "Warning" not in out


def test_volumes_with_regions(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    raw = environment(monkeypatch, tmp_path)
    description = DatasetDescription(
        8,
        "Vol",
        ("T1", "CT"),
        {"background": 0, "whole": (1, 2, 3), "core": (2, 3), "enhancing": (3,)},
        ".nii.gz",
        regions_class_order=(1, 2, 3),
    )
    jobs = [job(f"v{i}", "train", Volume(i)) for i in range(3)]
    out = verify(write_dataset(plan_of(jobs, description), raw), capfd)
    assert "SimpleITKIO" in out
    assert "verify_dataset_integrity Done" in out
    assert "Warning" not in out
