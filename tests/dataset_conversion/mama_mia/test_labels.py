"""``--labels automated``: what models are trained on, and what stays the experts'."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from nnunetv2_fair.cli import prepare
from tests.dataset_conversion.factories.mama_mia import MiniDownload, make_download
from tests.dataset_conversion.folders import environment
from tests.dataset_conversion.mama_mia.running import array_of, convert, refused, target_of


@pytest.fixture
def raw(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    return environment(monkeypatch, tmp_path)


@pytest.fixture
def download(tmp_path: Path) -> MiniDownload:
    return make_download(tmp_path / "MAMA-MIA", n=16)


@pytest.mark.parametrize("more", [(), ("--isotropic",), ("--test-ratio", "0.25")])
def test_the_twin_of_the_experts_dataset(
    download: MiniDownload,
    raw: Path,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    more: tuple[str, ...],
) -> None:
    monkeypatch.setenv("nnUNet_preprocessed", str(tmp_path / "nnUNet_preprocessed"))
    (tmp_path / "nnUNet_preprocessed").mkdir()
    assert convert(download, *more) == 0
    assert convert(download, "--labels", "automated", "-n", "Auto", "-d", "61", *more) == 0
    expert, twin = target_of(raw), raw / "Dataset061_Auto"
    for path in sorted(expert.glob("*/*.nii.gz")):
        place = {"labelsTr": "expertTr", "automaticTr": "labelsTr"}.get(
            path.parent.name, path.parent.name
        )
        assert (twin / place / path.name).read_bytes() == path.read_bytes(), path
    assert not (twin / "automaticTr").exists()
    assert not (twin / "expertTs").exists(), "test labels are the experts' already"
    differs = [
        not np.array_equal(array_of(expert / "labelsTr" / p.name), array_of(p))
        for p in (twin / "labelsTr").iterdir()
    ]
    assert any(differs)
    tables = [pd.read_csv(folder / "demographics.csv") for folder in (expert, twin)]
    assert tables[0].equals(tables[1])
    assert "labels_from" not in json.loads((expert / "dataset.json").read_text())
    assert json.loads((twin / "dataset.json").read_text())["labels_from"]["training"] == (
        "segmentations/automatic"
    )
    for number in ("60", "61"):
        assert prepare.main(["-d", number, "-a", "age", "--folds", "2"]) == 0
    folds = sorted((tmp_path / "nnUNet_preprocessed").glob("*/splits_final.json"))
    assert len({path.read_text() for path in folds}) == 1


def test_training_patients_without_an_automatic_mask(
    download: MiniDownload, raw: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    names = list(download.patients)
    download.automatic(names[0]).unlink()
    download.automatic(names[3]).unlink()  # of the test part: its mask is not needed
    text = refused(download, raw, capsys, "--labels", "automated")
    assert f"1 patient, no automatic mask to train on: {names[0]}. Complete the download" in text
    assert convert(download, "--labels", "automated", "--unpaired", "skip") == 0
    log = json.loads((target_of(raw) / "conversion_log.json").read_text())
    assert log["skipped"] == [{"item": names[0], "reason": "no automatic mask to train on"}]
    assert (target_of(raw) / "labelsTs" / f"{names[3]}.nii.gz").exists()


def test_a_damaged_automatic_mask_is_refused(
    download: MiniDownload, raw: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = download.automatic(next(iter(download.patients)))
    path.write_bytes(path.read_bytes()[:-20])
    assert path.name in refused(download, raw, capsys, "--labels", "automated")
