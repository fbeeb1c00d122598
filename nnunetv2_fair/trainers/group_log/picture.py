"""The picture of the log, beside nnU-Net's ``progress.png``."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from nnunetv2_fair.files.atomic import replacing
from nnunetv2_fair.training_log import columns

#: Colours of groups as on our pages, distinct for every kind of colour vision.
_COLOURS = ("#0072b2", "#d55e00", "#009e73", "#b8588c", "#b87f00", "#3d9bd4", "#6b7280")
#: With more epochs than this, dots on the lines would be a band.
_MOST_DOTS = 40
_FAINT = 0.35
_NOT_TOLD = "\N{EN DASH}"
#: Heights of title, row of panels, and of the key without and for each line of groups, in inches.
_TITLE, _PANEL, _KEY, _KEY_LINE = 0.85, 3.6, 0.5, 0.25
_GROUPS_IN_A_LINE = 5


def draw_log(
    path: Path,
    history: pd.DataFrame,
    title: str,
    expression: str,
    groups: Sequence[str],
    added: Mapping[str, str],
) -> None:
    """Draw losses, pseudo Dice, gap and what the method added, each with its groups.

    Args:
        path: PNG file to write.
        history: All rows of the log.
        title: What is trained.
        expression: Attribute expression.
        groups: Group names, in the order of their colours.
        added: Columns that the method added -> what they are.
    """
    # nnU-Net's logger sets a theme for its own large picture
    with plt.style.context("default"):
        figure = _figure(history, title, expression, groups, added)
        with replacing(path) as temporary:
            figure.savefig(temporary, dpi=100)
        plt.close(figure)


def _figure(
    history: pd.DataFrame,
    title: str,
    expression: str,
    groups: Sequence[str],
    added: Mapping[str, str],
) -> Figure:
    own = {name: words for name, words in added.items() if history[name].notna().any()}
    if history[columns.DRAWN_SHARE].notna().any():
        own[columns.DRAWN_SHARE] = "Share of the samples drawn"
    n_rows = 2 + math.ceil(max(len(own) - 1, 0) / 2)
    key = _KEY + _KEY_LINE * math.ceil(len(groups) / _GROUPS_IN_A_LINE)
    height = _TITLE + n_rows * _PANEL + key
    figure, grid = plt.subplots(n_rows, 2, figsize=(12, height), squeeze=False)
    # a fixed layout: one that is worked out takes longer than the drawing, after every epoch
    figure.subplots_adjust(
        left=0.06, right=0.985, top=1 - _TITLE / height, bottom=(key + 0.55) / height,
        wspace=0.14, hspace=0.36,
    )  # fmt: skip
    panels = list(grid.flat)
    last = history.groupby(columns.GROUP, sort=False).last()
    names = {group: _with_sizes(group, last) for group in groups}

    def curves(axis: Axes, column: str, style: str, alpha: float) -> None:
        for i, group in enumerate(groups):
            rows = history[history[columns.GROUP] == group]
            axis.plot(
                rows[columns.EPOCH], rows[column], style, color=_COLOURS[i % len(_COLOURS)],
                alpha=alpha, marker="." if len(rows) <= _MOST_DOTS else None,
            )  # fmt: skip

    curves(panels[0], columns.TRAIN_LOSS, "-", 1)
    curves(panels[0], columns.VAL_LOSS, "--", 0.75)
    panels[0].set_title("Loss per sample: training (solid), validation (dashed)")
    curves(panels[1], columns.PSEUDO_DICE, "-", _FAINT)
    curves(panels[1], columns.EMA_PSEUDO_DICE, "-", 1)
    panels[1].set_title("Pseudo Dice: epoch (faint), moving average")
    by_epoch = history.groupby(columns.EPOCH)[[columns.GAP, columns.GAP_OF_EMA]].first()
    dot = "." if len(by_epoch) <= _MOST_DOTS else None
    panels[2].plot(by_epoch[columns.GAP], color="black", alpha=_FAINT, marker=dot)
    panels[2].plot(by_epoch[columns.GAP_OF_EMA], color="black", marker=dot)
    panels[2].set_title("Gap of pseudo Dice: epoch (faint), of the moving averages")
    panels[2].set_ylim(bottom=0)
    for panel, (column, words) in zip(panels[3:], own.items(), strict=False):
        curves(panel, column, "-", 1)
        panel.set_title(words)
        panel.set_ylim(bottom=0)
    for panel in panels[3 + len(own) :]:
        panel.set_axis_off()
    for panel in panels[: 3 + len(own)]:
        panel.set_xlabel("epoch")
        panel.xaxis.set_major_locator(MaxNLocator(integer=True))
        panel.grid(alpha=0.3)
    lines = panels[0].get_lines()[: len(names)]
    figure.legend(
        lines, names.values(), title=_key(expression, names),
        loc="lower center", ncols=min(len(names), _GROUPS_IN_A_LINE),
    )  # fmt: skip
    figure.suptitle(title, y=1 - 0.12 / height, va="top")
    return figure


def _with_sizes(group: str, last: pd.DataFrame) -> str:
    """Return a group with its numbers of cases, as far as they are told."""
    if group not in last.index:
        return group
    sizes = last.loc[[group], [columns.TRAIN_CASES, columns.VAL_CASES]].to_numpy(dtype=float)[0]
    told = [_NOT_TOLD if math.isnan(size) else f"{size:.0f}" for size in sizes]
    return f"{group} ({', '.join(told)})"


def _key(expression: str, names: Mapping[str, str]) -> str:
    """Return the heading of the key."""
    heading = f"{expression} (cases in training, validation"
    hidden = any(_NOT_TOLD in name.removeprefix(group) for group, name in names.items())
    return f"{heading}; {_NOT_TOLD} not told, as a group is small)" if hidden else f"{heading})"
