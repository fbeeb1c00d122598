"""What is left of a training that was refused: nothing, not even the folder that nnU-Net made."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from nnunetv2.training.nnUNetTrainer.nnUNetTrainer import nnUNetTrainer

from nnunetv2_fair.errors import FairError


@contextmanager
def removing_traces(trainer: nnUNetTrainer) -> Iterator[None]:
    """Remove the training's folder if the block refuses it before anything was put there.

    nnU-Net makes the folder, with a log that begins with its citation, as soon as a trainer is
    built. Where anything else lies in it, all of it stays.

    Args:
        trainer: The trainer.
    """
    try:
        yield
    except FairError:
        if trainer.local_rank == 0:
            _remove(Path(trainer.output_folder), Path(trainer.log_file))
        raise


def _remove(folder: Path, log: Path) -> None:
    with suppress(OSError):
        if [path.name for path in folder.iterdir()] != [log.name]:
            return
        log.unlink()
        # of the fold, the trainer, and the dataset, as far as they are empty
        for empty in (folder, *list(folder.parents)[:2]):
            empty.rmdir()
