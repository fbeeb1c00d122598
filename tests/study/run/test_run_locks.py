"""Locks between real processes; the study's own lock is tested with its runs."""

import os
import subprocess
import sys
from pathlib import Path

import nnunetv2_fair
from nnunetv2_fair.study.run.run_locks import only_one
from tests.study.stub_plans import wait_for

ROOT = Path(nnunetv2_fair.__file__).parents[1]


def test_a_lock_ends_with_its_process(tmp_path):
    """However it ends: a killed job must not keep its step from being started again."""
    lock = tmp_path / "a.lock"
    holder = subprocess.Popen(
        [sys.executable, "-c",
         "import time; from pathlib import Path\n"
         "from nnunetv2_fair.study.run.run_locks import only_one\n"
         f"with only_one(Path({str(lock)!r})):\n"
         f" Path({str(tmp_path)!r}, 'held').touch(); time.sleep(60)"],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    wait_for(tmp_path / "held")
    holder.kill()
    holder.wait()
    with only_one(lock):
        pass
