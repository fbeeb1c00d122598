from pathlib import Path

import pytest

from tests.dataset_conversion.factories.mama_mia import (
    MiniDownload,
    make_download,
)
from tests.dataset_conversion.folders import environment
from tests.dataset_conversion.mama_mia.running import convert, refused


@pytest.fixture
def raw(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    return environment(monkeypatch, tmp_path)


@pytest.fixture
def download(tmp_path: Path) -> MiniDownload:
    return make_download(tmp_path / "MAMA-MIA")


def test_dry_run_writes_nothing(
    download: MiniDownload, raw: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert convert(download, "--dry-run") == 0
    out = capsys.readouterr().out
    assert "imagesTr, labelsTr, automaticTr: 6 cases as .nii.gz" in out
    assert "breast_boxes.json" in out
    assert not raw.exists()
    broken = download.image("ISPY1_1002", 2)
    broken.write_bytes(broken.read_bytes()[:-30])
    assert "case 'ISPY1_1002'" in refused(download, raw, capsys, "--dry-run")


@pytest.mark.parametrize(
    ("phases", "message"),
    [("1,1", "--phases 1,1: expected different numbers"), ("one", "--phases one: expected numbers"),
     ("-1", "expected different numbers from 0 on")],
)  # fmt: skip
def test_phases_that_mean_nothing(
    download: MiniDownload, raw: Path, capsys: pytest.CaptureFixture[str], phases: str, message: str
) -> None:
    assert convert(download, f"--phases={phases}") == 2
    assert message in capsys.readouterr().err
    assert convert(download, "--test-ratio", "1") == 2
