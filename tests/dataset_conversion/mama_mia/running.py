"""Converting a miniature of MAMA-MIA as the command does."""

from pathlib import Path

import numpy as np
import pytest
import SimpleITK

from nnunetv2_fair.cli.convert_MAMA_MIA import main
from tests.dataset_conversion.factories.mama_mia import (
    MiniDownload,
)


def convert(download: MiniDownload, *more: str) -> int:
    return main(["-i", str(download.folder), "-d", "60", "-np", "1", *more])


def target_of(raw: Path) -> Path:
    return raw / "Dataset060_MAMA_MIA"


def array_of(path: Path) -> np.ndarray:
    return SimpleITK.GetArrayFromImage(SimpleITK.ReadImage(str(path)))


def refused(
    download: MiniDownload, raw: Path, capsys: pytest.CaptureFixture[str], *more: str
) -> str:
    """Convert, expect one message and an untouched disk, and return the message."""
    assert convert(download, *more) == 1
    assert not raw.exists()
    return capsys.readouterr().err
