"""What a step's earlier attempts and files mean for its next start."""

import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

from nnunetv2_fair.errors import StudyError
from nnunetv2_fair.study.plan.environment import ALLOW_CHANGED_TABLE
from nnunetv2_fair.study.record import Attempt
from nnunetv2_fair.study.run.process import STOPS
from nnunetv2_fair.study.step import Step

#: What a shell makes of a signal.
SHELL_OFFSET = 128


def was_interrupted(attempt: Attempt) -> bool:
    """Return whether an attempt was ended from outside, so that resuming it is worthwhile.

    A command that was killed while its job lived on does not count: that is how the kernel and
    Slurm end what takes more memory than there is, and it would do so again.
    """
    stops = {int(number) for number in STOPS}
    return -attempt.exit_code in stops or attempt.exit_code - SHELL_OFFSET in stops


def has_failed(earlier: Sequence[Attempt], run: str) -> bool:
    """Return whether the latest attempt was of this call and failed on its own."""
    if not earlier or earlier[-1].run != run:
        return False
    return earlier[-1].exit_code != 0 and not was_interrupted(earlier[-1])


Begun = Literal["not", "unfinished", "by us, finished", "by others, finished"]


def how_far(
    folder: Path, step: Step, earlier: Sequence[Attempt], environment: Mapping[str, str]
) -> Begun:
    """Return how far a step is.

    Args:
        folder: The study's folder.
        step: The step.
        earlier: Its attempts.
        environment: Variables of the step's commands; one of them allows to keep what was
            trained with another table.

    Raises:
        StudyError: If its outcome is of other settings, so that running it would replace that.
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
