"""Commands write nothing that is more widely readable than the tables of people they have read."""

import os
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from nnunetv2_fair.cli import (
    compare,
    convert_FairSeg,
    convert_image_folder,
    evaluate,
    prepare,
)
from nnunetv2_fair.dataset_conversion.mama_mia.table import read_clinical
from nnunetv2_fair.files.privacy import as_private_as_sources
from tests.dataset_conversion.factories.fairseg import RELEASES, write_download
from tests.evaluation.factories import make_dataset
from tests.nnunet_dataset import NAME, write_raw


@pytest.fixture
def place() -> Iterator[Path]:
    """A folder that everybody may enter: pytest's own are private."""
    with tempfile.TemporaryDirectory(dir="/var/tmp") as name:
        Path(name).chmod(0o755)
        before = os.umask(0o022)
        yield Path(name)
        assert os.umask(before) == 0o022


def readable(folder: Path) -> list[str]:
    """Files and folders in a folder that others can read, the folder's own permissions aside."""
    return sorted(
        path.relative_to(folder).as_posix()
        for path in folder.rglob("*")
        if path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO)
    )


def test_evaluations_and_comparisons(place: Path):
    dataset = make_dataset(place, n_patients=24, cases_per_patient=1)
    table = dataset.root / "demographics.csv"
    table.chmod(0o600)
    options = ("-a", "sex", "--bootstrap", "200", "-np", "1")
    for out in ("first", "second"):
        assert evaluate.main(dataset.arguments(out, *options, "--name", out)) == 0
        assert readable(place / out) == []
    table.chmod(0o644)
    folders = [str(place / "first"), str(place / "second")]
    assert compare.main([*folders, "-o", str(place / "compared")]) == 0
    assert readable(place / "compared") == []
    # what is about no person may be read by anybody, as it is meant to be
    table.chmod(0o600)
    assert evaluate.main(dataset.arguments("shared", *options, "--shareable")) == 0
    assert {"report.html", "summary.json"} <= set(readable(place / "shared"))
    shared = [*folders, "-o", str(place / "shared_comparison"), "--shareable"]
    assert compare.main(shared) == 0
    assert "comparison.html" in readable(place / "shared_comparison")
    # a table that everybody may read makes nothing private
    table.chmod(0o644)
    assert evaluate.main(dataset.arguments("open", *options)) == 0
    assert "per_case.csv" in readable(place / "open")


def test_prepared_tables(place: Path, monkeypatch: pytest.MonkeyPatch):
    for variable in ("nnUNet_raw", "nnUNet_preprocessed", "nnUNet_results"):
        (place / variable).mkdir()
        monkeypatch.setenv(variable, str(place / variable))
    write_raw(place / "nnUNet_raw")
    # a private folder, as converters write it for a private table
    (place / "nnUNet_raw").chmod(0o700)
    assert prepare.main(["-d", "901", "-a", "sex", "--folds", "2"]) == 0
    assert (place / "nnUNet_preprocessed" / NAME / "demographics.csv").exists()
    assert readable(place / "nnUNet_preprocessed") == []


def test_converted_datasets(place: Path, monkeypatch: pytest.MonkeyPatch):
    (place / "raw").mkdir()
    monkeypatch.setenv("nnUNet_raw", str(place / "raw"))
    rows = ["image,patient,sex"]
    for i in range(12):
        for part, value in (("images", 90), ("masks", 1)):
            (place / "original" / part).mkdir(parents=True, exist_ok=True)
            pixels = np.zeros((20, 24), np.uint8)
            pixels[5:15, 6:18] = value
            Image.fromarray(pixels).save(place / "original" / part / f"i{i:02d}.png")
        rows.append(f"i{i:02d},p{i},{'fm'[i % 2]}")
    table = place / "original" / "metadata.csv"
    table.write_text("\n".join(rows) + "\n")
    table.chmod(0o640)
    arguments = ["-i", str(place / "original"), "-d", "42", "-n", "Toy", "-a", "sex", "-np", "1"]
    assert convert_image_folder.main([*arguments, "--labels", "disc=1"]) == 0
    (dataset,) = (place / "raw").iterdir()
    assert stat.S_IMODE(dataset.stat().st_mode) == 0o750
    for name in ("demographics.csv", "demographics.json", "conversion_log.json"):
        assert stat.S_IMODE((dataset / name).stat().st_mode) == 0o640


def test_datasets_whose_images_say_whom_they_show(place: Path, monkeypatch: pytest.MonkeyPatch):
    (place / "raw").mkdir()
    monkeypatch.setenv("nnUNet_raw", str(place / "raw"))
    write_download(place / "FairSeg", range(1, 15), next(iter(RELEASES)))
    for file in (place / "FairSeg").rglob("*.npz"):
        file.chmod(0o600)
    assert convert_FairSeg.main(["-i", str(place / "FairSeg"), "-d", "45", "-np", "1"]) == 0
    assert readable(place / "raw") == []


def test_datasets_with_a_file_for_each_patient(place: Path):
    paths = {name: place / f"{name}.json" for name in ("DUKE_001", "DUKE_002")}
    for path in paths.values():
        path.write_text("{}")
    paths["DUKE_002"].chmod(0o600)
    with as_private_as_sources():
        read_clinical(None, paths)
        assert os.umask(0o077) == 0o077
