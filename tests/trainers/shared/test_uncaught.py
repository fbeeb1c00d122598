"""What an interpreter prints that an error of ours ends."""

import subprocess
import sys

import pytest

BEGIN = """
import sys
from nnunetv2_fair.errors import TrainingError
from nnunetv2_fair.trainers.shared.uncaught import print_our_errors_without_traceback
sys.argv[0] = "/somewhere/nnUNetv2_train"
explain = lambda error: "explained" if "secret" in str(error) else ""
print_our_errors_without_traceback(explain)
print_our_errors_without_traceback(explain)
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


def test_what_can_be_explained_is_one_message_too():
    text = output_of("raise RuntimeError('a secret')")
    assert text == "so far so good\n\nnnUNetv2_train: explained\n"
