"""What trainers' names mean, asked of the real classes in a separate process."""

import json
import subprocess
import sys
from collections.abc import Collection, Mapping
from dataclasses import dataclass

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
    done = subprocess.run(
        [sys.executable, "-m", _MODULE],
        input=json.dumps(
            {"names": list(names), "attributes": list(attributes), "repeats": repeats}
        ),
        env=dict(environment),
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        last = "\n".join(done.stderr.strip().splitlines()[-5:])
        raise StudyError(
            f"The trainers' names could not be checked, because nnU-Net does not start here. Run "
            f"nnUNetv2_fair_doctor. The last output was:\n{last}"
        )
    answer = json.loads(done.stdout)
    return {name: _facts(found) for name, found in answer.items()}


def _facts(found: dict) -> TrainerFacts:
    per_group = found.get("per_group")
    parts = tuple(per_group) if per_group else None
    return TrainerFacts(**found | {"per_group": parts, "runs": tuple(found.get("runs", ()))})
