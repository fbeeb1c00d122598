"""Which process may run what at a time: locks of the study, of its steps, and of their resources.

See :mod:`nnunetv2_fair.files.locks`. Snakemake inherits the study's lock, commands those of their
step.
"""

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

from nnunetv2_fair.errors import InUseError, StudyError
from nnunetv2_fair.files.atomic import existing
from nnunetv2_fair.files.locks import LOCK, locked
from nnunetv2_fair.paths import PREPROCESSED
from nnunetv2_fair.study.step import STATE, Step

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


@contextmanager
def resource_held(
    folder: Path, step: Step, environment: Mapping[str, str]
) -> Iterator[tuple[Path, int] | None]:
    """Hold what nnU-Net's commands write and other studies may share: a fold, preprocessed data.

    Our own commands hold theirs themselves.

    Args:
        folder: The study's folder.
        step: The step.
        environment: Variables of the step's commands.

    Yields:
        The lock's file and descriptor; None if the step has none, or on a drive without locks.

    Raises:
        StudyError: If another process works there, or the folder cannot be made.
    """
    path = _resource(folder, step, environment)
    if path is None:
        yield None
        return
    with ExitStack() as stack:
        try:
            stack.enter_context(existing(path.parent))
        except OSError as error:
            raise StudyError(
                f"{step.name}: the folder {path.parent} cannot be made: "
                f"{error.strerror or error}. Move away what is in its place, or make it writable, "
                "and run nnUNetv2_fair_study again."
            ) from error
        try:
            descriptor = stack.enter_context(locked(path))
        except InUseError as error:
            raise StudyError(
                f"{step.name}: {path.parent} is in use by {error.holder}, of another study perhaps "
                "or started by hand. Wait until it is done, then run nnUNetv2_fair_study again: "
                "finished trainings are reused."
            ) from error
        yield None if descriptor is None else (path, descriptor)


def _resource(folder: Path, step: Step, environment: Mapping[str, str]) -> Path | None:
    """Return the file to lock."""
    if step.kind == "train" and step.finished:
        return folder / Path(step.finished).parent / LOCK
    preprocessed, dataset = environment.get(PREPROCESSED), step.facts.get("dataset")
    if step.kind == "preprocess" and preprocessed and dataset:
        # other configurations may be preprocessed meanwhile
        return folder / preprocessed / dataset / f".{step.name}{LOCK}"
    return None
