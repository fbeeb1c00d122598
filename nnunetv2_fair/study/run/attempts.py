"""What is on disk about the starts of steps: attempts that ended, and those that still run.

Each step has its own files and runs at most once at a time, so that nothing here is written by
two machines at once.
"""

import json
import os
import time
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

from nnunetv2_fair.files.atomic import write_text
from nnunetv2_fair.study.record import Attempt
from nnunetv2_fair.study.step import STATE, Step

RUNNING = f"{STATE}/running"
EVENTS = f"{STATE}/events"
#: Events of a step, as in the names of the files in ``EVENTS``.
STARTED, FINISHED, TAKEN_OVER, INTERRUPTED, FAILED = (
    "started", "finished", "taken-over", "interrupted", "failed",
)  # fmt: skip


def attempts_file(folder: Path, step: Step) -> Path:
    """Return where a step's attempts are listed, one JSON object per line."""
    return folder / STATE / "attempts" / f"{step.name}.jsonl"


def read_attempts(folder: Path, step: Step) -> tuple[Attempt, ...]:
    """Return a step's attempts, oldest first; a partial line, left by a full disk, is skipped."""
    try:
        lines = attempts_file(folder, step).read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return ()
    found = []
    for line in lines:
        try:
            found.append(Attempt(**json.loads(line)))
        except (ValueError, TypeError):
            continue
    return tuple(found)


def append_attempt(folder: Path, step: Step, attempt: Attempt) -> None:
    """Add an attempt to a step's list."""
    path = attempts_file(folder, step)
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(asdict(attempt)) + "\n")


def marker_file(folder: Path, step: Step) -> Path:
    """Return the file that exists while a step runs: the attempt as far as it is known."""
    return folder / RUNNING / f"{step.name}.json"


def write_marker(folder: Path, step: Step, attempt: Attempt) -> None:
    """Write or renew the marker."""
    path = marker_file(folder, step)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_text(path, json.dumps(asdict(attempt)) + "\n")


def read_marker(folder: Path, step: Step) -> Attempt | None:
    """Return the attempt that runs, or that ended without being able to record it."""
    try:
        return Attempt(**json.loads(marker_file(folder, step).read_text(encoding="utf-8")))
    except (FileNotFoundError, ValueError, TypeError):
        return None


def tell(folder: Path, step: Step, what: str) -> None:
    """Leave a note for the command that shows progress: an empty file; its name holds everything.

    Files, because a folder can be listed while any number of machines add to it, unlike the lines
    of one file on a network drive.
    """
    path = folder / EVENTS / f"{time.time_ns():020d}+{os.getpid()}+{what}+{step.name}"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()


def told(folder: Path) -> Iterator[tuple[str, str, str]]:
    """Yield all notes, oldest first: the file's name, what happened, and to which step."""
    try:
        names = sorted(os.listdir(folder / EVENTS))  # noqa: PTH208, much faster than Path.iterdir
    except FileNotFoundError:
        return
    for name in names:
        _, _, what, step = name.split("+", 3)
        yield name, what, step
