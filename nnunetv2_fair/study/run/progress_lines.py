"""The progress shown while a study runs: a line per start and end."""

import logging
from collections.abc import Sequence
from pathlib import Path

from nnunetv2_fair.study.run import outcome
from nnunetv2_fair.study.run.attempts import (
    EVENTS,
    FAILED,
    FINISHED,
    INTERRUPTED,
    STARTED,
    TAKEN_OVER,
    read_attempts,
    told,
)
from nnunetv2_fair.study.step import Step

logger = logging.getLogger(__name__)

_MINUTE, _HOUR = 60, 3600


class News:
    """Turns the notes that jobs leave into lines.

    Args:
        folder: The study's folder.
        steps: Steps of the run.
    """

    def __init__(self, folder: Path, steps: Sequence[Step]) -> None:
        self._folder = folder
        self._steps = {step.name: step for step in steps}
        # names, not a count: a job that ends in the second of its time limit is reported done
        # twice, because Slurm calls it failed and another one finds its outcome
        self._done = {step.name for step in steps if outcome.is_done(folder, step)}
        self._forget_old()

    def _forget_old(self) -> None:
        for name, _, _ in told(self._folder):
            (self._folder / EVENTS / name).unlink(missing_ok=True)

    def tell(self) -> None:
        """Log what has happened since the last call."""
        for name, what, step in told(self._folder):
            (self._folder / EVENTS / name).unlink(missing_ok=True)
            if step in self._steps:
                self._line(what, self._steps[step])

    def _line(self, what: str, step: Step) -> None:
        if what in (FINISHED, TAKEN_OVER):
            self._done.add(step.name)
        count = f"[{len(self._done)} of {len(self._steps)}]"
        if what == STARTED:
            logger.info("%s %s: started", count, step.name)
        elif what == TAKEN_OVER:
            logger.info("%s %s: already there", count, step.name)
        elif what == FINISHED:
            logger.info("%s %s: finished%s", count, step.name, self._after(step))
        elif what == INTERRUPTED:
            logger.warning("%s %s: interrupted%s", count, step.name, self._after(step))
        elif what == FAILED:
            logger.warning("%s %s: failed%s, see %s", count, step.name, self._after(step), step.log)

    def _after(self, step: Step) -> str:
        attempts = read_attempts(self._folder, step)
        return f" after {duration(attempts[-1].seconds)}" if attempts else ""


def duration(seconds: float) -> str:
    """Return ``3 h 5 min``, ``4 min`` or ``12 s``."""
    if seconds >= _HOUR:
        return f"{seconds // _HOUR:.0f} h {seconds % _HOUR // _MINUTE:.0f} min"
    return f"{seconds // _MINUTE:.0f} min" if seconds >= _MINUTE else f"{seconds:.0f} s"
