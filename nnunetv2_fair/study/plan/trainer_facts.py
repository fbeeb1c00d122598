"""What trainers' names mean, asked of the real classes in a separate process."""

import json
import subprocess
import sys
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from nnunetv2_fair.errors import StudyError

_MODULE = "nnunetv2_fair.trainers.shared.describe"


@dataclass(frozen=True)
class TrainerFacts:
    """What a trainer's name means; see :func:`nnunetv2_fair.trainers.shared.describe.describe`.

    Attributes:
        error: Why there is no such trainer; empty if there is.
        ours: Whether it reads the demographics.
        attribute: Attribute expression in the name; None for the dataset's default.
        base: Name of the trainer whose finished model it builds on.
        per_group: Parts of the name before and after ``=<group>``, if it is one model per group.
        options: Options that the method knows, in words.
        runs: Names of its runs, if it is to be repeated.
    """

    error: str = ""
    ours: bool = False
    attribute: str | None = None
    base: str | None = None
    per_group: tuple[str, str] | None = None
    options: str = ""
    runs: tuple[str, ...] = ()


def ask(
    names: Collection[str],
    attributes: Collection[str],
    environment: Mapping[str, str],
    repeats: int | None = None,
) -> dict[str, TrainerFacts]:
    """Return what names mean, and the names of their runs and of the bases that they build on.

    Args:
        names: Names of trainers.
        attributes: Attributes of all datasets.
        environment: Of the process; ``nnUNet_extTrainer`` says where the user's own trainers are.
        repeats: How often each is trained; None: once, by the name as it is.

    Raises:
        StudyError: If nnU-Net or torch do not start here.
    """
    if not names:
        return {}
    asked = {"names": list(names), "attributes": list(attributes), "repeats": repeats}
    answer = answer_of(_MODULE, asked, environment, "The trainers' names could not be checked")
    return {name: _facts(found) for name, found in answer.items()}


def answer_of(module: str, asked: Any, environment: Mapping[str, str], failure: str) -> Any:
    """Return what a module of ours, run as a process of its own, answers to a question, in JSON.

    Args:
        module: Reads the question from its standard input, and writes the answer.
        asked: The question.
        environment: Of the process.
        failure: What could not be done, in words, if it fails.

    Raises:
        StudyError: If nnU-Net or torch do not start here.
    """
    done = subprocess.run(
        [sys.executable, "-m", module],
        input=json.dumps(asked),
        env=dict(environment),
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        last = "\n".join(done.stderr.strip().splitlines()[-5:])
        raise StudyError(
            f"{failure}, because nnU-Net or torch does not start here. Run nnUNetv2_fair_doctor. "
            f"The last output was:\n{last}"
        )
    return json.loads(done.stdout)


def _facts(found: dict) -> TrainerFacts:
    per_group = found.get("per_group")
    parts = tuple(per_group) if per_group else None
    return TrainerFacts(**found | {"per_group": parts, "runs": tuple(found.get("runs", ()))})
