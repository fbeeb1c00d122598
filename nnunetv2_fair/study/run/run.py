"""Running a study's plan: Snakemake schedules; this checks before, reports progress, sums up."""

import json
import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from datetime import datetime, timezone
from pathlib import Path
from types import FrameType
from typing import Any, Literal

from nnunetv2_fair.errors import StudyError, shorten
from nnunetv2_fair.study.run import machine, outcome, preflight, slurm
from nnunetv2_fair.study.run.execute import wrapped
from nnunetv2_fair.study.run.process import STOPS
from nnunetv2_fair.study.run.progress_lines import News
from nnunetv2_fair.study.run.resuming import forget_incomplete
from nnunetv2_fair.study.run.run_locks import running_alone
from nnunetv2_fair.study.step import STATE, Plan, Step, read_plan

logger = logging.getLogger(__name__)

Executor = Literal["local", "slurm"]
_SNAKEFILE = Path(__file__).with_name("Snakefile")
_CONFIG = f"{STATE}/run.json"
_POLL_SECONDS = 0.5
#: How often Slurm is asked why jobs wait.
_QUEUE_SECONDS = 60
#: Jobs in Slurm's queue at a time, unless the user sets it.
_SLURM_JOBS = 100
#: The plugin asks less and less often while nothing ends, so this is the most, not the usual.
_SECONDS_BEFORE_STATUS = 10
#: How long files of other nodes may take to appear on a network drive.
_LATENCY_SECONDS = {"local": 5, "slurm": 60}
_INTERRUPTED = 130


def run_study(
    folder: Path,
    *,
    executor: Executor = "local",
    jobs: int | None = None,
    cores: int | None = None,
    gpus: int | None = None,
    only: Sequence[str] = (),
) -> int:
    """Run what is missing of a study's plan.

    A failed step does not stop those that do not need it. A second call runs what is missing.

    Args:
        folder: The study's folder, with its plan.
        executor: ``local``: on this machine; ``slurm``: as jobs of Slurm.
        jobs: Most jobs at a time; None for as many as cores and GPUs allow, or 100 in Slurm's
            queue.
        cores: Cores of this machine to use, for ``local``; None for all.
        gpus: GPUs of this machine to use, for ``local``; None for all.
        only: Names of steps: only these run, with what they need and is missing.

    Returns:
        0 if all is done, 1 if something failed, 130 if it was interrupted.

    Raises:
        StudyError: If it cannot be started; then nothing has been done.
    """
    folder = folder.resolve()
    preflight.check_installed(executor)
    plan = _plan(folder, only)
    with running_alone(folder) as lock:
        for sentence in forget_incomplete(folder, plan):
            logger.info("%s", sentence)
        steps = outcome.wanted_steps(plan, only)
        missing = [step for step in steps if not outcome.is_done(folder, step)]
        if not missing:
            logger.info("All %d steps are done already.", len(steps))
            _name_page(folder, plan)
            return 0
        devices = machine.devices()[:gpus] if executor == "local" else []
        if executor == "local" and gpus is not None and len(devices) < gpus:
            raise StudyError(f"--gpus {gpus}: this machine has {len(devices) or 'none'}.")
        _check(folder, plan, missing, executor, devices)
        _bring_back_from_the_future(folder, plan)
        logger.info("%d of %d steps are to run.", len(missing), len(steps))
        config = {
            "run": f"{datetime.now(timezone.utc):%Y%m%dT%H%M%S}-{os.getpid()}",
            "only": list(only),
            "devices": ",".join(devices),
            "most": preflight.most_on_this_machine(cores) if executor == "local" else {},
        }
        environment = dict(os.environ)
        waiting = None
        if executor == "slurm":
            environment["PATH"] = slurm.path_with_stand_ins(folder, _of(plan, missing))
            waiting = slurm.Waiting(folder)
        news = News(folder, steps)
        stopped, start = _snakemake(
            folder, _snakemake_command(folder, executor, jobs, config), config, environment, lock,
            news, waiting,
        )  # fmt: skip
        failed = outcome.failures(folder, plan, steps, start)
        if failed and not only:
            _write_index(folder, plan)
        if stopped:
            logger.info("Stopped. The same command resumes from here.")
            return _INTERRUPTED
        logger.info("%s", outcome.summary(folder, plan, steps, failed, executor))
        _name_page(folder, plan)
        return 1 if failed else 0


def _plan(folder: Path, only: Sequence[str]) -> Plan:
    try:
        plan = read_plan(folder)
    except OSError as error:
        raise StudyError(
            f"{folder} holds no plan of a study. Make one: nnUNetv2_fair_study study.yaml"
        ) from error
    unknown = [name for name in only if name not in plan.steps]
    if unknown:
        raise StudyError(
            f"--only: the study has no step {shorten(unknown)}. Its steps are listed by --dry-run."
        )
    return plan


def _bring_back_from_the_future(folder: Path, plan: Plan) -> None:
    """Date records that a clock ahead of ours has written.

    Snakemake refuses what a job has written if what it needed is younger.
    """
    for step in plan.steps.values():
        record = folder / step.record
        if record.exists() and record.stat().st_mtime > time.time():
            os.utime(record)


def _of(plan: Plan, steps: Sequence[Step]) -> Plan:
    return Plan(plan.title, {step.name: step for step in steps})


def _check(
    folder: Path, plan: Plan, missing: Sequence[Step], executor: Executor, devices: Sequence[str]
) -> None:
    to_run = _of(plan, missing)
    problems = preflight.check_room(folder, plan)
    if executor == "slurm":
        slurm.check_queue(folder)
        problems += slurm.slurm_problems(to_run)
    else:
        problems += preflight.check_gpus(to_run, devices)
    preflight.refuse(problems)


def _snakemake(
    folder: Path,
    command: Sequence[str],
    config: Mapping[str, Any],
    environment: Mapping[str, str],
    lock: int,
    news: News,
    waiting: slurm.Waiting | None,
) -> tuple[bool, int]:
    """Run Snakemake to its end.

    Returns:
        Whether the user stopped it, and where its log of this run begins.
    """
    config_file = folder / _CONFIG
    config_file.write_text(json.dumps(config) + "\n", encoding="utf-8")
    log_file = folder / outcome.SNAKEMAKE_LOG
    log_file.parent.mkdir(parents=True, exist_ok=True)
    with log_file.open("ab") as log, _Stopping() as stopping:
        start = log.tell()
        process = subprocess.Popen(
            command, cwd=folder, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT,
            start_new_session=True, pass_fds=[lock], env=dict(environment),
        )  # fmt: skip
        told = False
        asked = time.monotonic()
        while process.poll() is None:
            time.sleep(_POLL_SECONDS)
            news.tell()
            if waiting is not None and time.monotonic() - asked > _QUEUE_SECONDS:
                waiting.tell()
                asked = time.monotonic()
            if stopping.asked and not told:
                told = True
                logger.info("Stopping: running jobs are ended, checkpoints are kept.")
                # Snakemake cancels Slurm's jobs; on this machine they are in its group and end too
                os.killpg(process.pid, signal.SIGINT)
        news.tell()
    return stopping.asked, start


class _Stopping:
    """Records within its block that the user wants to stop."""

    def __init__(self) -> None:
        self.asked = False
        self._before: dict[signal.Signals, Any] = {}

    def __enter__(self) -> "_Stopping":
        for number in STOPS:
            self._before[number] = signal.getsignal(number)
            ignored = self._before[number] is signal.SIG_IGN
            # what is ignored, by nohup or as a script's background job, stays ignored; but
            # by a function, because Snakemake would inherit SIG_IGN, and it must receive the signal
            signal.signal(number, self._pass if ignored else self._stop)
        return self

    def __exit__(self, *error: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _stop(self, number: int, frame: FrameType | None) -> None:
        self.asked = True

    def _pass(self, number: int, frame: FrameType | None) -> None:
        pass


def _snakemake_command(
    folder: Path, executor: Executor, jobs: int | None, config: Mapping[str, Any]
) -> list[str]:
    most, gpus = config["most"], len(config["devices"])
    command = [
        sys.executable, "-m", "snakemake", "--snakefile", str(_SNAKEFILE), "--directory",
        str(folder), "--configfile", str(folder / _CONFIG), "--nocolor", "--keep-going",
        # records appear whole or not at all, and the lock is ours: nothing to repair after a kill
        "--nolock", "--ignore-incomplete", "--drop-metadata",
        "--rerun-triggers", "mtime", "--scheduler", "greedy",
        "--latency-wait", str(_LATENCY_SECONDS[executor]),
        "--default-resources", "tmpdir=system_tmpdir",
    ]  # fmt: skip
    if executor == "slurm":
        return [
            *command, "--executor", "slurm", "--jobs", str(jobs or _SLURM_JOBS),
            "--slurm-jobname-prefix", slurm.job_prefix(folder),
            "--slurm-logdir", str(folder / outcome.SLURM_LOGS),
            # the plugin leaves jobs of pre-empted and broken nodes to Slurm
            "--slurm-requeue",
            "--slurm-init-seconds-before-status-checks", str(_SECONDS_BEFORE_STATUS),
            *slurm.status_options(),
        ]  # fmt: skip
    limits = {"mem_mb": most["mem_mb"], "gpu": gpus, "job": jobs or most["_cores"]}
    return [
        *command, "--cores", str(most["_cores"]), "--resources",
        *(f"{name}={value}" for name, value in limits.items()),
    ]  # fmt: skip


def _name_page(folder: Path, plan: Plan) -> None:
    """Tell where the index page is, if there is one."""
    pages = [p for s in plan.steps.values() if s.kind == "index" for p in s.outputs]
    for page in (folder / name for name in pages if name.endswith(".html")):
        if page.is_file():
            logger.info("What was found: %s", page)


def _write_index(folder: Path, plan: Plan) -> None:
    """Write the index page of what exists: its step waits for steps that have failed."""
    for step in plan.steps.values():
        if step.kind == "index":
            with (folder / step.log).open("ab") as log:
                for command in step.commands:
                    subprocess.run(
                        wrapped(plan, command), cwd=folder, stdin=subprocess.DEVNULL, stdout=log,
                        stderr=subprocess.STDOUT, check=False, env={**os.environ,
                        **plan.environment},
                    )  # fmt: skip
