"""The state of a step before it starts: not begun, to be resumed, or finished."""

import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

from nnunetv2_fair.errors import StudyError
from nnunetv2_fair.files.atomic import set_aside
from nnunetv2_fair.files.formats.archives import damage_of
from nnunetv2_fair.study.plan.environment import ALLOW_CHANGED_TABLE
from nnunetv2_fair.study.record import Attempt
from nnunetv2_fair.study.step import Step

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
    finished = bool(step.finished) and (folder / step.finished).exists()
    checkpoints = [path for path in step.checkpoints if (folder / path).exists()]
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
