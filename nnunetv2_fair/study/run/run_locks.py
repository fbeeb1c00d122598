"""Which process may run what at a time: the study's lock, and a lock per step.

See :mod:`nnunetv2_fair.files.locks`. Snakemake inherits the study's lock.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from nnunetv2_fair.errors import InUseError, StudyError
from nnunetv2_fair.files.locks import locked
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
    try:
        with locked(path) as descriptor:
            if descriptor is None:
                raise StudyError(
                    f"{folder} is on a drive without file locks, so that two runs could not be "
                    "kept apart. Keep the study's folder on another drive."
                )
            yield descriptor
    except InUseError as error:
        if error.path != path:
            raise
        raise StudyError(
            f"{folder} is already being run, by {error.holder}. Wait for it to end or stop it "
            "there, or give this study its own folder."
        ) from error


@contextmanager
def only_one(path: Path) -> Iterator[int | None]:
    """Wait until nobody else holds the file's lock, and hold it.

    A few network drives have no locks: Slurm and the study's own lock must suffice there.

    Yields:
        Its descriptor, for what must not run twice; None without locks.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with locked(path, wait=True) as descriptor:
        yield descriptor
