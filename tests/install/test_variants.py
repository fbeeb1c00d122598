"""The three ways to install, each into a real, fresh environment with real downloads."""

import os
import subprocess
import venv
from pathlib import Path

import pytest

from nnunetv2_fair import registration
from tests.study.finished_study import make_masks, make_study

PROJECT = Path(__file__).parents[2]
GIGABYTE = 1_000_000_000

pytestmark = pytest.mark.slow


class Environment:
    """A fresh virtual environment."""

    def __init__(self, folder: Path) -> None:
        venv.create(folder, with_pip=True)
        self.folder = folder

    def run(self, command: str, *arguments: object, code: int = 0) -> str:
        """Run a command of this environment; return all it has written."""
        unset = {registration.EXTERNAL_TRAINERS, "PYTHONPATH"}
        done = subprocess.run(
            [str(self.folder / "bin" / command), *map(str, arguments)],
            env={k: v for k, v in os.environ.items() if k not in unset},
            cwd=self.folder,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout + done.stderr

    def install(self, *arguments: object) -> None:
        self.run("python", "-m", "pip", "install", "--quiet", *arguments)

    def version(self, package: str) -> str:
        code = f"from importlib.metadata import version; print(version('{package}'))"
        return self.run("python", "-c", code).strip()

    def size(self) -> int:
        """Bytes on disk; files that pip hard-links count once."""
        files = {}
        for path in self.folder.rglob("*"):
            if path.is_file() and not path.is_symlink():
                status = path.stat()
                files[status.st_ino] = status.st_size
        return sum(files.values())


@pytest.fixture(scope="module")
def evaluator(tmp_path_factory) -> Environment:
    environment = Environment(tmp_path_factory.mktemp("evaluator") / "venv")
    environment.install("-r", PROJECT / "requirements-evaluator.txt")
    environment.install("--no-deps", PROJECT)
    return environment


ERODE = """
import sys
from pathlib import Path
import numpy as np
from PIL import Image
from scipy.ndimage import binary_erosion
masks, eroded, times = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
eroded.mkdir()
for path in masks.glob("*.png"):
    mask = np.asarray(Image.open(path))
    kept = mask * binary_erosion(mask > 0, iterations=times)
    Image.fromarray(kept.astype(mask.dtype)).save(eroded / path.name)
"""


@pytest.fixture(scope="module")
def phantoms(evaluator, tmp_path_factory) -> Path:
    """Masks, a table, and two folders of predictions."""
    folder = tmp_path_factory.mktemp("phantoms") / "made"
    evaluator.run("nnUNetv2_fair_phantoms", "-o", folder, "--patients", 40, "--seed", 1)
    table = (folder / "metadata.csv").read_text(encoding="utf-8").replace(".png", "")
    (folder / "demographics.csv").write_text(table.replace("image,", "case,"), encoding="utf-8")
    for times in (1, 2):
        evaluator.run("python", "-c", ERODE, folder / "masks", folder / f"eroded_{times}", times)
    return folder


def test_evaluator_is_small_and_has_neither_torch_nor_nnunet(evaluator):
    for package in ("torch", "nnunetv2"):
        evaluator.run("python", "-c", f"import {package}", code=1)
    assert evaluator.size() < GIGABYTE


def test_doctor_knows_the_evaluator(evaluator):
    said = evaluator.run("nnUNetv2_fair_doctor")
    assert "evaluator only" in said
    assert "Everything is in place" in said


def test_evaluate_discover_and_compare_work(evaluator, phantoms, tmp_path):
    for times in (1, 2):
        evaluator.run(
            "nnUNetv2_fair_evaluate",
            *("-gt", phantoms / "masks", "-pred", phantoms / f"eroded_{times}", "--discover"),
            *("--demographics", phantoms / "demographics.csv", "-a", "sex"),
            *("-o", tmp_path / f"evaluation_{times}"),
        )
        assert (tmp_path / f"evaluation_{times}" / "report.html").is_file()
    evaluator.run(
        "nnUNetv2_fair_compare",
        *(tmp_path / "evaluation_1", tmp_path / "evaluation_2", "-o", tmp_path / "comparison"),
    )
    assert (tmp_path / "comparison" / "comparison.html").is_file()


def test_the_index_of_a_study_works(evaluator, tmp_path):
    (tmp_path / "masks").mkdir()
    folder = make_study(tmp_path / "study", make_masks(tmp_path / "masks")).root
    evaluator.run("python", "-m", "nnunetv2_fair.study.index", folder)
    assert (folder / "index.html").is_file()


def test_other_commands_say_which_installation_they_need(evaluator, tmp_path):
    for command, arguments in (
        ("demo", ("-o", tmp_path / "demo")),
        ("study", (tmp_path / "study.yaml",)),
        ("convert_TUSC", ("-i", tmp_path, "-d", 901)),
    ):
        said = evaluator.run(f"nnUNetv2_fair_{command}", *arguments, code=1)
        if command != "convert_TUSC":  # which first misses its files
            assert "pip install nnunetv2_fair" in said
        assert "Traceback" not in said


def test_requirements_are_those_of_the_package():
    """The short list names nothing that the full one does not, with the same bounds."""
    pyproject = (PROJECT / "pyproject.toml").read_text(encoding="utf-8")
    for line in (PROJECT / "requirements-evaluator.txt").read_text(encoding="utf-8").split("\n"):
        if line and not line.startswith("#"):
            assert f'"{line}"' in pyproject, f"{line} is not in pyproject.toml"


def test_an_existing_nnunet_keeps_its_torch(tmp_path):
    environment = Environment(tmp_path / "venv")
    environment.install("torch==2.13.0", "nnunetv2>=2.8")
    before = environment.version("torch")
    environment.install(PROJECT)
    assert environment.version("torch") == before
    assert "nnUNetv2_fair_evaluate" in environment.run("python", "-m", "nnunetv2_fair")
