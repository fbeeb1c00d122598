"""The per-group training log: lines for people, a table for programs, a picture."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from nnunetv2_fair.losses.monitor import EpochSummary
from nnunetv2_fair.trainers.group_log.picture import draw_log
from nnunetv2_fair.trainers.group_log.values import GroupValues
from nnunetv2_fair.trainers.group_log.visible import Visible
from nnunetv2_fair.training_log import columns
from nnunetv2_fair.training_log.columns import label_column
from nnunetv2_fair.training_log.table import as_written, read_log, with_derived, write_log

#: Values of groups that are told in nnU-Net's log: column -> what it is.
_TOLD: Mapping[str, str] = {
    columns.TRAIN_LOSS: "Loss per sample, training,",
    columns.VAL_LOSS: "Loss per sample, validation,",
    columns.PSEUDO_DICE: "Pseudo dice",
    columns.EMA_PSEUDO_DICE: "Pseudo dice, moving average,",
}


class SubgroupLog:
    """Keeps ``subgroup_log.csv`` and ``subgroup_log.png`` of one training.

    The table has one row per epoch and group (:mod:`nnunetv2_fair.training_log.columns`). Values
    that would describe a single patient stay empty, and so do small numbers of cases.

    Args:
        table: Where the table goes.
        plot: Where the picture goes.
        title: What is trained, for the picture.
        expression: Attribute expression.
        groups: Group names.
        visible: What may be told of them.
        labels: Names of the foreground labels or regions.
    """

    def __init__(
        self,
        table: Path,
        plot: Path,
        title: str,
        expression: str,
        groups: Sequence[str],
        visible: Visible,
        labels: Sequence[str],
    ) -> None:
        self._table = table
        self._plot = plot
        self._title = title
        self._expression = expression
        self._groups = tuple(groups)
        self.visible = visible
        self._labels = tuple(labels)

    def forget_from(self, epoch: int) -> str:
        """Drop rows of this and later epochs, which a resumed training repeats.

        Returns:
            A sentence without a full stop if the table cannot be read, so that all its rows are
            lost; else an empty text.
        """
        if not self._table.is_file():
            return ""
        kept = read_log(self._table)
        if kept is None:
            self._table.unlink()
            return f"{self._table} is damaged: what it said about earlier epochs is lost"
        write_log(self._table, kept[kept[columns.EPOCH] < epoch])
        return ""

    def add(
        self, epoch: int, summary: EpochSummary, values: Sequence[GroupValues] = ()
    ) -> pd.DataFrame:
        """Write one epoch into table and picture.

        Args:
            epoch: Counted from 0.
            summary: What the monitor saw.
            values: What the method adds.

        Returns:
            The epoch's rows.
        """
        new = [self._row(epoch, i, summary, values) for i in range(len(self._groups))]
        old = read_log(self._table) if self._table.is_file() else None
        rows = [] if old is None else old.to_dict("records")
        history = with_derived(as_written(pd.DataFrame([*rows, *new])))
        write_log(self._table, history)
        titles = {added.column: added.title for added in values}
        draw_log(self._plot, history, self._title, self._expression, self._groups, titles)
        return history[history[columns.EPOCH] == epoch]

    def _row(
        self, epoch: int, i: int, summary: EpochSummary, values: Sequence[GroupValues]
    ) -> dict[str, Any]:
        group, visible = self._groups[i], self.visible
        trained, validated = visible.shows("train", group), visible.shows("val", group)
        cases = {part: visible.cases(part, group) for part in ("train", "val")}
        dice = summary.pseudo_dice[i] if validated else np.array([])
        per_label = dict(zip(self._labels, dice, strict=False))
        known = [value for value in per_label.values() if not math.isnan(value)]
        row: dict[str, Any] = {
            columns.EPOCH: epoch,
            columns.ATTRIBUTE: self._expression,
            columns.GROUP: group,
            columns.TRAIN_CASES: cases["train"],
            columns.VAL_CASES: cases["val"],
            columns.DRAWN_SHARE: math.nan if cases["train"] is None else summary.drawn_share[i],
            columns.TRAIN_LOSS: summary.train_loss[i] if trained else math.nan,
            columns.VAL_LOSS: summary.val_loss[i] if validated else math.nan,
            columns.PSEUDO_DICE: float(np.mean(known)) if known else math.nan,
        }
        for added in values:
            shown = trained and (added.tells == "nothing" or visible.shows_sizes())
            row[added.column] = float(added.values[i]) if shown else math.nan
        row |= {label_column(name): per_label.get(name, math.nan) for name in self._labels}
        return row

    def lines(self, rows: pd.DataFrame, values: Sequence[GroupValues] = ()) -> list[str]:
        """Return lines for nnU-Net's log, from which no sizes of groups follow.

        Args:
            rows: Of one epoch, as :meth:`add` returned them.
            values: What the method added.
        """
        told = {**_TOLD, **{a.column: a.title for a in values if a.tells == "nothing"}}
        lines = [
            f"{title} by {self._expression}: "
            + ", ".join(
                f"{group} {_number(value)}"
                for group, value in zip(rows[columns.GROUP], rows[column], strict=True)
            )
            for column, title in told.items()
        ]
        gap, of_averages = (rows[name].iloc[0] for name in (columns.GAP, columns.GAP_OF_EMA))
        if not math.isnan(of_averages):
            lines.append(
                f"Gap of pseudo dice by {self._expression}: {_number(gap)}, of the moving "
                f"averages {_number(of_averages)}"
            )
        return lines


def _number(value: float) -> str:
    return "-" if math.isnan(value) else f"{value:.4f}"
