"""Seeds of trainings whose name says which run they are: ``_run2``."""

import random

import numpy as np
import torch


def _numbers(n: int, *key: int) -> list[int]:
    return [int(number) for number in np.random.SeedSequence(key).generate_state(n)]


def seed_process(run: int, rank: int, stage: int) -> None:
    """Seed everything that this process draws: weights, and batches without worker processes.

    Args:
        run: Number of the run, 1 or more.
        rank: Of this process in a training of several.
        stage: Different stages of one run draw differently.
    """
    (seed,) = _numbers(1, run, rank, stage)
    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)


def worker_seeds(run: int, rank: int, epoch: int, part: int, n: int) -> list[int]:
    """Return a seed for each worker process of a data loader.

    Args:
        run: Number of the run, 1 or more.
        rank: Of the training's process.
        epoch: The one that begins.
        part: 0 for training, 1 for validation.
        n: Number of workers.

    Returns:
        ``n`` different seeds, 0 to 2**32 - 1.
    """
    return _numbers(n, run, rank, epoch, part)
