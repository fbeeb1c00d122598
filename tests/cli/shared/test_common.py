"""How every command ends: one message, and the exit status that scripts rely on."""

import errno
import os

import pytest

from nnunetv2_fair.cli.shared.common import command_parser, run
from nnunetv2_fair.errors import DatasetError, UsageError


def outcome(capsys, error):
    def action(args):
        raise error

    code = run(action, command_parser("prog", "does", "prog"), [])
    return code, capsys.readouterr().err


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (DatasetError("No dataset."), 1, "prog: No dataset.\n"),
        (UsageError("-o is a file."), 2, "prog: -o is a file.\n"),
        (
            OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "/out/summary.json"),
            1,
            "prog: /out/summary.json: No space left on device. Make room on that drive, or choose "
            "a folder on another one, then run the command again.\n",
        ),
        (
            OSError(errno.EEXIST, os.strerror(errno.EEXIST), "/out"),
            1,
            "prog: /out: File exists. Something else of that name is in the way, perhaps a file "
            "or a broken link; remove or rename it, then run the command again.\n",
        ),
        (
            OSError("the drive is gone"),
            1,
            "prog: the drive is gone. Check that the folder exists, is writable and has space "
            "left, then run the command again.\n",
        ),
        (
            RuntimeError("Symlink loop from '/data'"),
            1,
            "prog: Symlink loop from '/data': a link leads back to itself. Replace it.\n",
        ),
        (KeyboardInterrupt(), 130, "\nprog: interrupted; run the command again to continue.\n"),
    ],
)
def test_expected_errors_are_one_message(capsys, error, code, said):
    assert outcome(capsys, error) == (code, said)
