"""Fixtures of the commands."""

from pathlib import Path

import pytest

from tests.cli.score_tables import Commands


@pytest.fixture
def commands(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Commands:
    """The commands, on tables in an empty folder."""
    return Commands(tmp_path, capsys)
