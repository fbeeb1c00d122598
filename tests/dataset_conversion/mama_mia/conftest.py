from pathlib import Path

import pytest

from tests.dataset_conversion.factories.mama_mia import (
    MiniDownload,
    make_download,
)
from tests.dataset_conversion.folders import environment


@pytest.fixture
def raw(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    return environment(monkeypatch, tmp_path)


@pytest.fixture
def download(tmp_path: Path) -> MiniDownload:
    return make_download(tmp_path / "MAMA-MIA")
