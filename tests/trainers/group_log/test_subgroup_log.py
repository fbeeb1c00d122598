"""The log of the groups as people open it: with a spreadsheet."""

from pathlib import Path

import numpy as np

from nnunetv2_fair.files.tabular import read_table
from nnunetv2_fair.losses.monitor import EpochSummary
from nnunetv2_fair.trainers.group_log.subgroup_log import SubgroupLog
from nnunetv2_fair.trainers.group_log.visible import Visible
from nnunetv2_fair.trainers.shared.introduction import GroupSize

GROUPS = ("=HYPERLINK(1)", "@x", "'=1", "<50")


def start(folder: Path) -> SubgroupLog:
    sizes = dict.fromkeys(GROUPS, GroupSize(9, 9))
    return SubgroupLog(
        folder / "log.csv", folder / "log.png", "training", "what", GROUPS,
        Visible({"train": sizes, "val": sizes}), ["disc"],
    )  # fmt: skip


def test_no_name_of_a_group_is_a_formula_and_every_epoch_keeps_it(tmp_path: Path):
    losses, shares = np.full(4, 0.5), np.full(4, 0.25)
    counts = np.full((4, 3, 1), 9)
    summary = EpochSummary(losses, losses, shares, np.full((4, 1), 0.75), counts)
    for epoch in range(2):
        start(tmp_path).add(epoch, summary)
    table = read_table(tmp_path / "log.csv", delimiter=",", strip=False)
    written = [row[2] for row in table.rows]
    assert written == 2 * ["'=HYPERLINK(1)", "'@x", "''=1", "<50"]
    start(tmp_path).forget_from(1)
    assert len(read_table(tmp_path / "log.csv").rows) == 4
