"""One training at a time in the folder of a fold."""

import atexit
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from nnunetv2_fair.errors import InUseError, TrainingError
from nnunetv2_fair.files.locks import LOCK, locked


@contextmanager
def fold_held(folder: Path) -> Iterator[None]:
    """Hold the folder of a fold until the block or this process ends.

    A second training would continue from the checkpoints of the first, and both would write them.

    Args:
        folder: The folder; it exists.

    Raises:
        TrainingError: If another process trains in it.
    """
    with ExitStack() as held:
        try:
            # held already by a study's step that has started this training
            held.enter_context(locked(folder / LOCK, again=True))
        except InUseError as error:
            raise TrainingError(
                f"{folder} is in use by {error.holder}, which trains this fold. Wait until it is "
                "done or stop it there; or train another fold."
            ) from error
        atexit.register(held.close)  # a training that fails does not reach its end
        try:
            yield
        finally:
            atexit.unregister(held.close)
