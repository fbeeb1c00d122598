"""What an interpreter prints that an error of ours ends."""

import subprocess
import sys

import pytest

BEGIN = """
import sys
from nnunetv2_fair.errors import TrainingError
from nnunetv2_fair.trainers.shared.uncaught import print_our_errors_without_traceback
sys.argv[0] = "/somewhere/nnUNetv2_train"
print_our_errors_without_traceback()
print_our_errors_without_traceback()
print("so far so good")
"""


def output_of(code):
    done = subprocess.run(
        [sys.executable, "-c", BEGIN + code], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    return done.stdout


def test_ours_is_one_message_and_the_last():
    text = output_of("raise TrainingError('No base. Train it first.')")
    assert text == "so far so good\n\nnnUNetv2_train: No base. Train it first.\n"


@pytest.mark.parametrize("raised", ["ValueError('theirs')", "KeyError('theirs')"])
def test_others_keep_their_traceback(raised):
    text = output_of(f"raise {raised}")
    assert "Traceback" in text
    assert "theirs" in text
