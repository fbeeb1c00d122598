"""The record of a step that has succeeded: where and with what it ran, and what it cost."""

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from nnunetv2_fair.files.atomic import write_text


@dataclass(frozen=True)
class Attempt:
    """One start of a step's commands.

    Attributes:
        started: Date and time with zone, ISO 8601.
        seconds: Wall time.
        exit_code: Of the command that failed, or 0; negative for a signal.
        host: Name of the machine.
        job: Slurm's job id; empty on a machine without.
        gpu: Names of the GPUs that the job could use; empty for none.
        gpus: Number of these GPUs.
        peak_memory_mb: Most main memory held by the step's processes at any time.
        continued: Whether it resumed from a checkpoint.
        fingerprint: Of the step when it was started; empty if nothing was run.
        run: Which call of ``nnUNetv2_fair_study`` it belongs to.
    """

    started: str
    seconds: float
    exit_code: int
    host: str
    job: str = ""
    gpu: str = ""
    gpus: int = 0
    peak_memory_mb: float = 0.0
    continued: bool = False
    fingerprint: str = ""
    run: str = ""


@dataclass(frozen=True)
class Record:
    """What is known of a step that has succeeded.

    Attributes:
        step: Its name.
        kind: Its kind.
        fingerprint: Its fingerprint.
        attempts: All of its attempts, failed ones included, oldest first; empty if the outcome
            existed before the study.
        versions: Of Python and the packages that matter, and ``commit`` of a checkout.
        taken_over: Whether the outcome existed before the study.
        facts: As in the plan.
    """

    step: str
    kind: str
    fingerprint: str
    attempts: tuple[Attempt, ...]
    versions: dict[str, str] = field(default_factory=dict)
    taken_over: bool = False
    facts: dict[str, str] = field(default_factory=dict)

    def write(self, path: Path) -> None:
        """Write it, whole or not at all."""
        path.parent.mkdir(parents=True, exist_ok=True)
        write_text(path, json.dumps(asdict(self), indent=1) + "\n")


def read_record(path: Path) -> Record:
    """Read a record.

    Raises:
        OSError: If there is none.
    """
    content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    attempts = tuple(Attempt(**entry) for entry in content["attempts"])
    return Record(**content | {"attempts": attempts})


def find_record(path: Path) -> Record | None:
    """Read a record; None if there is none or it is damaged."""
    try:
        return read_record(path)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
