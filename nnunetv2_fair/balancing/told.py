"""What was balanced, as files of the dataset: a table, a picture, and how it was done."""

import csv
import io
import json
from collections.abc import Mapping, Sequence
from typing import Any

from nnunetv2_fair.balancing.strata import Strata
from nnunetv2_fair.balancing.weights import BalancedFold, BalanceRow, together
from nnunetv2_fair.errors import counted
from nnunetv2_fair.report.drawing.shapes import (
    GROUPS,
    INK,
    LINE,
    SOFT,
    Box,
    Drawing,
    Shape,
    Stroke,
    Words,
    wrapped,
)
from nnunetv2_fair.report.drawing.svg import standalone

BALANCE_CSV, BALANCE_SVG, BALANCE_JSON = "balance.csv", "balance.svg", "balance.json"
FILES = (BALANCE_CSV, BALANCE_SVG, BALANCE_JSON)

_LEFT, _TOP, _HEIGHT, _BAR, _GAP, _SPACE = 46.0, 26.0, 170.0, 20.0, 22.0, 44.0


def files_of(
    found: Sequence[BalancedFold], strata: Strata, expression: str, settings: Mapping[str, Any]
) -> dict[str, str]:
    """Return the text of each file, by name.

    They name groups and hold counts: they are as private as the demographics beside them.

    Args:
        found: All folds.
        strata: Of all training cases.
        expression: Attribute expression.
        settings: What was chosen, by name; plain values.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(
        ["fold", "stratum", "group", "cases", "share_before", "share_after", "mean_weight"]
    )
    for row in (row for fold in found for row in fold.rows):
        numbers = (f"{row.before:.6g}", f"{row.after:.6g}", f"{row.weight:.6g}")
        writer.writerow([row.fold, row.stratum, row.group, row.cases, *numbers])
    content = {
        "settings": dict(settings),
        "strata": strata.by,
        "folds": [
            {
                "imbalance": {"before": fold.imbalance[0], "after": fold.imbalance[1]},
                "effective_cases": dict(fold.effective),
                "strata_without_a_group": {n: dict(groups) for n, groups in fold.alone.items()},
                "cases_of_unknown_group": fold.unknown,
            }
            for fold in found
        ],
    }
    before, after = worst_imbalance(found)
    return {
        BALANCE_CSV: text.getvalue(),
        BALANCE_SVG: standalone(
            _picture(together(found)),
            f"Training cases of each group, by {strata.by}",
            f"Shares of the groups of '{expression}' in each stratum, mean over the training parts "
            f"of {counted(len(found), 'fold')}. In a fold, groups' distributions are up to "
            f"{100 * before:.3g}% apart before and {100 * after:.3g}% after.",
        ),
        BALANCE_JSON: json.dumps(content, indent=1, ensure_ascii=False) + "\n",
    }


def worst_imbalance(found: Sequence[BalancedFold]) -> tuple[float, float]:
    """Return the largest imbalance of a fold before, and the largest after."""
    before, after = zip(*(fold.imbalance for fold in found), strict=True)
    return max(before), max(after)


def lines_of(found: Sequence[BalancedFold], strata: Strata) -> list[str]:
    """Return the table as lines for the screen.

    Args:
        found: All folds.
        strata: Of all training cases.
    """
    head = ("stratum", "group", "cases", "before", "after", "weight")
    cells: list[Sequence[str]] = [head]
    cells += [
        (row.stratum, row.group, str(row.cases), f"{100 * row.before:.1f}%",
         f"{100 * row.after:.1f}%", f"{row.weight:.2f}" if row.cases else "-")
        for row in together(found)
    ]  # fmt: skip
    widths = [max(len(line[i]) for line in cells) for i in range(len(head))]
    lines = [
        "  ".join(
            cell.ljust(width) if i < 2 else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(line, widths, strict=True))
        )
        for line in cells
    ]
    before, after = (f"{100 * share:.3g}%" for share in worst_imbalance(found))
    groups = dict.fromkeys(group for fold in found for group in fold.effective)
    least = {g: min(f.effective[g] for f in found if g in f.effective) for g in groups}
    effective = ", ".join(f"{group} {n:.1f}" for group, n in least.items())
    return [
        f"Shares of each group's training cases, by {strata.by}; means over "
        f"{counted(len(found), 'fold')}:",
        *(f"  {line}" for line in lines),
        f"In a fold, distributions of groups are up to {before} apart before, {after} after.",
        f"Weighted cases say as much as so many equal ones, in the worst fold: {effective}",
    ]


def _picture(rows: Sequence[BalanceRow]) -> Drawing:
    """Return two panels, before and after: a cluster of bars per stratum, a bar per group."""
    strata = list(dict.fromkeys(row.stratum for row in rows))
    groups = list(dict.fromkeys(row.group for row in rows))
    highest = max(max(row.before, row.after) for row in rows)
    cluster = max(len(groups) * _BAR + _GAP, 96.0)
    panel = cluster * len(strata)
    shapes: list[Shape] = []
    for number, title in enumerate(("before", "after")):
        left = _LEFT + number * (panel + _SPACE)
        shapes.append(Words(left, _TOP - 10, title, 13, bold=True))
        for tick in (0.0, 0.5, 1.0):
            y = _TOP + _HEIGHT * (1 - tick)
            shapes.append(Stroke(f"M{left:g} {y:g}H{left + panel:g}", LINE))
            label = f"{100 * highest * tick:.0f}%"
            shapes.append(Words(left - 6, y + 4, label, 11, "end", colour=SOFT))
        for s, stratum in enumerate(strata):
            start = left + s * cluster + (cluster - len(groups) * _BAR) / 2
            for g, group in enumerate(groups):
                own = [r for r in rows if r.stratum == stratum and r.group == group]
                if not own:
                    continue
                row = own[0]
                height = _HEIGHT * (row.before if number == 0 else row.after) / highest
                colour = GROUPS[g % len(GROUPS)]
                y = _TOP + _HEIGHT - height
                shapes.append(Box(start + g * _BAR, y, _BAR - 3, height, colour))
            for line, text in enumerate(wrapped(stratum, cluster - 8, 11, most=2)):
                middle = left + (s + 0.5) * cluster
                y = _TOP + _HEIGHT + 16 + 14 * line
                shapes.append(Words(middle, y, text, 11, "middle", colour=SOFT))
    bottom = _TOP + _HEIGHT + 62
    x = _LEFT
    for g, group in enumerate(groups):
        shapes.append(Box(x, bottom - 10, 12, 12, GROUPS[g % len(GROUPS)]))
        shapes.append(Words(x + 18, bottom, group, 12, colour=INK))
        x += 40 + 7.5 * len(group)
    width = max(2 * panel + _LEFT + _SPACE, x)
    return Drawing(width, bottom + 8, shapes)
