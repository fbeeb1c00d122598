import importlib
import inspect
import re
import sys
from importlib import metadata

import pytest

from nnunetv2_fair.study.plan.steps import commands
from nnunetv2_fair.study.plan.steps.commands import Command, index_command, shown
from tests.contract.test_layers import COMMANDS


@pytest.mark.parametrize("script", list(commands._NNUNET))
def test_nnunets_commands_are_those_of_its_console_scripts(script):
    (entry,) = (e for e in metadata.entry_points(group="console_scripts") if e.name == script)
    assert entry.value == ":".join(commands._NNUNET[script])


def test_ours_call_main(monkeypatch):
    for command in COMMANDS:
        line = Command(f"nnUNetv2_fair_{command}", ("-d", "1")).line("python")
        assert line[:2] == ("python", "-c")
        module = re.fullmatch(r"import sys; from (\S+) import main; sys\.exit\(main\(\)\)", line[2])
        assert inspect.isfunction(importlib.import_module(module[1]).main)
        assert line[3:] == ("-d", "1")


def test_shown_as_people_type_it():
    train = Command("nnUNetv2_train", ("42", "2d"), ("-device", "cpu"))
    assert train.fingerprinted == ("nnUNetv2_train", "42", "2d")
    assert shown(train.line(sys.executable)) == "nnUNetv2_train 42 2d -device cpu"
    ours = Command("nnUNetv2_fair_evaluate", ("-o", "a b"))
    assert shown(ours.line("python")) == "nnUNetv2_fair_evaluate -o 'a b'"
    index = index_command().line("/bin/python")
    assert shown(index) == "/bin/python -m nnunetv2_fair.study.index ."
