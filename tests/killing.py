"""Processes that are killed at the n-th change of a folder, as a power failure would end them."""

import os
import signal
import sys
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path

#: What changes folders.
CHANGES = ("open", "replace", "rename", "mkdir", "unlink", "rmdir", "remove")


def run_killed(
    work: Callable[[], int | None], inside: Path, at: int, calls: tuple[str, ...] = CHANGES
) -> tuple[int, int]:
    """Run something in a process of its own that is killed right before the n-th change.

    Args:
        work: What to run; its result is the exit code.
        inside: Only changes in this folder count.
        at: Number of the call from 1 on; 0 kills never.
        calls: Functions of ``os`` that count.

    Returns:
        The exit code, negative for a signal, and the number of changes so far.
    """
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        code = 99
        try:
            os.close(reading)
            _count(Path(os.path.realpath(inside)), at, calls, writing)
            silent = os.open(os.devnull, os.O_WRONLY)
            os.dup2(silent, 1)
            os.dup2(silent, 2)
            code = work() or 0
        except BaseException:
            traceback.print_exc(file=sys.__stderr__)
        finally:
            os._exit(code)
    os.close(writing)
    count = 0
    while data := os.read(reading, 4096):
        count += len(data)
    os.close(reading)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), count


def _count(inside: Path, at: int, calls: tuple[str, ...], writing: int) -> None:
    done = 0

    def counted(original):
        def call(path, *args, **kwargs):
            nonlocal done
            where = os.path.realpath(Path(path).parent) if _is_path(path) else ""
            reads = original.__name__ == "open" and not (args and args[0] & os.O_CREAT)
            if not reads and Path(where).is_relative_to(inside):
                done += 1
                if done == at:
                    os.kill(os.getpid(), signal.SIGKILL)
                os.write(writing, b".")
            return original(path, *args, **kwargs)

        return call

    for name in calls:
        setattr(os, name, counted(getattr(os, name)))


def _is_path(path: object) -> bool:
    return isinstance(path, str | os.PathLike)


def killed_everywhere(
    prepare: Callable[[], Path],
    work: Callable[[], int | None],
    again: Callable[[], None],
    calls: tuple[str, ...] = CHANGES,
    most: int | None = None,
) -> int:
    """Kill something at its changes in turn, and call ``again`` after each kill.

    Args:
        prepare: Makes the folder as it is before, and returns it.
        work: What to kill.
        again: Checks what is left.
        calls: Functions of ``os`` that count.
        most: Kill at so many only: the last, and others at equal distances before it.

    Returns:
        How many changes there are.
    """
    code, changes = run_killed(work, prepare(), 0, calls)
    assert code == 0
    kills = min(most or changes, changes)
    for at in sorted(changes - changes * number // kills for number in range(kills)):
        code, _ = run_killed(work, prepare(), at, calls)
        assert code == -signal.SIGKILL, f"change {at}: exit code {code}"
        again()
    return changes


def content(folder: Path) -> Mapping[str, bytes]:
    """Return all files in a folder: relative path -> content; of empty folders the path."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() if path.is_file() else b""
        for path in sorted(folder.rglob("*"))
        if path.is_file() or (path.is_dir() and not any(path.iterdir()))
    }
