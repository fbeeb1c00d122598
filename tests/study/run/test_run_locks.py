"""Locks between real processes; the study's own lock is tested with its runs."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

import nnunetv2_fair
from nnunetv2_fair.errors import StudyError
from nnunetv2_fair.study.run.run_locks import only_one, resource_held
from nnunetv2_fair.study.step import Step
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


def test_a_file_in_the_place_of_a_fold_is_named(tmp_path):
    (tmp_path / "results").mkdir()
    (tmp_path / "results" / "fold_1").write_text("in the way")
    step = Step(
        "train.f1", commands=(), kind="train", finished="results/fold_1/checkpoint_final.pth"
    )
    with (
        pytest.raises(
            StudyError, match=r"^train.f1: the folder .*fold_1 cannot be made: File exists. Move"
        ),
        resource_held(tmp_path, step, {}),
    ):
        pass
