"""One command of a step: started, monitored, and ended when the step must end."""

import contextlib
import os
import resource
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import IO, Any

#: What Slurm, a shell and a terminal send to end a job. Slurm kills 30 s later by default.
STOPS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
_GRACE_SECONDS = 20.0
_SAMPLE_SECONDS = 1.0
#: Memory is sampled often at first, when it grows.
_SAMPLES_OF_START = 60
_LATER_SAMPLE_SECONDS = 10.0
_MEGABYTE = 1_000_000


@dataclass
class Stopper:
    """Turns the signals that end a job into signals to the command that runs, within its block.

    Attributes:
        received: The signal; 0 until one comes.
    """

    received: int = 0
    _process: subprocess.Popen[bytes] | None = None
    _deadline: float = 0.0
    _before: dict[signal.Signals, Any] = field(default_factory=dict)

    def __enter__(self) -> "Stopper":
        for number in STOPS:
            handler = signal.getsignal(number)
            # a job under nohup must not end with the terminal
            if handler is not signal.SIG_IGN:
                self._before[number] = handler
                signal.signal(number, self._on_signal)
        return self

    def __exit__(self, *error: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        if not self.received:
            self.received = number
            self._deadline = time.monotonic() + _GRACE_SECONDS
        if self._process is not None:
            kill_group(self._process, signal.SIGTERM)

    def watch(self, process: subprocess.Popen[bytes] | None) -> None:
        """Set which command runs; None for none. One that starts after the signal is ended."""
        self._process = process
        if process is not None and self.received:
            kill_group(process, signal.SIGTERM)

    @property
    def out_of_patience(self) -> bool:
        """Whether the command has had enough time to end on its own."""
        return self.received != 0 and time.monotonic() > self._deadline


def kill_group(process: subprocess.Popen[bytes], number: int) -> None:
    """Send a signal to a command and all that it has started."""
    # it may have just ended
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, number)


def run_command(
    command: Sequence[str],
    folder: Path,
    environment: Mapping[str, str],
    log: IO[bytes],
    stopper: Stopper,
    on_sample: Callable[[float], None],
    locks: Sequence[int] = (),
) -> int:
    """Run a command to its end.

    Args:
        command: Program and arguments.
        folder: Its working directory.
        environment: All of its variables.
        log: Where its output goes.
        stopper: Ends it when this process must end.
        on_sample: Called from time to time with the megabytes that it and its children hold.
        locks: Descriptors of locks that it is to hold as long as it runs.

    Returns:
        Its exit code; negative for a signal; 127 if it could not be started.
    """
    try:
        process = subprocess.Popen(
            command, cwd=folder, env=dict(environment), stdin=subprocess.DEVNULL, stdout=log,
            stderr=subprocess.STDOUT, start_new_session=True,
            pass_fds=locks,
        )  # fmt: skip
    except OSError as error:
        log.write(f"{command[0]} cannot be started: {error}\n".encode())
        return 127
    stopper.watch(process)
    samples = 0
    while True:
        try:
            process.wait(_LATER_SAMPLE_SECONDS if samples > _SAMPLES_OF_START else _SAMPLE_SECONDS)
            break
        except subprocess.TimeoutExpired:
            samples += 1
            on_sample(held_megabytes(process.pid))
        if stopper.out_of_patience:
            kill_group(process, signal.SIGKILL)
    stopper.watch(None)
    # workers that outlive their parent would hold the GPU of the next attempt
    kill_group(process, signal.SIGKILL)
    # of a command that ended before the first sample; the kernel counts kibibytes
    largest = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024 / _MEGABYTE
    on_sample(largest)
    return process.returncode


def held_megabytes(pid: int) -> float:
    """Return the main memory that a process and all its children hold.

    Pages that several of them share count once: nnU-Net's workers share most of theirs.
    """
    import psutil

    try:
        parent = psutil.Process(pid)
        family = [parent, *parent.children(recursive=True)]
    except psutil.Error:
        return 0.0
    total = 0
    for process in family:
        try:
            full = process.memory_full_info()
            total += getattr(full, "pss", full.rss)
        except (psutil.Error, OSError):
            continue  # it has just ended
    return total / _MEGABYTE
