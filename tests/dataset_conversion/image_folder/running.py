"""Converting a folder of images as the command does."""

import subprocess
import time
from pathlib import Path

import pytest

from nnunetv2_fair.cli.convert_image_folder import main


def convert(folder: Path, *more: str, processes: str = "1") -> int:
    return main(["-i", str(folder), "-d", "42", "-n", "Tiny", "-np", processes, *more])


def refused(folder: Path, raw: Path, capsys: pytest.CaptureFixture[str], *more: str) -> str:
    """Convert, expect one message and no trace on disk, and return the message."""
    assert convert(folder, *more) == 1
    assert not raw.exists() or not list(raw.iterdir())
    return capsys.readouterr().err


def _wait_for(count: int, folder: Path, process: subprocess.Popen[bytes]) -> None:
    end = time.monotonic() + 60
    while time.monotonic() < end and process.poll() is None:
        if len(list(folder.glob("*.json"))) >= count:
            return
        time.sleep(0.002)
    pytest.fail("the conversion ended before it could be killed")
