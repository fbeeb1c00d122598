import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import nnunetv2_fair
from nnunetv2_fair.study.run import machine

PROJECT = Path(nnunetv2_fair.__file__).parents[1]


@pytest.mark.skipif(
    shutil.which("git") is None or not (PROJECT / ".git").exists(), reason="not a git checkout"
)
def test_the_commit_of_a_checkout_is_recorded():
    head = subprocess.run(
        ["git", "-C", str(PROJECT), "rev-parse", "HEAD"], capture_output=True, text=True, check=True
    ).stdout.strip()
    versions = machine.versions([sys.executable], {})
    assert versions["commit"].removesuffix("+changes") == head
    assert versions["nnunetv2_fair"] == nnunetv2_fair.__version__
