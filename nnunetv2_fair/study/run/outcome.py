"""How a run ended: what is done, and for every failure what is needed to fix it."""

import os
import re
import shlex
import signal
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from nnunetv2_fair.study.run.attempts import read_attempts, read_marker
from nnunetv2_fair.study.step import Plan, Step

SLURM_LOGS = "logs/slurm"
SNAKEMAKE_LOG = "logs/snakemake.log"
_LAST_LINES = 12
_MOST_CHARACTERS = 300
_MOST_DETAILED = 20
#: Most bytes at the end of a log that are read.
_MOST_BYTES = 1_000_000
#: What Snakemake writes about a job that failed, behind its rule.
_MESSAGE = re.compile(r"\S+\n\s+message: (.*?)\n\s+jobid: ", re.DOTALL)
_STATE = re.compile(r"SLURM status is: '(\w+)'")
_NO_HELP = (
    "For further error details see the cluster/cloud log and the log files of the involved rule(s)."
)


@dataclass(frozen=True)
class Failure:
    """A step that was to run and has no outcome.

    Attributes:
        step: The step.
        how: How it ended, as far as known.
        log: The log to look into, relative to the study's folder.
        lines: The log's last lines.
    """

    step: Step
    how: str
    log: str
    lines: tuple[str, ...]


def wanted_steps(plan: Plan, only: Sequence[str]) -> list[Step]:
    """Return the steps of a run: all, or some with all that they need."""
    if not only:
        return list(plan.steps.values())
    wanted, waiting = set(), list(only)
    while waiting:
        name = waiting.pop()
        if name not in wanted:
            wanted.add(name)
            waiting.extend(plan.steps[name].needs)
    return [step for step in plan.steps.values() if step.name in wanted]


def is_done(folder: Path, step: Step) -> bool:
    """Return whether a step's record exists."""
    return (folder / step.record).exists()


def failures(folder: Path, plan: Plan, steps: Iterable[Step], log_start: int) -> list[Failure]:
    """Return the steps that could have run and did not succeed.

    Args:
        folder: The study's folder.
        plan: Its plan.
        steps: Steps of the run.
        log_start: Where in Snakemake's log the run begins, in bytes.
    """
    found = []
    for step in steps:
        if not is_done(folder, step) and all(is_done(folder, plan.steps[n]) for n in step.needs):
            found.append(_failure(folder, step, log_start))
    return found


def _failure(folder: Path, step: Step, log_start: int) -> Failure:
    attempts, lost = read_attempts(folder, step), read_marker(folder, step)
    reason = _reason(folder, step, log_start)
    if lost is not None or attempts:
        how = "killed without warning" if lost is not None else _ended(attempts[-1].exit_code)
        state = _STATE.search(reason)
        if state and state[1] != "FAILED":  # it knows of limits that the job did not see
            how += f" (Slurm: {state[1]})"
        times = len(attempts) + (lost is not None)
        return Failure(step, _times(how, times), step.log, last_lines(folder / step.log))
    # the job itself never began: there is only the output of Slurm or Snakemake
    logs = sorted((folder / SLURM_LOGS).rglob(f"{step.name}_*/*.log"), key=_job_number)
    log = logs[-1] if logs else folder / SNAKEMAKE_LOG
    how = f"could not be started: {reason}" if reason else "could not be started"
    return Failure(step, how, str(log.relative_to(folder)),
                   last_lines(log, 0 if logs else log_start))  # fmt: skip


def _job_number(log: Path) -> tuple[int, str]:
    """Return what the name of a Slurm log begins with: Slurm counts jobs, and clocks differ."""
    digits = re.match(r"\d*", log.name)
    return int(digits[0] or 0) if digits else 0, log.name


def _reason(folder: Path, step: Step, start: int) -> str:
    """Return what Snakemake says about a step that failed; empty if that is nothing."""
    text = _tail(folder / SNAKEMAKE_LOG, start)
    found = ""
    for block in text.split("Error in rule ")[1:]:
        message = _MESSAGE.match(block)
        if message and f"output: {step.record}" in block:
            found = " ".join(message[1].split()).replace(_NO_HELP, "")
    return "" if found == "None" else found[:_MOST_CHARACTERS]


def _ended(code: int) -> str:
    if code >= 0:
        return f"exit code {code}"
    try:
        return f"ended by {signal.Signals(-code).name}"
    except ValueError:
        return f"ended by signal {-code}"


def _times(how: str, number: int) -> str:
    return f"{how}, {number} attempts so far" if number > 1 else how


def last_lines(path: Path, start: int = 0) -> tuple[str, ...]:
    """Return the last lines of a log that are not empty, each cut to a readable length."""
    text = _tail(path, start)
    # progress bars rewrite their line
    lines = [line.rstrip().rsplit("\r", 1)[-1] for line in text.split("\n")]
    lines = [line[:_MOST_CHARACTERS] for line in lines if line]
    return tuple(lines[-_LAST_LINES:])


def _tail(path: Path, start: int) -> str:
    try:
        with path.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(start, size - _MOST_BYTES))
            return file.read().decode("utf-8", errors="replace")
    except OSError:
        return ""


def summary(
    folder: Path, plan: Plan, steps: Sequence[Step], failed: Sequence[Failure], executor: str
) -> str:
    """Return the closing message of a run."""
    done = sum(is_done(folder, step) for step in steps)
    waiting = len(steps) - done - len(failed)
    head = f"{done} of {len(steps)} steps are done"
    if not failed:
        return f"{head}."
    head += f", {len(failed)} failed or did not start"
    parts = [f"{head}{f', {waiting} wait for these' if waiting else ''}."]
    for failure in failed[:_MOST_DETAILED]:
        parts += [
            f"\n{failure.step.name}: {failure.how}",
            f"  {folder / failure.log} ends with",
            *(f"    | {line}" for line in failure.lines),
            f"  to rerun it alone: {rerun_command(folder, plan, failure.step, executor)}",
        ]
    if len(failed) > _MOST_DETAILED:
        parts.append(f"\n... and {len(failed) - _MOST_DETAILED} more; see the logs' folder.")
    return "\n".join(parts)


def rerun_command(folder: Path, plan: Plan, step: Step, executor: str) -> str:
    """Return the command that runs a step alone."""
    source = Path(os.path.relpath(folder / (plan.source or "study.yaml")))
    command = ["nnUNetv2_fair_study", str(source)]
    if source.parent.resolve() != folder.resolve():
        command += ["-o", os.path.relpath(folder)]
    return shlex.join([*command, "--executor", executor, "--only", step.name])
