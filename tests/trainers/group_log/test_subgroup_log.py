"""The log of the groups as people open it: with a spreadsheet."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from nnunetv2_fair.files.tabular import read_table
from nnunetv2_fair.losses.monitor import EpochSummary
from nnunetv2_fair.trainers.group_log.subgroup_log import SubgroupLog
from nnunetv2_fair.trainers.group_log.uploads import upload
from nnunetv2_fair.trainers.group_log.values import GroupValues
from nnunetv2_fair.trainers.group_log.visible import Visible
from nnunetv2_fair.trainers.shared.introduction import GroupSize
from nnunetv2_fair.training_log.table import read_log

GROUPS = ("=HYPERLINK(1)", "@x", "'=1", "<50")


SUMMARY = EpochSummary(
    np.full(4, 0.5), np.full(4, 0.5), np.full(4, 0.25), np.full((4, 1), 0.75),
    np.full((4, 3, 1), 9),
)  # fmt: skip


def start(folder: Path) -> SubgroupLog:
    sizes = dict.fromkeys(GROUPS, GroupSize(9, 9))
    return SubgroupLog(
        folder / "log.csv", folder / "log.png", "training", "what", GROUPS,
        Visible({"train": sizes, "val": sizes}), ["disc"],
    )  # fmt: skip


def test_no_name_of_a_group_is_a_formula_and_every_epoch_keeps_it(tmp_path: Path):
    for epoch in range(2):
        start(tmp_path).add(epoch, SUMMARY)
    table = read_table(tmp_path / "log.csv", delimiter=",", strip=False)
    written = [row[2] for row in table.rows]
    assert written == 2 * ["'=HYPERLINK(1)", "'@x", "''=1", "<50"]
    start(tmp_path).forget_from(1)
    assert len(read_table(tmp_path / "log.csv").rows) == 4


def test_a_log_of_an_earlier_version_is_continued_without_losing_anything(tmp_path: Path):
    earlier = "epoch,group,train_loss,pseudo_dice,pseudo_dice_disc\n" + "".join(
        f"{epoch},{group},0.{epoch}25,0.5,0.5\n"
        for epoch in range(3)
        for group in ("'=HYPERLINK(1)", "'@x", "''=1", "<50")
    )
    (tmp_path / "log.csv").write_text(earlier)
    log = start(tmp_path)
    assert log.forget_from(2) == "", "the checkpoint was written before epoch 2"
    log.add(2, SUMMARY)
    found = read_log(tmp_path / "log.csv")
    assert found["epoch"].tolist() == [0] * 4 + [1] * 4 + [2] * 4
    assert found["train_loss_per_sample"].tolist() == [0.025] * 4 + [0.125] * 4 + [0.5] * 4
    assert found["pseudo_dice_disc"].tolist() == [0.5] * 8 + [0.75] * 4
    np.testing.assert_allclose(found["ema_pseudo_dice"], [0.5] * 8 + [0.525] * 4)
    assert found["val_loss_per_sample"].isna().tolist() == [True] * 8 + [False] * 4


def test_a_training_that_has_ended_and_is_continued_leaves_every_byte(tmp_path: Path):
    random = np.random.default_rng(0)
    log = start(tmp_path)
    for epoch in range(8):
        dice = random.uniform(0.9, 1, (4, 1))
        log.add(epoch, dataclasses.replace(SUMMARY, pseudo_dice=dice))
        before = (tmp_path / "log.csv").read_bytes()
        log.forget_from(epoch + 1)
        assert (tmp_path / "log.csv").read_bytes() == before


SMALL = {"a": GroupSize(90, 30), "b": GroupSize(40, 12), "c": GroupSize(3, 3), "d": GroupSize(2, 1)}


def rows_of(folder: Path, sizes: dict, values: list[GroupValues]):
    log = SubgroupLog(
        folder / "log.csv", folder / "log.png", "training", "what", list(sizes),
        Visible({"train": sizes, "val": sizes}), ["disc"],
    )  # fmt: skip
    counts = np.full((4, 3, 1), 9)
    dice = np.array([[0.9], [0.8], [0.7], [0.1]])
    summary = EpochSummary(np.ones(4), np.ones(4), np.full(4, 0.25), dice, counts)
    rows = log.add(0, summary, values)
    return rows.set_index("group"), log.lines(rows, values)


def test_single_patients_and_small_numbers_are_not_told(tmp_path: Path):
    plain = GroupValues("q", "q", [0.1, 0.2, 0.3, 0.4])
    telling = GroupValues("weight", "Weight", [0.1, 0.2, 0.3, 0.4], tells="sizes")
    rows, lines = rows_of(tmp_path, SMALL, [plain, telling])
    # 'b' is left out with the small ones: all cases are known, so theirs would follow
    for column, shown in (
        ("train_cases", ["a"]),
        ("val_cases", ["a"]),
        ("drawn_share", ["a"]),
        ("train_loss_per_sample", ["a", "b", "c"]),
        ("val_loss_per_sample", ["a", "b", "c"]),
        ("pseudo_dice", ["a", "b", "c"]),
        ("ema_pseudo_dice", ["a", "b", "c"]),
        ("q", ["a", "b", "c"]),
        ("weight", []),
    ):
        assert rows.index[rows[column].notna()].tolist() == shown, column
    assert rows["gap_pseudo_dice"].tolist() == pytest.approx([0.2] * 4), (
        "without the single patient"
    )
    assert "q by what: a 0.1000, b 0.2000, c 0.3000, d -" in lines
    assert not [line for line in lines if "Weight" in line]


def test_other_loggers_get_what_is_told_and_no_sizes(tmp_path: Path):
    large = {name: GroupSize(90, 30) for name in SMALL}
    telling = GroupValues("weight", "Weight", [0.1, 0.2, 0.3, 0.4], tells="sizes")
    plain = GroupValues("q", "q", [0.1, 0.2, 0.3, 0.4])
    for sizes, groups in ((large, "abcd"), (SMALL, "abc")):
        (tmp_path / "log.csv").unlink(missing_ok=True)
        rows, _ = rows_of(tmp_path, sizes, [plain, telling])
        logger = Logger()
        upload([logger], rows.reset_index(), [plain, telling], "what")
        of_groups = ("train_loss_per_sample", "val_loss_per_sample", "pseudo_dice", "q")
        assert set(logger.told) == {
            *(
                f"{column}_by_what/{g}"
                for column in (*of_groups, "ema_pseudo_dice")
                for g in groups
            ),
            "gap_pseudo_dice_by_what",
            "gap_ema_pseudo_dice_by_what",
        }
        assert logger.told["pseudo_dice_by_what/b"] == (0.8, 0)
        assert logger.told["q_by_what/c"] == (0.3, 0)


class Logger:
    """What nnU-Net's MetaLogger expects of a logger."""

    def __init__(self) -> None:
        self.told: dict = {}

    def log(self, key: str, value: float, step: int) -> None:
        self.told[key] = (value, step)
