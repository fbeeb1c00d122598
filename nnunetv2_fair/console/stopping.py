"""Signals that end a command: it cleans up and says so in one line."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

#: What a terminal, a shell, ``timeout`` and Slurm send.
_STOPS = tuple(
    getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)
)


class Stopped(KeyboardInterrupt):
    """A signal asked this process to end.

    Attributes:
        number: The signal.
    """

    def __init__(self, number: int) -> None:
        super().__init__(signal.Signals(number).name)
        self.number = number


@contextmanager
def stopped_by_signals() -> Iterator[bool]:
    """Raise :class:`Stopped` within the block when a signal asks this process to end.

    What is ignored, by nohup or as a script's background job, stays ignored. A second signal does
    not disturb cleaning up: a closed terminal sends two. Only a second Ctrl-C ends it at once.

    Yields:
        Whether this is the outermost such block, the one to say that the command has ended.
    """
    if threading.current_thread() is not threading.main_thread():
        yield True
        return
    before = {number: signal.getsignal(number) for number in _STOPS}
    if before[signal.SIGTERM] in (_stop, _pass):
        yield False
        return
    # signals that the program around this handles itself are left to it
    usual = (signal.SIG_DFL, signal.default_int_handler)
    ours: dict[int, Any] = {n: was for n, was in before.items() if was in usual}
    for number in ours:
        signal.signal(number, _stop)
    try:
        yield True
    finally:
        for number, was in ours.items():
            signal.signal(number, was)


def _stop(number: int, frame: FrameType | None) -> None:
    for other in _STOPS:
        if signal.getsignal(other) is _stop:
            signal.signal(other, signal.SIG_DFL if other == signal.SIGINT else _pass)
    raise Stopped(number)


def _pass(number: int, frame: FrameType | None) -> None:
    pass
