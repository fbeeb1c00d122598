"""Whether a step that failed is started again: not if it failed on its own."""

from collections.abc import Sequence

from nnunetv2_fair.study.record import Attempt
from nnunetv2_fair.study.run.process import STOPS

#: Exit codes of a shell for signals, minus the signal.
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
