"""What a command says of the files that it wrote."""

import logging
from pathlib import Path

from nnunetv2_fair.cli.shared.written import tell_written


def test_folders_are_counted_and_files_named(caplog):
    out = Path("out")
    names = ["report.html", "figures/a.svg", "figures/a.png", "trainings/one/report.html"]
    with caplog.at_level(logging.INFO):
        tell_written(out, [out / name for name in names])
    assert caplog.messages == [
        f"Wrote {out / 'report.html'}",
        f"Wrote {out / 'figures'} with 2 files",
        f"Wrote {out / 'trainings'} with 1 file",
    ]
