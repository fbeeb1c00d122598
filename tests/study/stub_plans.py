"""Plans whose steps are shell commands, for what runs steps."""

import json
import time
from pathlib import Path

from nnunetv2_fair.study.record import Attempt, Record, read_record
from nnunetv2_fair.study.run.attempts import read_attempts
from nnunetv2_fair.study.step import Plan, Step


def stub(name: str, script: str = "true", **fields) -> Step:
    """Return a step of one shell command with a fingerprint that tells its script."""
    fields = {"kind": "train", "fingerprint": f"of-{abs(hash(script))}"} | fields
    return Step(name, commands=(("bash", "-c", script),), **fields)


def write_plan(folder: Path, *steps: Step, **fields) -> Plan:
    """Write a plan and return it."""
    folder.mkdir(exist_ok=True)
    plan = Plan("stubs", {step.name: step for step in steps}, **fields)
    plan.write(folder)
    return plan


def record_of(folder: Path, step: Step) -> Record:
    """Return the record of a step that is done."""
    return read_record(folder / step.record)


def attempts_of(folder: Path, step: Step) -> list[Attempt]:
    """Return all attempts of a step; a line that is no JSON is an error here."""
    attempts = list(read_attempts(folder, step))
    path = folder / ".study" / "attempts" / f"{step.name}.jsonl"
    lines = path.read_text().splitlines() if path.exists() else []
    assert len(lines) == len(attempts)
    assert all(json.loads(line) for line in lines)
    return attempts


def wait_for(path: Path, seconds: float = 20) -> None:
    """Wait until a file is there."""
    end = time.monotonic() + seconds
    while not path.exists():
        assert time.monotonic() < end, f"{path} did not appear"
        time.sleep(0.02)
