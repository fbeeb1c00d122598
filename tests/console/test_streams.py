"""A command whose output nobody reads, or nobody can show, does its work to the end."""

import io
import os
import subprocess
import sys
from pathlib import Path

import pytest

import nnunetv2_fair
from nnunetv2_fair.console.streams import lasting_streams

ROOT = Path(nnunetv2_fair.__file__).parents[1]
CODE = """
import logging, sys
from pathlib import Path
from tqdm import tqdm
from nnunetv2_fair.console.command import run_command

def work():
    for i in tqdm(range(2000)):
        logging.getLogger("nnunetv2_fair").info("line %d M\\u00fcnchen \\udce4", i)
    Path("done").touch()

sys.exit(run_command("prog", [], work))
"""


def shell(folder: Path, line: str, **environment: str) -> subprocess.CompletedProcess[str]:
    (folder / "code.py").write_text(CODE)
    command = f"{sys.executable} code.py {line}"
    return subprocess.run(
        ["bash", "-c", command], cwd=folder, capture_output=True, text=True, check=False,
        env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
    )  # fmt: skip


@pytest.mark.parametrize(
    "line",
    ["2>errors | head -n 1", "2>&1 | head -n 1", ">&- 2>errors", ">&- 2>&-", "<&- >&- 2>&-",
     "> /dev/full 2>errors", "2>/dev/full >/dev/null"],
)  # fmt: skip
def test_the_work_goes_on(tmp_path: Path, line: str):
    done = shell(tmp_path, f"{line}; exit ${{PIPESTATUS[0]}}")
    assert done.returncode == 0
    assert (tmp_path / "done").exists()
    errors = tmp_path / "errors"
    said = done.stderr + (errors.read_text() if errors.exists() else "")
    for word in ("Traceback", "Error", "Exception"):
        assert word not in said
    assert ("standard output is lost: No space left on device" in said) == ("full 2>e" in line)


def test_names_that_the_encoding_lacks_are_escaped(tmp_path: Path):
    done = shell(tmp_path, "2>/dev/null", PYTHONIOENCODING="ascii", PYTHONUTF8="0")
    assert done.returncode == 0
    assert done.stdout.startswith("line 0 M\\xfcnchen \\udce4\n")


def test_streams_are_as_before():
    before = sys.stdout, sys.stderr
    with lasting_streams():
        inner = sys.stdout
        with lasting_streams():
            assert sys.stdout is inner
        assert sys.stdout is inner
        assert sys.stdout.encoding
    assert (sys.stdout, sys.stderr) == before


def test_a_stream_that_cannot_escape(monkeypatch: pytest.MonkeyPatch):
    class Strict(io.StringIO):
        def write(self, text: str) -> int:
            return super().write(text.encode("ascii").decode())

    monkeypatch.setattr(sys, "stdout", stream := Strict())
    with lasting_streams():
        sys.stdout.write("\u00fc\n")
    assert stream.getvalue() == "\\xfc\n"
