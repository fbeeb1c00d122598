"""The log of the groups as people open it: with a spreadsheet."""

from pathlib import Path

import numpy as np

from nnunetv2_fair.files.tabular import read_table
from nnunetv2_fair.losses.monitor import EpochSummary
from nnunetv2_fair.trainers.shared.subgroup_log import SubgroupLog

GROUPS = ("=HYPERLINK(1)", "@x", "'=1", "<50")


def start(folder: Path) -> SubgroupLog:
    visible = dict.fromkeys(GROUPS, True)
    return SubgroupLog(
        folder / "log.csv", folder / "log.png", "what", GROUPS, {"train": visible, "val": visible},
        ["disc"],
    )  # fmt: skip


def test_no_name_of_a_group_is_a_formula_and_every_epoch_keeps_it(tmp_path: Path):
    summary = EpochSummary(np.full(4, 0.5), np.full((4, 1), 0.75), np.full((4, 3, 1), 9))
    for epoch in range(2):
        start(tmp_path).add(epoch, summary)
    table = read_table(tmp_path / "log.csv", delimiter=",", strip=False)
    written = [row[1] for row in table.rows]
    assert written == 2 * ["'=HYPERLINK(1)", "'@x", "''=1", "<50"]
    start(tmp_path).forget_from(1)
    assert len(read_table(tmp_path / "log.csv").rows) == 4
