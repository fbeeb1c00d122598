import shutil
from pathlib import Path

import numpy as np
import pytest
import SimpleITK

from nnunetv2_fair.cli.apply_breast_box import main
from nnunetv2_fair.cli.convert_MAMA_MIA import main as convert
from tests.dataset_conversion.factories.mama_mia import MiniDownload, make_download
from tests.dataset_conversion.folders import environment


@pytest.fixture
def download(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> MiniDownload:
    """A converted download, with predictions that mark the whole image."""
    raw = environment(monkeypatch, tmp_path)
    download = make_download(tmp_path / "MAMA-MIA")
    assert convert(["-i", str(download.folder), "-d", "60", "-np", "1"]) == 0
    (tmp_path / "predictions").mkdir()
    for path in (raw / "Dataset060_MAMA_MIA" / "labelsTs").iterdir():
        image = SimpleITK.ReadImage(str(path))
        everything = image * 0 + 1
        SimpleITK.WriteImage(everything, str(tmp_path / "predictions" / path.name))
    (tmp_path / "predictions" / "dataset.json").write_text("{}")
    return download


def apply(tmp_path: Path, *more: str) -> int:
    return main(["-i", str(tmp_path / "predictions"), "-o", str(tmp_path / "out"), *more])


@pytest.mark.parametrize("processes", ["1", "2"])
def test_only_the_box_is_left(
    download: MiniDownload, tmp_path: Path, capsys: pytest.CaptureFixture[str], processes: str
) -> None:
    assert apply(tmp_path, "-d", "60", "-np", processes) == 0
    out = capsys.readouterr().out
    removed = 0
    for name in ("NACT_04", "NACT_08"):
        patient = download.patients[name]
        expected = np.zeros(patient.shape, np.uint8)
        # as the challenge's sample submission: x is the first axis of the array
        (a, b), (c, d), (e, f) = patient.box
        expected[a:b, c:d, e:f] = 1
        image = SimpleITK.ReadImage(str(tmp_path / "out" / f"{name}.nii.gz"))
        assert np.array_equal(SimpleITK.GetArrayFromImage(image), expected)
        removed += int((expected == 0).sum())
    assert f"2 predictions, 2 of them changed, {removed} voxels became background" in out
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == [
        "NACT_04.nii.gz",
        "NACT_08.nii.gz",
        "manifest.json",
    ]


def test_patients_without_box(
    download: MiniDownload, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copy(tmp_path / "predictions/NACT_04.nii.gz", tmp_path / "predictions/other.nii.gz")
    assert apply(tmp_path, "-d", "60") == 1
    err = capsys.readouterr().err
    assert "has no box of 1 of the 3 cases" in err
    assert "other. To copy these as they are: --keep-without-box" in err
    assert not (tmp_path / "out").exists()
    assert apply(tmp_path, "-d", "60", "--keep-without-box") == 0
    assert "1 had no box and were copied unchanged: other" in capsys.readouterr().out
    copied = (tmp_path / "out/other.nii.gz").read_bytes()
    assert copied == (tmp_path / "predictions/other.nii.gz").read_bytes()


def test_predictions_on_another_grid(
    download: MiniDownload, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "predictions/NACT_04.nii.gz"
    SimpleITK.WriteImage(SimpleITK.ReadImage(str(path))[:-1], str(path))
    assert apply(tmp_path, "-d", "60") == 1
    err = capsys.readouterr().err
    assert (
        "NACT_04.nii.gz has 9 x 20 x 28 voxels, its box belongs to an image of 9 x 20 x 29" in err
    )
    assert sorted(p.name for p in tmp_path.iterdir() if "out" in p.name) == []


def test_usage(download: MiniDownload, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert apply(tmp_path) == 2
    assert "-d (dataset) or by --boxes (file)" in capsys.readouterr().err
    assert apply(tmp_path, "-d", "60", "--boxes", "x.json") == 2
    assert apply(tmp_path, "-d", "60", "-np", "0") == 2
    folder = str(tmp_path / "predictions")
    assert main(["-i", folder, "-o", folder, "-d", "60"]) == 2
    capsys.readouterr()
    assert apply(tmp_path, "--boxes", str(tmp_path / "x.json")) == 1
    assert "x.json does not exist. nnUNetv2_fair_convert_MAMA_MIA writes it" in (
        capsys.readouterr().err
    )
    assert apply(tmp_path, "-d", "60") == 0
    assert apply(tmp_path, "-d", "60") == 2
    assert "--overwrite" in capsys.readouterr().err
    assert apply(tmp_path, "-d", "60", "--overwrite") == 0
