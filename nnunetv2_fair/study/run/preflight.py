"""What is checked on the machine before a study's first job: all problems at once."""

import getpass
import importlib.util
import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from nnunetv2_fair.errors import StudyError, shorten, shorten_lines
from nnunetv2_fair.files.fingerprints import text_hash
from nnunetv2_fair.study.step import Plan, Resources, Step

_SLURM = ("sbatch", "squeue", "scancel", "sinfo")
_INSTALL = 'pip install "nnunetv2_fair[cluster]" (Python 3.11 or newer)'
_LEAST_FREE_BYTES = 2**30
_PATIENCE_SECONDS = 60


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


def slurm_problems(plan: Plan) -> list[str]:
    """Return what Slurm would refuse: partitions, accounts, constraints, amounts."""
    asked = _call("sinfo", "--noheader", "--format=%R")
    if asked.returncode:
        return [
            f"Slurm does not answer: {_said(asked)}. Try sinfo; ask the cluster's administrators."
        ]
    partitions = set(asked.stdout.split())
    by_resources: dict[Resources, list[Step]] = {}
    for step in plan.steps.values():
        by_resources.setdefault(step.resources, []).append(step)
    problems = []
    for resources, steps in by_resources.items():
        names = shorten([step.name for step in steps], 2)
        # Slurm takes several, separated by commas
        unknown = set(filter(None, resources.partition.split(","))) - partitions
        if unknown:
            problems.append(
                f"{names}: there is no partition {shorten(sorted(unknown))}; there are "
                f"{shorten(sorted(partitions), 20)}. Change it under resources."
            )
            continue
        tried = _call("sbatch", "--test-only", *_sbatch_arguments(resources), "--wrap=true")
        if tried.returncode:
            problems.append(
                f"{names}: Slurm refuses {_described(resources)}: {_said(tried)}. Change it under "
                "resources."
            )
    return problems


def _sbatch_arguments(resources: Resources) -> list[str]:
    """Return how Snakemake's plugin asks for them."""
    arguments = {
        "--partition": resources.partition,
        "--account": resources.account,
        "--constraint": resources.constraint,
        "--gpus": str(resources.gpus or ""),
        "--cpus-per-task": str(resources.cpus),
        "--mem": str(resources.memory_mb),
        "--time": str(resources.runtime_min),
    }
    return [f"{name}={value}" for name, value in arguments.items() if value]


def _described(resources: Resources) -> str:
    said = {
        "partition": resources.partition, "account": resources.account,
        "constraint": resources.constraint, "gpus": resources.gpus, "cpus": resources.cpus,
        "memory": f"{resources.memory_mb} MB", "runtime": f"{resources.runtime_min} min",
    }  # fmt: skip
    return ", ".join(f"{name} {value}" for name, value in said.items() if value)


def job_prefix(folder: Path) -> str:
    """Return how the names of a study's Slurm jobs begin; the same for every run in a folder."""
    return "study_" + text_hash(str(folder.resolve()))[:12]


def check_queue(folder: Path) -> None:
    """Refuse to submit while jobs of an earlier run, killed with its login node, are in the queue.

    Raises:
        StudyError: With the command that cancels them.
    """
    listed = _call("squeue", "--noheader", f"--user={getpass.getuser()}", "--format=%i %j")
    rows = [line.split(maxsplit=1) for line in listed.stdout.splitlines()]
    left = [row[0] for row in rows if len(row) == 2 and row[1].startswith(job_prefix(folder))]
    if left:
        raise StudyError(
            f"{folder}: {len(left)} Slurm jobs of an earlier run are still in the queue. Wait for "
            f"them, or cancel them: scancel {' '.join(left)}"
        )


def status_options() -> list[str]:
    """Return the plugin's options for querying the state of a job.

    It prefers Slurm's accounting, which many small clusters do not have, and would then wait for
    an answer forever.
    """
    accounting = shutil.which("sacct") is not None and _call("sacct", "-X", "-n").returncode == 0
    return ["--slurm-status-command", "sacct" if accounting else "squeue"]


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


def _call(*command: str) -> "subprocess.CompletedProcess[str]":
    try:
        return subprocess.run(
            command, capture_output=True, text=True, check=False, timeout=_PATIENCE_SECONDS
        )
    except subprocess.TimeoutExpired:
        return subprocess.CompletedProcess(command, 1, "", f"no answer to {command[0]}")


def _said(done: "subprocess.CompletedProcess[str]") -> str:
    lines = done.stderr.strip().splitlines()
    return lines[-1].removeprefix("sbatch: ").rstrip(".") if lines else f"exit {done.returncode}"
