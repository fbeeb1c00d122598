"""Fixtures and factories that several parts share."""

import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from hypothesis import settings

# how long an example takes says more about the machine than about the code
settings.register_profile("project", deadline=None)
settings.load_profile("project")

# nnU-Net's spawned workers import torch for seconds each, and waiting threads must not spin
os.environ.setdefault("nnUNet_n_proc_DA", "1")
os.environ.setdefault("nnUNet_def_n_proc", "1")
os.environ.setdefault("OMP_WAIT_POLICY", "passive")


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(20261120)


@pytest.fixture
def nnunet_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Path]:
    """nnU-Net's three folders, empty, in the environment."""
    folders = {}
    for variable in ("nnUNet_raw", "nnUNet_preprocessed", "nnUNet_results"):
        folders[variable] = tmp_path / variable
        folders[variable].mkdir()
        monkeypatch.setenv(variable, str(folders[variable]))
    return folders


SEX_AND_AGE = {
    "default": "sex",
    "attributes": {
        "sex": {"type": "categorical", "levels": ["female", "male"], "reference": "male"},
        "age": {
            "type": "numeric",
            "unit": "years",
            "minimum": 0,
            "maximum": 120,
            "bins": {
                "edges": [None, 50, 65, None],
                "labels": ["<50", "50-64", ">=65"],
                "closed": "left",
            },
        },
    },
}


@pytest.fixture
def write_demographics(tmp_path: Path):
    """Write a table (and its dictionary) from text; return the table's path."""

    def write(text: str, schema: dict | None = SEX_AND_AGE, folder: Path | None = None) -> Path:
        folder = folder or tmp_path
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / "demographics.csv"
        path.write_text(text, encoding="utf-8")
        if schema is not None:
            (folder / "demographics.json").write_text(json.dumps(schema), encoding="utf-8")
        return path

    return write


@pytest.fixture(scope="session")
def tiny_dataset(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Environment of a tiny dataset that nnU-Net has preprocessed (see tests.nnunet_dataset)."""
    from tests.nnunet_dataset import build

    return build(tmp_path_factory.mktemp("nnunet"))


@pytest.fixture(scope="session")
def trainings(tiny_dataset: dict[str, str], tmp_path_factory: pytest.TempPathFactory):
    """Trainings on the tiny dataset, each made once (see tests.trained_models)."""
    from tests.trained_models import Trainings

    return Trainings(tiny_dataset, tmp_path_factory.mktemp("trainings"))


@pytest.fixture
def tiny_nnunet(
    tiny_dataset: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> dict[str, Path]:
    """The tiny dataset with copies of everything that a test may change."""
    preprocessed = tmp_path / "nnUNet_preprocessed"
    shutil.copytree(tiny_dataset["nnUNet_preprocessed"], preprocessed)
    results = tmp_path / "nnUNet_results"
    results.mkdir()
    monkeypatch.setenv("nnUNet_raw", tiny_dataset["nnUNet_raw"])
    monkeypatch.setenv("nnUNet_preprocessed", str(preprocessed))
    monkeypatch.setenv("nnUNet_results", str(results))
    monkeypatch.setenv("nnUNet_n_proc_DA", "0")
    return {
        "raw": Path(tiny_dataset["nnUNet_raw"]) / "Dataset901_Tiny",
        "preprocessed": preprocessed / "Dataset901_Tiny",
        "results": results,
    }
