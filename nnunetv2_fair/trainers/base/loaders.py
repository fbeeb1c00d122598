"""nnU-Net's data loaders, started again where they must draw or augment differently."""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from nnunetv2_fair.sampling.loader import restart
from nnunetv2_fair.trainers.shared.seeding import seed_process, worker_seeds


def start_loaders(
    train: Any,
    val: Any,
    sampler: Callable[[], np.ndarray] | None,
    run: int | None,
    rank: int,
    epoch: int,
) -> None:
    """Start the workers again with this training's sampler and the run's seeds.

    Args:
        train: nnU-Net's loader of training batches.
        val: Of validation batches.
        sampler: Cases of each training batch; None leaves nnU-Net's choice.
        run: Number of the run, or None for one that is not seeded.
        rank: Of this process.
        epoch: The one that begins: a training that is continued must not see the batches of its
            beginning again.
    """
    if run is None:
        restart(train, sampler)
        return
    key = (run, rank, epoch)
    restart(train, sampler, partial(worker_seeds, *key, 0))
    restart(val, None, partial(worker_seeds, *key, 1))
    seed_process(run, rank, epoch + 1)
