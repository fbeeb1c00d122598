"""What a step is to do, before it has a fingerprint, an interpreter and resources."""

from collections.abc import Mapping
from dataclasses import dataclass

from nnunetv2_fair.study.plan.steps.commands import Command
from nnunetv2_fair.study.step import Kind


@dataclass(frozen=True)
class Earlier:
    """What may be on disk already, and how to resume from it.

    Attributes:
        finished: File whose existence means that the step need not be done; empty: none.
        checkpoints: Files any of which means that the step can be resumed.
        resume: Arguments to resume with.
    """

    finished: str = ""
    checkpoints: tuple[str, ...] = ()
    resume: tuple[str, ...] = ()


@dataclass(frozen=True)
class Task:
    """What a step is to do.

    Attributes:
        name: The step's name.
        kind: Its kind.
        commands: What it runs.
        facts: What tables show with it; ``trainer`` also chooses a training's resources.
        needs: Names of steps added before; they may be repeated.
        inputs: Fingerprints of what it reads from outside the study.
        outputs: Files that it writes.
        earlier: What may be on disk already.
    """

    name: str
    kind: Kind
    commands: tuple[Command, ...]
    facts: Mapping[str, str]
    needs: tuple[str, ...] = ()
    inputs: tuple[str, ...] = ()
    outputs: tuple[str, ...] = ()
    earlier: Earlier = Earlier()
