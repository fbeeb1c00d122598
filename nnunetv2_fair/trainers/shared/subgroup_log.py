"""The per-group training log: lines for people, a table for programs, a plot."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from nnunetv2_fair.errors import TableError
from nnunetv2_fair.files.atomic import replacing, write_text
from nnunetv2_fair.files.tabular import protected, read_table, unprotected
from nnunetv2_fair.losses.monitor import EpochSummary


class SubgroupLog:
    """Keeps ``subgroup_log.csv`` and ``subgroup_log.png`` of one training.

    The table has one row per epoch and group: ``epoch, group, train_loss, pseudo_dice`` (mean over
    the labels), one ``pseudo_dice_<label>`` per label. Values that would describe a single
    patient stay empty.

    Args:
        table: Where the table goes.
        plot: Where the plot goes.
        expression: Attribute expression, for titles.
        groups: Group names.
        visible: ``train`` and ``val`` -> group -> whether it holds more than one patient.
        labels: Names of the foreground labels or regions.
    """

    def __init__(
        self,
        table: Path,
        plot: Path,
        expression: str,
        groups: Sequence[str],
        visible: Mapping[str, Mapping[str, bool]],
        labels: Sequence[str],
    ) -> None:
        self._table = table
        self._plot = plot
        self._expression = expression
        self._groups = tuple(groups)
        self._visible = visible
        self._labels = tuple(labels)

    def shows(self, part: str, group: str) -> bool:
        """Return whether values of a group may be shown: it holds more than one patient.

        Args:
            part: ``train`` or ``val``.
            group: Name of the group.
        """
        return self._visible[part][group]

    def forget_from(self, epoch: int) -> str:
        """Drop rows of this and later epochs, which a resumed training repeats.

        Returns:
            A sentence without a full stop if the table cannot be read, so that all its rows are
            lost; else an empty text.
        """
        if not self._table.is_file():
            return ""
        kept = self._read()
        if kept is None:
            self._table.unlink()
            return f"{self._table} is damaged: what it said about earlier epochs is lost"
        self._write(kept[kept["epoch"] < epoch])
        return ""

    def add(self, epoch: int, summary: EpochSummary) -> list[str]:
        """Write one epoch into table and plot.

        Returns:
            Lines for the training log.
        """
        rows: list[dict[str, Any]] = []
        for i, group in enumerate(self._groups):
            loss = summary.train_loss[i] if self.shows("train", group) else math.nan
            dice = summary.pseudo_dice[i] if self.shows("val", group) else np.array([])
            per_label = dict(zip(self._labels, dice, strict=False))
            known = [value for value in per_label.values() if not math.isnan(value)]
            rows.append(
                {
                    "epoch": epoch,
                    "group": group,
                    "train_loss": loss,
                    "pseudo_dice": float(np.mean(known)) if known else math.nan,
                    **{f"pseudo_dice_{name}": per_label.get(name) for name in self._labels},
                }
            )
        new = pd.DataFrame(rows)
        old = self._read() if self._table.is_file() else None
        history = new if old is None or old.empty else pd.concat([old, new], ignore_index=True)
        self._write(history)
        self._draw(history)
        return [
            f"{title} by {self._expression}: "
            + ", ".join(f"{row['group']} {_number(row[key])}" for row in rows)
            for key, title in (("train_loss", "train_loss"), ("pseudo_dice", "Pseudo dice"))
        ]

    def _read(self) -> pd.DataFrame | None:
        """Return the rows so far; None if the table is not one that this has written."""
        try:
            table = read_table(self._table, delimiter=",", strip=False)
            history = pd.DataFrame(table.rows, columns=table.header, dtype=object)
            for column in history.columns.drop("group"):
                history[column] = pd.to_numeric(history[column].replace("", math.nan))
        except (TableError, KeyError, ValueError):
            return None
        if not {"epoch", "train_loss", "pseudo_dice"} <= set(history):
            return None
        return history.assign(group=history["group"].map(unprotected))

    def _write(self, history: pd.DataFrame) -> None:
        safe = history.assign(group=history["group"].map(protected))  # people open it with Excel
        text = safe.to_csv(index=False, float_format="%.6g", lineterminator="\n")
        write_text(self._table, text)

    def _draw(self, history: pd.DataFrame) -> None:
        # nnU-Net's logger sets a theme for its own large picture
        with plt.style.context("default"):
            figure = self._figure(history)
            with replacing(self._plot) as temporary:
                figure.savefig(temporary, dpi=100)
            plt.close(figure)

    def _figure(self, history: pd.DataFrame) -> Figure:
        figure, axes = plt.subplots(1, 2, figsize=(11, 4), layout="constrained")
        for axis, key, title in (
            (axes[0], "train_loss", "training loss"),
            (axes[1], "pseudo_dice", "pseudo Dice (validation patches)"),
        ):
            for name in self._groups:
                rows = history[history["group"] == name]
                axis.plot(rows["epoch"], rows[key], marker=".", label=name)
            axis.set(title=f"{title} by {self._expression}", xlabel="epoch")
            axis.xaxis.set_major_locator(MaxNLocator(integer=True))
            axis.grid(alpha=0.3)
        axes[0].legend(title=self._expression)
        return figure


def _number(value: float) -> str:
    return "-" if value is None or math.isnan(value) else f"{value:.4f}"
