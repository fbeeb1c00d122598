"""Commands that are told to end: one line, the exit code of a shell, nothing left over."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import nnunetv2_fair
from tests.study.stub_plans import wait_for

ROOT = Path(nnunetv2_fair.__file__).parents[1]

CODE = """
import signal, sys, time
from pathlib import Path
from nnunetv2_fair.cli.shared.common import command_parser, run
from nnunetv2_fair.files.outputs import one_unit, output_folder
out = Path({out!r})

def act(args):
    with output_folder(out, "prog", (), overwrite=False), one_unit(out, "prog") as folder:
        (folder / "per_case.csv").write_text("persons")
        (out.parent / "started").touch()
        try:
            time.sleep(60)
        finally:
            (out.parent / "ending").touch()
            time.sleep({cleaning})

def outer(args):
    run(act, command_parser("inner", "d", "e"), [])

# tests that run in the background or under nohup ignore them, and so would this
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGHUP, signal.SIG_DFL)
{before}
sys.exit(run({action}, command_parser("prog", "d", "e"), []))
"""


def start(folder, *, action="act", cleaning=0.0, before=""):
    code = CODE.format(out=str(folder / "out"), action=action, cleaning=cleaning, before=before)
    process = subprocess.Popen(
        [sys.executable, "-c", code], stderr=subprocess.PIPE, text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    wait_for(folder / "started")
    return process


@pytest.mark.parametrize(
    ("number", "how"),
    [
        (signal.SIGINT, "interrupted"),
        (signal.SIGTERM, "ended by SIGTERM"),
        (signal.SIGHUP, "ended by SIGHUP"),
    ],
)
def test_one_line_and_nothing_left(tmp_path, number, how):
    process = start(tmp_path)
    process.send_signal(number)
    said = process.communicate(timeout=20)[1]
    assert process.returncode == 128 + number
    assert said == f"\nprog: {how}; run the command again to continue.\n"
    assert not (tmp_path / "out").exists()


def test_a_command_within_another_leaves_the_line_to_it(tmp_path):
    process = start(tmp_path, action="outer")
    process.terminate()
    assert process.communicate(timeout=20)[1] == (
        "\nprog: ended by SIGTERM; run the command again to continue.\n"
    )
    assert process.returncode == 128 + signal.SIGTERM


def test_a_second_signal_does_not_disturb_cleaning_up(tmp_path):
    process = start(tmp_path, cleaning=0.5)
    process.send_signal(signal.SIGHUP)
    wait_for(tmp_path / "ending")
    process.send_signal(signal.SIGHUP)
    process.send_signal(signal.SIGTERM)
    assert process.wait(20) == 128 + signal.SIGHUP
    assert not (tmp_path / "out").exists()


def test_a_second_ctrl_c_ends_it_at_once(tmp_path):
    process = start(tmp_path, cleaning=30)
    process.send_signal(signal.SIGINT)
    wait_for(tmp_path / "ending")
    begun = time.monotonic()
    process.send_signal(signal.SIGINT)
    assert process.wait(20) == -signal.SIGINT
    assert time.monotonic() - begun < 10


def test_under_nohup_a_closed_terminal_does_not_end_it(tmp_path):
    process = start(tmp_path, before="signal.signal(signal.SIGHUP, signal.SIG_IGN)")
    process.send_signal(signal.SIGHUP)
    time.sleep(0.3)
    assert process.poll() is None
    process.terminate()
    assert process.wait(20) == 128 + signal.SIGTERM
