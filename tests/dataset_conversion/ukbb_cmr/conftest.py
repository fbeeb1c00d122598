from pathlib import Path

import pytest

from tests.dataset_conversion.factories.ukbb_cmr import (
    build,
)
from tests.dataset_conversion.folders import environment
from tests.dataset_conversion.ukbb_cmr.running import PEOPLE


@pytest.fixture
def raw(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    return environment(monkeypatch, tmp_path)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Twelve participants, White and Black in turn."""
    build(tmp_path / "data", PEOPLE)
    return tmp_path / "data"
