from pathlib import Path

import numpy as np
import pytest

from tests.dataset_conversion.factories.ukbb_cmr import (
    build,
    save,
)
from tests.dataset_conversion.folders import environment
from tests.dataset_conversion.ukbb_cmr.running import PEOPLE, convert


@pytest.fixture
def raw(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    return environment(monkeypatch, tmp_path)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Twelve participants, White and Black in turn."""
    build(tmp_path / "data", PEOPLE)
    return tmp_path / "data"


def test_dry_run_writes_nothing_not_even_the_map(
    root: Path, raw: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert convert(root, "--dry-run") == 0
    assert not raw.exists()
    assert not (root / "map.csv").exists()
    assert "imagesTr, labelsTr: 18 cases as .nii.gz" in capsys.readouterr().out
    path = root / "images" / PEOPLE[0].eid / "sa_ED.nii.gz"
    path.write_bytes(path.read_bytes()[:-900])
    save(root / "images" / PEOPLE[1].eid / "sa_ED.nii.gz", np.zeros((5, 36, 44), np.int16), "x")
    (raw / "Dataset045_Other").mkdir(parents=True)
    assert convert(root, "--dry-run", "--participant-map", str(raw / "map.csv")) == 1
    error = capsys.readouterr().err
    for part in ("id 45 is taken", "(--participant-map) is inside", "sa_ED.nii.gz is black",
                 "entry 1 of images): sa_ED.nii.gz is"):  # fmt: skip
        assert part in error
    assert not (root / "map.csv").exists()


def test_nothing_is_written_if_the_target_is_taken(root: Path, raw: Path) -> None:
    (raw / "Dataset045_Other").mkdir(parents=True)
    assert convert(root) == 1
    assert not (root / "map.csv").exists()


@pytest.mark.parametrize(
    ("flags", "code", "message"),
    [
        (["--cohort", "black=7"], 1, "7 Black wanted, 6 available"),
        (["--cohort", "blue=7"], 2, "some of white, mixed, asian, black, chinese, other"),
        (["--label-map", "1=9"], 2, "--label-map: 9 is not a label"),
        (["--test-ratio", "1"], 2, "--test-ratio 1"),
        (["--columns", "race=x"], 2, "--columns race: expected some of participant, ethnicity"),
        (["--values", "ethnicity", "1=white"], 2, "level white: expected some of White, Mixed"),
        (["--bins", "sex=1"], 2, "--bins sex: expected some of age"),
        (["--instance", "0"], 0, ""),
    ],
)
def test_flags(
    root: Path, raw: Path, capsys: pytest.CaptureFixture[str], flags, code: int, message: str
) -> None:
    assert convert(root, *flags) == code
    assert message in capsys.readouterr().err
