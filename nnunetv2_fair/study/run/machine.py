"""Where a step runs: host, Slurm job, GPUs, versions, commit."""

import json
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import nnunetv2_fair
from nnunetv2_fair.files import versions as installed

_PATIENCE_SECONDS = 60


def host() -> str:
    """Return the machine's name."""
    return socket.gethostname()


def slurm_job(environment: Mapping[str, str]) -> str:
    """Return Slurm's id of this job, ``12_3`` for an array's; empty on a machine without."""
    array, task = (environment.get(f"SLURM_ARRAY_{name}_ID") for name in ("JOB", "TASK"))
    return f"{array}_{task}" if array and task else environment.get("SLURM_JOB_ID", "")


def gpu_names(environment: Mapping[str, str]) -> list[str]:
    """Return the names of the GPUs that a process can use."""
    listed = _nvidia_smi("--query-gpu=index,uuid,name", "--format=csv,noheader")
    rows = [[cell.strip() for cell in line.split(",", 2)] for line in listed]
    rows = [row for row in rows if len(row) == 3]
    visible = environment.get("CUDA_VISIBLE_DEVICES")
    if visible is None:
        return [name for _, _, name in rows]
    wanted = [text.strip() for text in visible.split(",") if text.strip()]
    return [
        name for text in wanted for index, uuid, name in rows if text == index
        or uuid.startswith(text)
    ]  # fmt: skip


def devices() -> list[str]:
    """Return the possible entries of ``CUDA_VISIBLE_DEVICES`` on this machine."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is not None:
        return [text.strip() for text in visible.split(",") if text.strip() not in ("", "-1")]
    return [line.strip() for line in _nvidia_smi("--query-gpu=index", "--format=csv,noheader")]


def _nvidia_smi(*arguments: str) -> list[str]:
    if shutil.which("nvidia-smi") is None:
        return []
    try:
        done = subprocess.run(
            ["nvidia-smi", *arguments],
            capture_output=True, text=True, check=False, timeout=_PATIENCE_SECONDS,
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired):
        return []
    return done.stdout.splitlines() if done.returncode == 0 else []


def versions(interpreter: Sequence[str], environment: Mapping[str, str]) -> dict[str, str]:
    """Return the versions that a step's commands run with, and ``commit`` of a checkout.

    Args:
        interpreter: Start of a command that runs the commands' Python, in their container.
        environment: Variables of the commands.
    """
    found = {"nnunetv2_fair": nnunetv2_fair.__version__}
    if list(interpreter) == [sys.executable]:
        found |= installed.installed_versions()
    else:
        found |= _asked(interpreter, environment)
    commit = _commit(Path(nnunetv2_fair.__file__).parents[1])
    return found | ({"commit": commit} if commit else {})


def _asked(interpreter: Sequence[str], environment: Mapping[str, str]) -> dict[str, str]:
    """Ask another interpreter; if it cannot answer, a finished training must not be lost."""
    try:
        done = subprocess.run(
            [*interpreter, "-"], input=Path(installed.__file__).read_text(encoding="utf-8"),
            capture_output=True, text=True, check=True, timeout=_PATIENCE_SECONDS,
            env=dict(environment),
        )  # fmt: skip
        # output of the environment's start-up comes before
        answer: dict[str, str] = json.loads(done.stdout.splitlines()[-1])
    except (OSError, subprocess.SubprocessError, ValueError, IndexError):
        return {}
    return answer


def _commit(checkout: Path) -> str:
    """Return the commit of our own checkout, marked if files were changed; empty without one."""
    if not (checkout / ".git").exists() or shutil.which("git") is None:
        return ""
    describe = ["describe", "--always", "--dirty=+changes", "--abbrev=40", "--exclude=*"]
    done = subprocess.run(
        ["git", "--no-optional-locks", "-C", str(checkout), *describe],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    return done.stdout.strip()
