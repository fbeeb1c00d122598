import json
import platform
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

from nnunetv2_fair import __version__
from nnunetv2_fair.files import versions


def test_absent_packages_are_left_out():
    found = versions.installed_versions(("numpy", "a-package-that-nobody-has"))
    assert found == {"python": platform.python_version(), "numpy": version("numpy")}


def test_what_an_evaluation_depends_on():
    found = versions.measuring_versions()
    assert list(found) == ["nnunetv2_fair", "python", "numpy", "scipy", "pandas", "SimpleITK"]
    assert found["nnunetv2_fair"] == __version__


def test_the_module_runs_as_a_script_where_our_package_is_unknown(tmp_path: Path):
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-"], input=Path(versions.__file__).read_text("utf-8"),
        capture_output=True, text=True, check=True, cwd=tmp_path,
    )  # fmt: skip
    assert json.loads(done.stdout) == {"python": platform.python_version()}
