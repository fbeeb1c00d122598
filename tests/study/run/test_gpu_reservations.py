"""GPUs of one machine, reserved by real processes."""

import os
import subprocess
import sys
import time
from pathlib import Path

import nnunetv2_fair
from nnunetv2_fair.study.run.gpu_reservations import reserved_gpus
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
        assert [*got] == ["0"]
        assert time.monotonic() - begun > 0.9
    holder.wait()


def test_nobody_gets_a_gpu_twice(tmp_path):
    with reserved_gpus(tmp_path, ["0", "1", "2"], 2) as first:
        assert [*first] == ["0", "1"]
        with reserved_gpus(tmp_path, ["0", "1", "2"], 1) as second:
            assert [*second] == ["2"]
    with reserved_gpus(tmp_path, ["0", "1", "2"], 3) as all_again:
        assert [*all_again] == ["0", "1", "2"]
