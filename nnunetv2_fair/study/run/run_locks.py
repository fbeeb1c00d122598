"""Which process may run what at a time: the study's lock, and a lock per step.

All are flocks: they end with the process that holds them, however it ends. Children that inherit
the descriptor hold them too; Snakemake does.
"""

import errno
import fcntl
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from nnunetv2_fair.errors import StudyError
from nnunetv2_fair.study.step import STATE

_RUN_LOCK = f"{STATE}/run.lock"


@contextmanager
def running_alone(folder: Path) -> Iterator[int]:
    """Hold the study's lock; yield its file descriptor.

    A process that inherits the descriptor holds the lock too: Snakemake, should this process be
    killed while Snakemake continues. A lock whose processes are all gone is free.

    Raises:
        StudyError: If another run of the study is active.
    """
    path = folder / _RUN_LOCK
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+", encoding="utf-8") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            file.seek(0)
            raise StudyError(
                f"{folder} is already being run, by {file.read().strip() or 'another process'}. "
                "Wait for it to end or stop it there, or give this study its own folder."
            ) from error
        except OSError as error:
            if error.errno not in (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP):
                raise
            raise StudyError(
                f"{folder} is on a drive without file locks ({error.strerror}), so that two runs "
                "could not be kept apart. Keep the study's folder on another drive."
            ) from error
        file.truncate(0)
        file.write(f"process {os.getpid()} on {socket.gethostname()}\n")
        file.flush()
        yield file.fileno()


@contextmanager
def only_one(path: Path) -> Iterator[None]:
    """Wait until nobody else holds the file's lock, and hold it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX)
        except OSError:
            # a few network drives have no locks: Slurm and the study's own lock must suffice
            yield
            return
        yield
