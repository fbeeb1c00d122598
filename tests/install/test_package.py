"""Wheel, source distribution and description, as a package index takes them."""

import runpy
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[2]
README = """![Picture](docs/a.png)

See [the\nguide](docs/guide.md#part) and [nnU-Net](https://github.com/MIC-DKFZ/nnUNet).
"""


@pytest.fixture(scope="module")
def long_description():
    return runpy.run_path(str(PROJECT / "setup.py"))["long_description"]


def test_without_a_repository_links_become_text(long_description):
    assert long_description(README, "[project.urls]\n") == (
        "\n\nSee the\nguide and [nnU-Net](https://github.com/MIC-DKFZ/nnUNet).\n"
    )


def test_with_a_repository_links_lead_there(long_description):
    found = long_description(README, '[project.urls]\nSource = "https://example.org/x/"\n')
    assert "![Picture](https://example.org/x/raw/main/docs/a.png)" in found
    assert "[the\nguide](https://example.org/x/blob/main/docs/guide.md#part)" in found


def test_the_readme_needs_no_neighbours(long_description):
    readme, pyproject = (
        (PROJECT / name).read_text(encoding="utf-8") for name in ("README.md", "pyproject.toml")
    )
    assert "](docs/" in readme
    assert "](docs/" not in long_description(readme, pyproject)


@pytest.mark.slow
def test_an_index_would_take_the_package(tmp_path):
    for command in (
        ("build", "--outdir", str(tmp_path), str(PROJECT)),
        ("twine", "check", "--strict", str(tmp_path / "*")),
    ):
        done = subprocess.run(
            [sys.executable, "-m", *command], capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        inside = set(archive.namelist())
    for path in (PROJECT / "nnunetv2_fair").rglob("*"):
        if path.is_file() and "__pycache__" not in path.parts:
            assert path.relative_to(PROJECT).as_posix() in inside
    assert "nnunetv2_fair/py.typed" in inside
    assert not any(name.startswith(("tests/", "docs/", "examples/")) for name in inside)
    (source,) = tmp_path.glob("*.tar.gz")
    with tarfile.open(source) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    # without these it could not be built again
    assert {"setup.py", "pyproject.toml", "README.md", "LICENSE"} <= names
