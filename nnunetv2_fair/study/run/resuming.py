"""The state of a step before it starts: not begun, to be resumed, or finished."""

import shlex
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Literal

from nnunetv2_fair.errors import StudyError
from nnunetv2_fair.files.atomic import set_aside
from nnunetv2_fair.files.formats.archives import damage_of
from nnunetv2_fair.study.plan.environment import ALLOW_CHANGED_TABLE
from nnunetv2_fair.study.record import Attempt, find_record
from nnunetv2_fair.study.step import Plan, Step

#: Kinds whose outcomes are large, and may be deleted once everything that needs them is done.
_DISPOSABLE = ("synthesize", "preprocess", "train", "predict")

Begun = Literal["not", "unfinished", "by us, finished", "by others, finished"]


def set_aside_damaged(folder: Path, step: Step) -> list[str]:
    """Rename checkpoints that a step cannot be resumed from, so that an earlier one is taken.

    nnU-Net writes them in place: a job that is killed meanwhile leaves half of one.

    Args:
        folder: The study's folder.
        step: The step.

    Returns:
        A line for the log for each.
    """
    found = []
    for name in dict.fromkeys((step.finished, *step.checkpoints) if step.resume else ()):
        path = folder / name
        if path.suffix != ".pth" or not path.is_file():
            continue
        damage = damage_of(path)
        if damage:
            aside = set_aside(path)
            found.append(
                f"{path} {damage}: it is now called {aside.name}, and the step goes on "
                "from an earlier checkpoint, or begins again if there is none"
            )
    return found


def how_far(
    folder: Path, step: Step, earlier: Sequence[Attempt], environment: Mapping[str, str]
) -> Begun:
    """Return the state of a step.

    Args:
        folder: The study's folder.
        step: The step.
        earlier: Its attempts.
        environment: Variables of the step's commands; one of them allows keeping what was
            trained with another table.

    Raises:
        StudyError: If its outcome was made with other settings: running it would replace that.
    """
    finished = bool(step.finished) and _there(folder / step.finished)
    checkpoints = [path for path in step.checkpoints if _there(folder / path)]
    if not (finished or checkpoints):
        return "not"
    ran = [attempt for attempt in earlier if attempt.fingerprint]
    ours = bool(ran) and ran[-1].fingerprint == step.fingerprint
    known = bool(ran) or any((folder / step.record).parent.glob("*.json"))
    if known and not ours and environment.get(ALLOW_CHANGED_TABLE) != "1":
        place = step.finished if finished else checkpoints[0]
        parent = str(Path(place).parent)
        raise StudyError(
            f"{step.name}: {place} was made by this study under other settings, tables or plans, "
            "and nothing is overwritten. Change them back, or keep it elsewhere: "
            f"mv {shlex.quote(parent)} {shlex.quote(f'{parent}.old')}"
        )
    if not finished:
        return "unfinished"
    if not ours:
        return "by others, finished"
    # a training writes its last checkpoint before it validates
    return "by us, finished" if ran[-1].exit_code == 0 else "unfinished"


def absent_outputs(folder: Path, step: Step) -> list[str]:
    """Return which outputs of a step are missing or empty: a full disk leaves empty files."""
    return [path for path in step.outputs if not _there(folder / path)]


def forget_incomplete(folder: Path, plan: Plan) -> list[str]:
    """Remove records of steps whose outcome is gone, so that they are done again.

    Images, checkpoints, synthetic cases and predictions may be deleted when all that needs them is
    done.

    Args:
        folder: The study's folder, held by this process.
        plan: Its plan.

    Returns:
        Sentences about these steps.
    """
    users: dict[str, list[str]] = {}
    for step in plan.steps.values():
        for needed in step.needs:
            users.setdefault(needed, []).append(step.name)
    done: dict[str, bool] = {}
    said = []
    for step in reversed([*plan.steps.values()]):  # what needs a step comes after it
        path = folder / step.record
        done[step.name] = path.exists()
        if not done[step.name]:
            continue
        absent = absent_outputs(folder, step)
        used = users.get(step.name, [])
        if absent and step.kind in _DISPOSABLE and used and all(done[name] for name in used):
            absent = []
        if find_record(path) is None:
            said.append(f"{step.name} is checked again: its record is damaged.")
        elif absent:
            said.append(f"{step.name} is done again: {absent[0]} is missing or empty.")
        else:
            continue
        done[step.name] = False
        forget_record(folder, step)
    return said[::-1]


def forget_record(folder: Path, step: Step) -> None:
    """Remove a step's record; its attempts are kept."""
    path = folder / step.record
    path.unlink(missing_ok=True)
    with suppress(OSError):  # if there are others, of other settings
        path.parent.rmdir()


def _there(path: Path) -> bool:
    """Whether a folder, or a file that is not empty, exists."""
    return path.is_dir() or (path.is_file() and path.stat().st_size > 0)
