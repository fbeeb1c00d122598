"""Locks between real processes; the study's own lock is tested with its runs."""

import os
import subprocess
import sys
import time
from pathlib import Path

import nnunetv2_fair
from nnunetv2_fair.study.run.gpu_reservations import reserved_gpus
from nnunetv2_fair.study.run.run_locks import only_one
from tests.study.stub_plans import wait_for

ROOT = Path(nnunetv2_fair.__file__).parents[1]


def test_gpus_are_waited_for(tmp_path):
    begun = time.monotonic()
    holder = subprocess.Popen(
        [sys.executable, "-c",
         "import time; from pathlib import Path\n"
         "from nnunetv2_fair.study.run.gpu_reservations import reserved_gpus\n"
         f"with reserved_gpus(Path({str(tmp_path)!r}), ['0'], 1):\n"
         f" Path({str(tmp_path)!r}, 'held').touch(); time.sleep(1)"],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    wait_for(tmp_path / "held")
    with reserved_gpus(tmp_path, ["0"], 1) as got:
        assert got == ["0"]
        assert time.monotonic() - begun > 0.9
    holder.wait()


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
