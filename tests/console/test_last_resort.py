"""An error that nobody foresaw: one message, and a private file that holds the rest."""

import stat
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest

from nnunetv2_fair.console.command import run_command
from nnunetv2_fair.files.fingerprints import file_hash
from nnunetv2_fair.files.pool import map_unordered
from nnunetv2_fair.study.run import execute


@pytest.fixture(autouse=True)
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


def said(capsys: pytest.CaptureFixture[str], work: Callable[[], None]) -> str:
    assert run_command("prog", ["-i", "folder"], work) == 1
    captured = capsys.readouterr()
    assert "Traceback" not in captured.err + captured.out
    return captured.err


def raising(error: BaseException) -> Callable[[], None]:
    def work() -> None:
        raise error

    return work


def test_what_where_and_how_to_report(capsys, temporary: Path):
    err = said(capsys, raising(ValueError("patient Erika\nMustermann \x1b[2J")))
    assert err.startswith("prog: stopped by an error that was not foreseen: ValueError: patient E")
    assert "Mustermann" not in err.splitlines()[0]
    assert "console/command.py, line" in err
    assert "Please report it to whoever you have it from" in err
    (kept,) = temporary.glob("nnUNetv2_fair-error-*.txt")
    assert f"The details are in {kept}, which only you can read." in err
    assert "look before you pass them on" in err
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    text = kept.read_text()
    assert text.startswith("prog -i folder\nnnunetv2_fair ")
    assert "Traceback (most recent call last)" in text
    assert "ValueError: patient Erika" in text
    assert "\x1b" not in err


class OutOfMemoryError(RuntimeError):
    """Called as torch's."""


def _deeper(n: int) -> int:
    return _deeper(n + 1) + 1


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (MemoryError(), "prog: the memory is used up\nClose other programs, start fewer"),
        (MemoryError("Unable to allocate 9 TiB"), "the memory is used up: Unable to allocate 9"),
        (OutOfMemoryError("CUDA out of memory"), "the memory is used up: CUDA out of memory\n"),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory"), "the memory is used up"),
        (RecursionError("too deep"), "not foreseen: RecursionError: too deep ("),
        (AssertionError(), "not foreseen: AssertionError ("),
        (UnicodeDecodeError("utf-8", b"\xff", 0, 1, "bad"), "not foreseen: UnicodeDecodeError"),
    ],
)
def test_every_kind_of_error(capsys, error: BaseException, message: str):
    assert message in said(capsys, raising(error))


def test_recursion_without_end(capsys):
    assert "RecursionError: maximum recursion depth" in said(capsys, lambda: [_deeper(0)].clear())


class Odd(type(Path())):
    """A file that cannot be read, for a reason nobody thought of."""

    def open(self, *args, **kwargs):
        raise ValueError("odd")


@pytest.mark.parametrize("processes", [1, 2])
def test_the_file_at_work_is_named(capsys, temporary: Path, tmp_path: Path, processes: int):
    files = [tmp_path / f"file{i}" for i in range(20)]
    files[7].write_text("x")
    for file in files:
        file.touch()
    items = [Odd(file) if file == files[7] else file for file in files]
    err = said(capsys, lambda: list(map_unordered(file_hash, items, processes)))
    assert "not foreseen: ValueError: odd (nnunetv2_fair/files/" in err
    assert f"The file at work was {files[7]}. If only this one fails, it is probably" in err
    (kept,) = temporary.glob("nnUNetv2_fair-error-*.txt")
    assert "in file_hash" in kept.read_text()


def test_where_nothing_can_be_kept(capsys, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", "/nowhere")
    err = said(capsys, raising(KeyError("x")))
    assert "not foreseen: KeyError: 'x'" in err
    assert "Its details could not be kept: [Errno 2]" in err


def test_a_step_of_a_study_says_so_too(capsys, monkeypatch):
    monkeypatch.setattr(execute, "execute", lambda *_, **__: {}["x"])
    assert execute.main(["folder", "step"]) == 1
    assert "study.run.execute: stopped by an error that was not" in capsys.readouterr().err
