from pathlib import Path

import pytest

from tests.dataset_conversion.folders import (
    environment,
    make_folder,
)


@pytest.fixture
def raw(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    return environment(monkeypatch, tmp_path)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return make_folder(tmp_path / "data")
