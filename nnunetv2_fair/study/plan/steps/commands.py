"""How a step's commands are started: the only place that decides it.

Console scripts may not be on the PATH of a compute node, so a command is the interpreter with the
function that the console script would call. The interpreter is the one that planned the study,
whose environment is usually seen by all nodes; ``python`` in the study's file names another one,
and in a container it is the container's ``python``.
"""

import shlex
from collections.abc import Sequence
from dataclasses import dataclass

_OURS = "import sys; from nnunetv2_fair.cli.{0} import main; sys.exit(main())"
_PREFIX = "nnUNetv2_fair_"
_PLANNING = "nnunetv2.experiment_planning.plan_and_preprocess_entrypoints"
#: Console script -> module and function of nnU-Net that it calls.
_NNUNET = {
    "nnUNetv2_extract_fingerprint": (_PLANNING, "extract_fingerprint_entry"),
    "nnUNetv2_plan_experiment": (_PLANNING, "plan_experiment_entry"),
    "nnUNetv2_preprocess": (_PLANNING, "preprocess_entry"),
    "nnUNetv2_train": ("nnunetv2.run.run_training", "run_training_entry"),
    "nnUNetv2_predict": ("nnunetv2.inference.predict_from_raw_data", "predict_entry_point"),
}
#: Also part of fingerprints, so they must keep their names.
_INDEX = "nnunetv2_fair.study.index"
_PAPERS = "nnunetv2_fair.study.papers"
_DIAGNOSIS = "nnunetv2_fair.study.diagnosis"
#: Modules that are given what a study's file asks for, as JSON.
_ASKED = (_PAPERS, _DIAGNOSIS)


@dataclass(frozen=True)
class Command:
    """A command before it is decided which interpreter runs it.

    Attributes:
        script: Console script, such as ``nnUNetv2_train``.
        what: Arguments that change the outcome.
        how: Arguments that do not: processes, device, whether to replace.
    """

    script: str
    what: tuple[str, ...]
    how: tuple[str, ...] = ()

    @property
    def fingerprinted(self) -> tuple[str, ...]:
        """Its part that decides the outcome."""
        return (self.script, *self.what)

    def line(self, python: str) -> tuple[str, ...]:
        """Return program and arguments."""
        return (python, *_entry(self.script), *self.what, *self.how)


def _entry(script: str) -> tuple[str, str]:
    if script in (_INDEX, *_ASKED):
        return "-m", script
    if script in _NNUNET:
        module, function = _NNUNET[script]
        return "-c", f"from {module} import {function} as main; main()"
    return "-c", _OURS.format(script.removeprefix(_PREFIX))


def index_command() -> Command:
    """Return the command of the last step, in the study's folder."""
    return Command(_INDEX, (".",))


def papers_command(asked: str) -> Command:
    """Return the command that makes tables and figures, in the study's folder.

    Args:
        asked: What is asked for, as JSON.
    """
    return Command(_PAPERS, (".", asked))


def diagnosis_command(asked: str) -> Command:
    """Return the command that reads the answer of a diagnosis, in the study's folder.

    Args:
        asked: What is asked for, as JSON.
    """
    return Command(_DIAGNOSIS, (".", asked))


def shown(command: Sequence[str]) -> str:
    """Return a command of the plan as people type it: with its console script, if it has one."""
    if command[1] == "-m" and command[2] in _ASKED:
        return shlex.join(command[:4])  # what it makes by default is what the plan asks for
    scripts = {_entry(script)[1]: script for script in _NNUNET}
    before, after = _OURS.split("{0}")
    if len(command) > 2 and command[1] == "-c":
        code = command[2]
        if code.startswith(before) and code.endswith(after):
            ours = code.removeprefix(before).removesuffix(after)
            return shlex.join([f"{_PREFIX}{ours}", *command[3:]])
        if code in scripts:
            return shlex.join([scripts[code], *command[3:]])
    return shlex.join(command)
