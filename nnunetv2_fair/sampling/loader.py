"""Giving nnU-Net's running data loaders a different sampler, or seeds."""

from collections.abc import Callable
from typing import Any

import numpy as np


def loader_of(augmenter: Any) -> Any:
    """Return the ``nnUNetDataLoader`` inside what ``nnUNetTrainer.get_dataloaders`` returns.

    Args:
        augmenter: A single- or multi-threaded augmenter from batchgenerators.
    """
    return augmenter.data_loader if _is_single(augmenter) else augmenter.generator


def _is_single(augmenter: Any) -> bool:
    return hasattr(augmenter, "data_loader")


def restart(
    augmenter: Any,
    sampler: Callable[[], np.ndarray] | None = None,
    seeds: Callable[[int], list[int]] | None = None,
) -> None:
    """Let a data loader draw otherwise from now on.

    nnU-Net builds the loader and starts its workers in one method. Here the workers are
    stopped, the loader gets the sampler and the workers their seeds, and they are started again:
    no code of nnU-Net's is copied, and nothing is replaced for other users of nnU-Net.

    Args:
        augmenter: As for :func:`loader_of`.
        sampler: Returns the cases of one batch; None leaves nnU-Net's choice.
        seeds: Returns a seed for each of so many workers; None leaves them to chance. Without
            workers nothing is seeded: batches are drawn in the calling process.
    """
    if sampler is None and seeds is None:
        return
    if not _is_single(augmenter):
        augmenter._finish()  # this is how nnU-Net itself stops its workers
        if seeds is not None:
            augmenter.seeds = seeds(augmenter.num_processes)
    if sampler is not None:
        loader_of(augmenter).get_indices = sampler
    next(augmenter)
