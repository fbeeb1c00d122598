"""The folder of a training, used by one command at a time, and how far the training is."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from nnunetv2_fair import paths
from nnunetv2_fair.errors import InUseError, UsageError
from nnunetv2_fair.files.atomic import existing
from nnunetv2_fair.files.locks import LOCK, locked
from nnunetv2_fair.files.outputs import check_writable


def training_folder(given: Path | None, dataset: str, name: str) -> Path:
    """Return ``--training``; by default a folder of the dataset in ``nnUNet_results``.

    Args:
        given: What was given.
        dataset: Name of the dataset's folder.
        name: Of the default folder.
    """
    return given or paths.environment_folder(paths.RESULTS) / dataset / name


@contextmanager
def held(training: Path) -> Iterator[Path]:
    """Make the folder if it is not there, and keep others out.

    Raises:
        UsageError: If another command uses it, or it cannot be written to.
    """
    check_writable(training)
    try:
        with existing(training), locked(training / LOCK):
            yield training
    except InUseError as error:
        raise UsageError(
            f"{training} is in use by {error.holder}. Wait until it is done, or choose another "
            "--training."
        ) from error


def show(bar: Any, done: int) -> None:
    """Move a bar of tqdm to the steps that are done."""
    if not bar.n:  # steps of an earlier run say nothing of the time left
        bar.n = bar.last_print_n = bar.initial = done
    bar.update(done - bar.n)
