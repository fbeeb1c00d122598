"""What is asked of Slurm: what it would refuse, which jobs wait and why, whom its plugin can ask.

Clusters differ: accounting may be absent, forbidden or silent, and commands may be missing.
"""

import getpass
import logging
import os
import re
import shutil
import subprocess
from collections import Counter
from datetime import datetime, timedelta
from pathlib import Path

from nnunetv2_fair.errors import StudyError, shorten
from nnunetv2_fair.files.fingerprints import text_hash
from nnunetv2_fair.study.step import STATE, Plan, Resources, Step

logger = logging.getLogger(__name__)

_PATIENCE_SECONDS = 60
#: The plugin asks for states every three minutes at the latest; a job that Slurm has forgotten by
#: then would be waited for without end.
_LEAST_MEMORY_SECONDS = 200
#: In the study's folder: commands that answer for those that refuse to.
_STAND_INS = f"{STATE}/slurm"
_SILENT = "#!/bin/sh\nexit 0\n"
#: Answers what the plugin asks ``sacct``, its last argument the name of the jobs.
_SACCT = """#!/bin/sh
case "$*" in *--name*) ;; *) exit 1;; esac
for name; do :; done
exec squeue --format='%i|%T' --states=all --noheader --name "$name"
"""


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

    It prefers Slurm's accounting, which many clusters do not have or do not let everybody see,
    and would then wait for an answer forever. Slurm itself remembers jobs for some minutes.
    """
    since = f"{datetime.now() - timedelta(days=2):%Y-%m-%dT%H:00}"
    listed = _call(
        "sacct", "-X", "--parsable2", "--clusters", "all", "--noheader", "--format=JobIdRaw,State",
        "--starttime", since, "--endtime", "now",
    )  # fmt: skip
    if listed.returncode == 0 and listed.stdout.strip():
        return ["--slurm-status-command", "sacct"]
    remembered = _seconds_remembered()
    if remembered is None or remembered >= _LEAST_MEMORY_SECONDS:
        return ["--slurm-status-command", "squeue"]
    silent = listed.returncode == 0
    logger.warning(
        "WARNING: Slurm forgets jobs %d s after their end (MinJobAge), and its accounting %s. This "
        "command may go on waiting for a job that has ended. If nothing happens for long, stop it "
        "with Ctrl-C and run it again.",
        remembered,
        "lists no job of yours yet" if silent else f"does not answer ({_said(listed)})",
    )
    return ["--slurm-status-command", "sacct" if silent else "squeue"]


def _seconds_remembered() -> int | None:
    shown = _call("scontrol", "show", "config")
    found = re.search(r"^MinJobAge\s*=\s*(\d+)", shown.stdout, re.MULTILINE)
    return int(found[1]) if found else None


def path_with_stand_ins(folder: Path, plan: Plan) -> str:
    """Return the ``PATH`` for the plugin, with commands that answer for those that refuse to.

    The plugin verifies accounts with ``sacctmgr`` and ``sshare``, and guesses one with ``sacct``
    where none is given. Where they are missing, forbidden or do not list an account, it submits
    nothing. ``sbatch`` has accepted the accounts before (:func:`slurm_problems`), and it decides.

    Args:
        folder: The study's folder.
        plan: Steps to run.
    """
    places = folder / _STAND_INS
    shutil.rmtree(places, ignore_errors=True)
    asked = {step.resources.account.lower() for step in plan.steps.values()}
    wanted = {}
    if not _verifiable(asked - {""}):
        wanted = {"sacctmgr": _SILENT, "sshare": _SILENT}
    if shutil.which("sacct") is None:
        wanted["sacct"] = _SACCT
    if not wanted:
        return os.environ.get("PATH", "")
    places.mkdir(parents=True)
    for name, script in wanted.items():
        (places / name).write_text(script, encoding="ascii")
        (places / name).chmod(0o755)
    logger.info("Note: %s %s; sbatch decides.", shorten(wanted), "cannot verify accounts here"
                if "sshare" in wanted else "is not there")  # fmt: skip
    return os.pathsep.join([str(places), os.environ.get("PATH", "")])


def _verifiable(accounts: set[str]) -> bool:
    """Return whether the plugin would be told that these are the user's accounts."""
    listed = _call("sacctmgr", "-n", "-s", "list", "user", getpass.getuser(), "format=account%256")
    if shutil.which("sacctmgr") is None:
        return False
    if listed.returncode or not listed.stdout.strip():
        listed = _call("sshare", "-U", "--format", "Account%256", "--noheader")
        if listed.returncode:
            return False
    known = {line.strip().lower() for line in listed.stdout.splitlines() if line.strip()}
    return not known or accounts <= known


class Waiting:
    """Tells why jobs wait in Slurm's queue, as soon as that changes.

    Args:
        folder: The study's folder.
    """

    def __init__(self, folder: Path) -> None:
        self._prefix = job_prefix(folder)
        self._told: frozenset[str] = frozenset()

    def tell(self) -> None:
        """Ask Slurm, and log the reasons if there are others than at the last time."""
        listed = _call("squeue", "--noheader", f"--user={getpass.getuser()}", "--states=PENDING",
                       "--format=%j|%r")  # fmt: skip
        rows = [line.rpartition("|") for line in listed.stdout.splitlines()]
        reasons = Counter(
            reason.strip() for name, _, reason in rows if name.startswith(self._prefix)
        )
        if set(reasons) - self._told:
            number = sum(reasons.values())
            logger.info(
                "%d %s in Slurm's queue: %s", number, "job waits" if number == 1 else "jobs wait",
                shorten(f"{reason} ({count})" for reason, count in reasons.most_common()),
            )  # fmt: skip
        self._told = frozenset(reasons)


def _call(*command: str) -> "subprocess.CompletedProcess[str]":
    try:
        return subprocess.run(
            command, capture_output=True, text=True, check=False, timeout=_PATIENCE_SECONDS
        )
    except subprocess.TimeoutExpired:
        return subprocess.CompletedProcess(command, 1, "", f"no answer to {command[0]}")
    except OSError as error:
        return subprocess.CompletedProcess(command, 127, "", f"{command[0]}: {error.strerror}")


def _said(done: "subprocess.CompletedProcess[str]") -> str:
    lines = done.stderr.strip().splitlines()
    return lines[-1].removeprefix("sbatch: ").rstrip(".") if lines else f"exit {done.returncode}"
