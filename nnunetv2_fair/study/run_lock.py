"""One run of a study at a time."""

import errno
import fcntl
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from nnunetv2_fair.errors import StudyError
from nnunetv2_fair.study.step import STATE

_LOCK = f"{STATE}/run.lock"


@contextmanager
def running_alone(folder: Path) -> Iterator[int]:
    """Hold the study's lock; yield its file descriptor.

    A process that inherits the descriptor holds the lock too: Snakemake, should this process be
    killed while it goes on. A lock whose processes are all gone is free.

    Raises:
        StudyError: If another run of the study goes on.
    """
    path = folder / _LOCK
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+", encoding="utf-8") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            file.seek(0)
            raise StudyError(
                f"{folder} is being run already, by {file.read().strip() or 'another process'}. "
                "Wait for its end or stop it there, or give this study a folder of its own."
            ) from error
        except OSError as error:
            if error.errno not in (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP):
                raise
            raise StudyError(
                f"{folder} is on a drive without file locks ({error.strerror}), so that two runs "
                "could not be told apart. Keep the study's folder on another drive."
            ) from error
        file.truncate(0)
        file.write(f"process {os.getpid()} on {socket.gethostname()}\n")
        file.flush()
        yield file.fileno()
