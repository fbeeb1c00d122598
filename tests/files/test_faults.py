"""A short version of benchmarks/faults.py: the disk fails, processes are killed, all goes on."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import nnunetv2_fair

ROOT = Path(nnunetv2_fair.__file__).parents[1]


@pytest.mark.slow
@pytest.mark.skipif(
    not sys.platform.startswith("linux") or shutil.which("cc") is None, reason="needs Linux and cc"
)
def test_the_same_command_mends_what_a_fault_left(tmp_path):
    results = tmp_path / "results.jsonl"
    script = [sys.executable, str(ROOT / "benchmarks" / "faults.py"), str(results)]
    done = subprocess.run(
        [*script, "--most", "4", "--seed", "1"], capture_output=True, text=True, check=False,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    entries = [json.loads(line) for line in results.read_text().splitlines()]
    assert len(entries) == 4 * 9
    assert [entry for entry in entries if entry["wrong"]] == []
    assert done.returncode == 0, done.stderr
    # it would see what is wrong
    broken = json.dumps({**entries[0], "wrong": ["left over: a"]})
    results.write_text("\n".join([*map(json.dumps, entries[1:]), broken]) + "\n")
    command = str(entries[0]["command"])
    again = subprocess.run(
        [*script, "--most", "4", "--seed", "1", "--commands", command], capture_output=True,
        text=True, check=False, env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert again.returncode == 1
    assert "left over: a" in again.stdout
