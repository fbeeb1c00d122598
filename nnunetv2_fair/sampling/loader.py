"""Giving nnU-Net's running data loaders a different sampler."""

from collections.abc import Callable
from typing import Any

import numpy as np


def replace_sampler(augmenter: Any, sampler: Callable[[], np.ndarray] | None) -> Any:
    """Let ``sampler`` draw the cases of every batch of a data loader.

    nnU-Net builds the loader and starts its workers in one method. Here the workers are
    stopped, the loader gets the sampler, and the workers are started again: no code of nnU-Net's
    is copied, and nothing is replaced for other users of nnU-Net.

    Args:
        augmenter: What ``nnUNetTrainer.get_dataloaders`` returns: a single- or multi-threaded
            augmenter from batchgenerators.
        sampler: Returns the cases of one batch; None changes nothing.

    Returns:
        The ``nnUNetDataLoader`` inside.
    """
    is_single_threaded = hasattr(augmenter, "data_loader")
    loader = augmenter.data_loader if is_single_threaded else augmenter.generator
    if sampler is not None:
        if not is_single_threaded:
            augmenter._finish()  # this is how nnU-Net itself stops its workers
        loader.get_indices = sampler
        next(augmenter)
    return loader
