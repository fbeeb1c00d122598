"""GPUs of one machine, shared by the jobs that run there without Slurm.

Reservations are locks, as in :mod:`nnunetv2_fair.files.locks`.
"""

import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from nnunetv2_fair.errors import InUseError
from nnunetv2_fair.files.locks import locked
from nnunetv2_fair.study.step import STATE

_GPU_LOCKS = f"{STATE}/gpus"
_POLL_SECONDS = 0.5


@contextmanager
def reserved_gpus(
    folder: Path, devices: Sequence[str], number: int
) -> Iterator[dict[str, int | None]]:
    """Reserve GPUs of this machine until the block ends, waiting until enough are free.

    Snakemake starts no more jobs than there are GPUs; this assigns them.

    Args:
        folder: The study's folder.
        devices: Values for ``CUDA_VISIBLE_DEVICES``.
        number: How many the job needs.

    Yields:
        GPU -> descriptor of its lock, which the job is to hold as well; None without locks.
    """
    (folder / _GPU_LOCKS).mkdir(parents=True, exist_ok=True)
    with ExitStack() as held:
        got: dict[str, int | None] = {}
        while len(got) < number:
            for device in devices:
                if len(got) < number and device not in got:
                    with suppress(InUseError):
                        lock = locked(folder / _GPU_LOCKS / f"{device}.lock")
                        got[device] = held.enter_context(lock)
            if len(got) < number:
                time.sleep(_POLL_SECONDS)
        yield got
