from pathlib import Path

import pytest

from tests.dataset_conversion.factories.mama_mia import (
    COLUMNS,
    MiniDownload,
    Variant,
    make_download,
)
from tests.dataset_conversion.folders import json_of
from tests.dataset_conversion.mama_mia.running import convert, target_of


@pytest.mark.parametrize("variant", ["official", "challenge"])
def test_both_releases_become_the_same_dataset(tmp_path: Path, raw: Path, variant: Variant) -> None:
    download = make_download(tmp_path / variant, variant=variant)
    assert len(COLUMNS) == 49
    assert convert(download) == 0
    target = target_of(raw)
    train = [name for i, name in enumerate(download.patients) if i % 4 != 3]
    test = [name for i, name in enumerate(download.patients) if i % 4 == 3]
    for part, names in (("Tr", train), ("Ts", test)):
        for name in names:
            for phase in range(3):
                written = target / f"images{part}" / f"{name}_{phase:04d}.nii.gz"
                assert written.read_bytes() == download.image(name, phase).read_bytes()
            labels = target / f"labels{part}" / f"{name}.nii.gz"
            assert labels.read_bytes() == download.expert(name).read_bytes()
            copied = target / f"automatic{part}" / f"{name}.nii.gz"
            assert copied.read_bytes() == download.automatic(name).read_bytes()
        assert len(list((target / f"images{part}").iterdir())) == 3 * len(names)
    content = json_of(target / "dataset.json")
    assert content["channel_names"] == {"0": "DCE_phase_0", "1": "DCE_phase_1", "2": "DCE_phase_2"}
    assert content["labels"] == {"background": 0, "tumour": 1}
    assert content["licence"].startswith("CC BY-NC 4.0")
    assert content["reference"] == "https://doi.org/10.7303/syn60868042"
    assert (target / "breast_boxes.json").exists() == (variant == "challenge")


def test_one_phase(download: MiniDownload, raw: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in download.patients:
        download.image(name, 0).unlink()  # only the phase that is asked for is there
    assert convert(download, "--phases", "1") == 0
    target = target_of(raw)
    written = target / "imagesTr/DUKE_001_0000.nii.gz"
    assert written.read_bytes() == download.image("DUKE_001", 1).read_bytes()
    assert json_of(target / "dataset.json")["channel_names"] == {"0": "DCE_phase_1"}
    assert "outlined" not in capsys.readouterr().out
    assert convert(download, "--phases", "2", "--overwrite") == 0
    assert "outlined on phase 1, which is not among the channels" in capsys.readouterr().out


def test_own_test_part(download: MiniDownload, raw: Path) -> None:
    (download.folder / "train_test_splits.csv").unlink()
    assert convert(download, "--test-ratio", "0.25", "--seed", "3") == 0
    assert len(list((target_of(raw) / "labelsTs").iterdir())) == 2


def test_two_processes_write_the_same(tmp_path: Path, raw: Path) -> None:
    download = make_download(tmp_path / "MAMA-MIA", n=17)
    assert convert(download, "--isotropic") == 0
    one = {p: p.read_bytes() for p in target_of(raw).rglob("*.nii.gz")}
    assert convert(download, "--isotropic", "--overwrite", "-np", "2") == 0
    assert one == {p: p.read_bytes() for p in target_of(raw).rglob("*.nii.gz")}


def test_an_existing_dataset_is_kept(
    download: MiniDownload, raw: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert convert(download) == 0
    before = (target_of(raw) / "demographics.csv").stat().st_mtime_ns
    assert convert(download, "--phases", "1") == 1
    assert "already exists" in capsys.readouterr().err
    assert convert(download, "-n", "Other") == 1
    assert "id 60 is taken by Dataset060_MAMA_MIA" in capsys.readouterr().err
    assert (target_of(raw) / "demographics.csv").stat().st_mtime_ns == before


def test_no_path_of_this_machine_gets_into_the_dataset(
    download: MiniDownload, raw: Path, tmp_path: Path
) -> None:
    assert convert(download) == 0
    for path in target_of(raw).iterdir():
        if path.is_file():
            assert str(tmp_path) not in path.read_text(encoding="utf-8"), path.name
