"""What one job of a study runs: ``python -m nnunetv2_fair.study.run.execute FOLDER STEP``."""

import argparse
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from datetime import datetime, timezone
from pathlib import Path
from typing import IO

from nnunetv2_fair.console.last_resort import last_words
from nnunetv2_fair.errors import FairError, StudyError
from nnunetv2_fair.files.locks import INHERITED
from nnunetv2_fair.study.plan.steps.commands import shown
from nnunetv2_fair.study.record import Attempt, Record, find_record
from nnunetv2_fair.study.run import machine
from nnunetv2_fair.study.run.attempts import (
    FAILED,
    FINISHED,
    INTERRUPTED,
    RUNNING,
    STARTED,
    TAKEN_OVER,
    append_attempt,
    marker_file,
    read_attempts,
    read_marker,
    tell,
    write_marker,
)
from nnunetv2_fair.study.run.gpu_reservations import reserved_gpus
from nnunetv2_fair.study.run.process import Stopper, run_command
from nnunetv2_fair.study.run.resuming import (
    absent_outputs,
    forget_record,
    how_far,
    set_aside_damaged,
)
from nnunetv2_fair.study.run.retries import SHELL_OFFSET, has_failed, was_interrupted
from nnunetv2_fair.study.run.run_locks import only_one, resource_held
from nnunetv2_fair.study.step import Plan, Step, read_plan

_MARKER_SECONDS = 30.0
#: nnU-Net trains on a CPU with as many threads as the machine has cores, whatever the step was
#: given. Threads that are busy while they wait make steps beside each other several times slower.
_UNLESS_SET = {"OMP_WAIT_POLICY": "passive"}


@dataclass
class _Watch:
    """Keeps the marker of the running attempt up to date."""

    folder: Path
    step: Step
    attempt: Attempt
    begun: float = field(default_factory=time.monotonic)
    _written: float = 0.0

    def sample(self, megabytes: float) -> None:
        peak = max(self.attempt.peak_memory_mb, round(megabytes, 1))
        seconds = round(time.monotonic() - self.begun, 2)
        self.attempt = replace(self.attempt, peak_memory_mb=peak, seconds=seconds)
        if time.monotonic() - self._written > _MARKER_SECONDS:
            self._written = time.monotonic()
            write_marker(self.folder, self.step, self.attempt)


def execute(folder: Path, name: str, *, run: str = "", devices: Sequence[str] = ()) -> int:
    """Run a step until its record is written.

    Args:
        folder: The study's folder.
        name: The step.
        run: Which call of ``nnUNetv2_fair_study`` this is for: what failed on its own in it is
            not retried by Snakemake.
        devices: GPUs of this machine to choose from; empty if Slurm chooses.

    Returns:
        0 if the record exists, 128 and the signal if this process was asked to stop, else 1.

    Raises:
        StudyError: If there is no such step, or its outcome cannot be made without overwriting.
    """
    plan = read_plan(folder)
    if name not in plan.steps:
        raise StudyError(
            f"{folder} has no step {name!r}: the plan has changed since this job was submitted. "
            "Run nnUNetv2_fair_study again."
        )
    step = plan.steps[name]
    with only_one(folder / RUNNING / f"{name}.lock") as lock:
        if find_record(folder / step.record) is not None:
            if read_marker(folder, step) is not None:  # killed right after it was done
                _say_finished(folder, step)
            return 0
        forget_record(folder, step)  # of a full disk
        lost = _note_lost(folder, step)
        earlier = read_attempts(folder, step)
        if not lost and run and has_failed(earlier, run):
            sys.stderr.write(f"{name} failed on its own and will not be retried.\n")
            return 1
        if run and sum(attempt.run == run for attempt in earlier) >= step.attempts:
            # Slurm itself restarts a pre-empted job
            sys.stderr.write(f"{name} was started {step.attempts} times and will not be retried.\n")
            return 1
        attempt = Attempt(
            started=datetime.now(timezone.utc).isoformat(timespec="seconds"),
            seconds=0.0, exit_code=0, host=machine.host(), job=machine.slurm_job(os.environ),
            run=run,
        )  # fmt: skip
        log = folder / step.log
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("ab", buffering=0) as output, ExitStack() as held:
            environment = {**_UNLESS_SET, **os.environ, **plan.environment}
            locks = [lock]
            try:
                resource = held.enter_context(resource_held(folder, step, environment))
                for line in set_aside_damaged(folder, step):
                    output.write(f"\n=== {attempt.started}: {line}\n".encode())
                begun = how_far(folder, step, earlier, environment)
            except StudyError as error:
                output.write(f"\n=== {attempt.started}: not started\n{error}\n".encode())
                append_attempt(folder, step, replace(attempt, exit_code=1))
                tell(folder, step, FAILED)
                raise
            if begun == "by others, finished":
                return _reuse(folder, step, output)
            if begun == "by us, finished":
                # the machine went down between the last attempt's end and the record
                _write_record(folder, plan, step, environment)
                tell(folder, step, FINISHED)
                return 0
            attempt = replace(attempt, continued=begun == "unfinished" and bool(step.resume))
            if resource is not None:
                environment[INHERITED] = os.path.realpath(resource[0])
                locks.append(resource[1])
            if devices:
                gpus = held.enter_context(reserved_gpus(folder, devices, step.resources.gpus))
                environment["CUDA_VISIBLE_DEVICES"] = ",".join(gpus)
                locks += gpus.values()
            inherited = [number for number in locks if number is not None]
            return _attempt(folder, plan, step, attempt, environment, output, inherited)


def _attempt(
    folder: Path,
    plan: Plan,
    step: Step,
    attempt: Attempt,
    environment: Mapping[str, str],
    log: IO[bytes],
    locks: Sequence[int],
) -> int:
    """Run the commands one after the other; write the attempt, and the record if all went well.

    The commands inherit the locks: if this process is killed alone, they go on, and no second copy
    starts beside them or on their GPU.
    """
    names = machine.gpu_names(environment) if step.resources.gpus else []
    attempt = replace(
        attempt, fingerprint=step.fingerprint, gpu="; ".join(dict.fromkeys(names)),
        gpus=len(names) or step.resources.gpus,
    )  # fmt: skip
    watch = _Watch(folder, step, attempt)
    write_marker(folder, step, attempt)
    tell(folder, step, STARTED)
    job = f", Slurm job {attempt.job}" if attempt.job else ""
    how = ", resumed from the checkpoint" if attempt.continued else ""
    log.write(f"\n=== {attempt.started}, {attempt.host}{job}{how}\n".encode())
    with Stopper() as stopper:
        code = _run_commands(folder, plan, step, attempt, environment, log, stopper, watch, locks)
    watch.sample(0.0)
    missing = absent_outputs(folder, step)
    if code:
        log.write(_ending(code, step, stopper.received != 0).encode())
    elif missing:
        code = 1
        log.write(f"=== ended without an error, but did not write {', '.join(missing)}\n".encode())
    attempt = replace(watch.attempt, exit_code=code)
    append_attempt(folder, step, attempt)
    if code:
        marker_file(folder, step).unlink(missing_ok=True)
        tell(folder, step, INTERRUPTED if was_interrupted(attempt) else FAILED)
        return SHELL_OFFSET + stopper.received if stopper.received else 1
    _write_record(folder, plan, step, environment)
    _say_finished(folder, step)
    return 0


def _say_finished(folder: Path, step: Step) -> None:
    marker_file(folder, step).unlink(missing_ok=True)
    tell(folder, step, FINISHED)


def _run_commands(
    folder: Path,
    plan: Plan,
    step: Step,
    attempt: Attempt,
    environment: Mapping[str, str],
    log: IO[bytes],
    stopper: Stopper,
    watch: _Watch,
    locks: Sequence[int],
) -> int:
    """Return the exit code of the first command that failed, minus the signal, or 0."""
    last = len(step.commands)
    for number, command in enumerate(step.commands, start=1):
        if attempt.continued and number == last:
            command = (*command, *step.resume)
        log.write(f"$ {shown(command)}\n".encode())
        code = run_command(
            wrapped(plan, command), folder, environment, log, stopper, watch.sample, locks
        )
        if stopper.received and (code or number < last):
            return -stopper.received
        if code:
            return code
    return 0


def wrapped(plan: Plan, command: Sequence[str]) -> list[str]:
    """Return a command as it is run: after the setup's shell lines, in the container."""
    inside = [*plan.container, *command]
    if not plan.setup:
        return inside
    script = "\n".join(["set -e", *plan.setup, "set +e", 'exec "$@"'])
    return ["bash", "-c", script, "bash", *inside]


def _ending(code: int, step: Step, told_to_end: bool) -> str:
    if told_to_end:
        return (
            f"=== ended by signal {-code}: a time limit ({step.resources.runtime_min} min), "
            "a pre-emption, scancel or Ctrl-C\n"
        )
    if code == -signal.SIGKILL:
        return (
            "=== killed; usually because memory ran out (it had asked for "
            f"{step.resources.memory_mb} MB). Ask for more under resources in the study's file.\n"
        )
    return f"=== ended with exit code {code}\n"


def _reuse(folder: Path, step: Step, log: IO[bytes]) -> int:
    """Write the record of an outcome that existed before."""
    log.write(f"\n=== {step.finished} existed before the study and is reused\n".encode())
    record = Record(
        step.name, step.kind, step.fingerprint, (), taken_over=True, facts=dict(step.facts)
    )
    record.write(folder / step.record)
    tell(folder, step, TAKEN_OVER)
    return 0


def _write_record(folder: Path, plan: Plan, step: Step, environment: Mapping[str, str]) -> None:
    program = step.commands[-1][0]
    interpreter = program if Path(program).name.startswith("python") else sys.executable
    record = Record(
        step.name, step.kind, step.fingerprint, read_attempts(folder, step),
        machine.versions(wrapped(plan, [interpreter]), environment), facts=dict(step.facts),
    )  # fmt: skip
    record.write(folder / step.record)


def _note_lost(folder: Path, step: Step) -> bool:
    """List an attempt that was killed before it could do so itself; return whether there is one."""
    lost = read_marker(folder, step)
    if lost is None:
        return False
    append_attempt(folder, step, replace(lost, exit_code=-signal.SIGKILL))
    marker_file(folder, step).unlink(missing_ok=True)
    with (folder / step.log).open("ab") as log:
        log.write(b"=== killed without warning, with its machine or by force\n")
    return True


def main(argv: Sequence[str] | None = None) -> int:
    """Run a step; for jobs, not for people."""
    parser = argparse.ArgumentParser("python -m nnunetv2_fair.study.run.execute")
    parser.add_argument("folder", type=Path)
    parser.add_argument("step")
    parser.add_argument("--run", default="")
    parser.add_argument("--devices", default="")
    args = parser.parse_args(argv)
    devices = [device for device in args.devices.split(",") if device]
    try:
        return execute(args.folder.resolve(), args.step, run=args.run, devices=devices)
    except (FairError, OSError, subprocess.SubprocessError) as error:
        sys.stderr.write(f"{args.step}: {error}\n")
        return 1
    except Exception as error:  # of any kind: nobody can use a traceback
        sys.stderr.write(last_words(parser.prog, sys.argv[1:] if argv is None else argv, error))
        return 1


if __name__ == "__main__":
    sys.exit(main())
