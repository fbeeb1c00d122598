"""GPUs of one machine, shared by the jobs that run there without Slurm.

Reservations are flocks, as in :mod:`nnunetv2_fair.study.run.run_locks`.
"""

import fcntl
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO

from nnunetv2_fair.study.step import STATE

_GPU_LOCKS = f"{STATE}/gpus"
_POLL_SECONDS = 0.5


@contextmanager
def reserved_gpus(folder: Path, devices: Sequence[str], number: int) -> Iterator[list[str]]:
    """Reserve GPUs of this machine until the block ends, waiting until enough are free.

    Snakemake starts no more jobs than there are GPUs; this assigns them.

    Args:
        folder: The study's folder.
        devices: Values for ``CUDA_VISIBLE_DEVICES``.
        number: How many the job needs.
    """
    (folder / _GPU_LOCKS).mkdir(parents=True, exist_ok=True)
    with ExitStack() as held:
        got: list[str] = []
        while len(got) < number:
            for device in devices:
                if len(got) < number and device not in got:
                    file = held.enter_context((folder / _GPU_LOCKS / f"{device}.lock").open("a"))
                    if _try_lock(file):
                        got.append(device)
            if len(got) < number:
                time.sleep(_POLL_SECONDS)
        yield got


def _try_lock(file: IO[str]) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
