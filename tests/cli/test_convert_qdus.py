from collections.abc import Sequence
from pathlib import Path

import pytest

from nnunetv2_fair.cli.convert_QDUS import main
from tests.dataset_conversion.folders import environment, make_folder


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (("--columns", "race=x"), "expected some of image, case_id, sex, age"),
        (("--values", "colour", "1=2"), "expected some of sex, age"),
    ],
)
def test_wrong_usage(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    flags: Sequence[str],
    message: str,
) -> None:
    raw = environment(monkeypatch, tmp_path)
    folder = make_folder(tmp_path / "qdus")
    assert main(["-i", str(folder), "-d", "43", "-np", "1", *flags]) == 2
    assert message in capsys.readouterr().err
    assert not raw.exists()
