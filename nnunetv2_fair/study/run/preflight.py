"""What is checked on the machine before a study's first job: all problems at once."""

import importlib.util
import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

from nnunetv2_fair.errors import StudyError, shorten, shorten_lines
from nnunetv2_fair.study.step import Plan

_SLURM = ("sbatch", "squeue", "scancel", "sinfo")
_INSTALL = 'pip install "nnunetv2_fair[cluster]" (Python 3.11 or newer)'
_LEAST_FREE_BYTES = 2**30


def check_installed(executor: str) -> None:
    """Refuse to run without Snakemake, or on Slurm without its plugin and Slurm's commands.

    Raises:
        StudyError: With what is missing and how to get it.
    """
    needed = ["snakemake", "psutil"]
    if executor == "slurm":
        needed.append("snakemake_executor_plugin_slurm")
    absent = [name for name in needed if importlib.util.find_spec(name) is None]
    if absent:
        raise StudyError(f"Studies are run by {shorten(absent)}, which is missing: {_INSTALL}.")
    lacking = [name for name in _SLURM if shutil.which(name) is None]
    if executor == "slurm" and lacking:
        raise StudyError(
            f"--executor slurm: {shorten(lacking)} not found on the PATH. Run this on a login node "
            "of the cluster, load its Slurm module, or use --executor local."
        )


def check_room(folder: Path, plan: Plan) -> list[str]:
    """Return problems with the drives that the study writes to."""
    environment = {**os.environ, **plan.environment}
    places = [str(folder)]
    places += [environment.get(f"nnUNet_{name}", "") for name in ("preprocessed", "results")]
    problems = []
    for place in dict.fromkeys(filter(None, places)):
        path = Path(place)
        while not path.exists():
            path = path.parent
        free = shutil.disk_usage(path).free
        if free < _LEAST_FREE_BYTES:
            problems.append(
                f"{place}: {free / 2**20:.0f} MiB are free, at least 1 GiB is needed. "
                "Free some space."
            )
        elif not os.access(path, os.W_OK):
            problems.append(f"{place}: cannot be written to. Choose another one or ask for access.")
    return problems


def check_gpus(plan: Plan, devices: Sequence[str]) -> list[str]:
    """Return problems with the GPUs of one machine."""
    steps = [step for step in plan.steps.values() if step.resources.gpus > len(devices)]
    if not steps:
        return []
    most = max(step.resources.gpus for step in steps)
    return [
        f"{shorten([step.name for step in steps])}: up to {most} GPUs are requested, "
        f"this machine has {len(devices) or 'none'}. Ask for fewer under resources (with device: "
        "cpu for none), or use --executor slurm."
    ]


def refuse(problems: Sequence[str]) -> None:
    """Raise if there are problems.

    Raises:
        StudyError: With all of them.
    """
    if problems:
        raise StudyError(f"Nothing was started.\n{shorten_lines(problems)}")


def total_memory_mb() -> int:
    """Return the main memory of this machine."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 10**6


def most_on_this_machine(cores: int | None) -> Mapping[str, int]:
    """Return resource -> how much of it this machine gives the study."""
    # not os.cpu_count(): a container or a Slurm allocation may give fewer
    lent = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return {"_cores": cores or lent or 1, "mem_mb": total_memory_mb()}
