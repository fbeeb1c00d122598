"""No command shows a traceback, whatever happens in it."""

import argparse
import importlib
import re
import tempfile
from pathlib import Path

import pytest

import nnunetv2_fair

ROOT = Path(nnunetv2_fair.__file__).parents[1]
COMMANDS = re.findall(
    r'^(nnUNetv2_fair_\w+) = "([\w.]+):main"$',
    (ROOT / "pyproject.toml").read_text(encoding="utf-8"),
    flags=re.MULTILINE,
)


def test_all_commands_are_found():
    assert len(COMMANDS) == len(list((ROOT / "nnunetv2_fair/cli").glob("[a-zA-Z]*.py")))


@pytest.mark.parametrize("error", [RecursionError("deep"), MemoryError(), KeyError("x")])
@pytest.mark.parametrize(
    ("name", "module"),
    [*COMMANDS, ("python -m nnunetv2_fair.study.index", "nnunetv2_fair.study.index.index")],
)
def test_every_command_has_the_last_word(
    capsys, monkeypatch, tmp_path, name: str, module: str, error: Exception
):
    def parse_args(*_: object) -> None:
        raise error

    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(argparse.ArgumentParser, "parse_args", parse_args)
    assert importlib.import_module(module).main([]) == 1
    captured = capsys.readouterr()
    assert captured.err.startswith(f"{name}: ")
    assert "Traceback" not in captured.err + captured.out
    assert "which only you can read" in captured.err
