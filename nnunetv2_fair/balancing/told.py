"""What was balanced, as files of the dataset: a table, a picture, and how it was done."""

import csv
import io
import json
from collections.abc import Mapping, Sequence
from typing import Any

from nnunetv2_fair.balancing.strata import Strata
from nnunetv2_fair.balancing.weights import Balanced
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
    found: Balanced, strata: Strata, expression: str, settings: Mapping[str, Any]
) -> dict[str, str]:
    """Return the text of each file, by name.

    They name groups and hold counts: they are as private as the demographics beside them.

    Args:
        found: Weights, and what they change.
        strata: Of all training cases.
        expression: Attribute expression.
        settings: What was chosen, by name; plain values.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["stratum", "group", "cases", "share_before", "share_after", "mean_weight"])
    for row in found.rows:
        numbers = (f"{row.before:.6g}", f"{row.after:.6g}", f"{row.weight:.6g}")
        writer.writerow([row.stratum, row.group, row.cases, *numbers])
    content = {
        "settings": dict(settings),
        "strata": strata.by,
        "unit": found.unit,
        "imbalance": {"before": found.imbalance[0], "after": found.imbalance[1]},
        "effective_cases": dict(found.effective),
        "strata_without_a_group": {name: dict(groups) for name, groups in found.alone.items()},
        "cases_of_unknown_group": found.unknown,
    }
    return {
        BALANCE_CSV: text.getvalue(),
        BALANCE_SVG: standalone(
            _picture(found),
            f"Training cases of each group, by {strata.by}",
            f"Shares of the groups of '{expression}' in each stratum. Groups' distributions are up "
            f"to {100 * found.imbalance[0]:.3g}% apart before and {100 * found.imbalance[1]:.3g}% "
            "after.",
        ),
        BALANCE_JSON: json.dumps(content, indent=1, ensure_ascii=False) + "\n",
    }


def lines_of(found: Balanced, strata: Strata) -> list[str]:
    """Return the table as lines for the screen.

    Args:
        found: Weights, and what they change.
        strata: Of all training cases.
    """
    head = ("stratum", "group", "cases", "before", "after", "weight")
    cells: list[Sequence[str]] = [head]
    cells += [
        (row.stratum, row.group, str(row.cases), f"{100 * row.before:.1f}%",
         f"{100 * row.after:.1f}%", f"{row.weight:.2f}" if row.cases else "-")
        for row in found.rows
    ]  # fmt: skip
    widths = [max(len(line[i]) for line in cells) for i in range(len(head))]
    lines = [
        "  ".join(
            cell.ljust(width) if i < 2 else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(line, widths, strict=True))
        )
        for line in cells
    ]
    before, after = (f"{100 * share:.3g}%" for share in found.imbalance)
    effective = ", ".join(f"{group} {n:.1f}" for group, n in found.effective.items())
    return [
        f"Shares of each group's training cases, by {strata.by}:",
        *(f"  {line}" for line in lines),
        f"Distributions of groups are up to {before} apart before, {after} after.",
        f"The weighted cases say as much as so many equal ones: {effective}",
    ]


def _picture(found: Balanced) -> Drawing:
    """Return two panels, before and after: a cluster of bars per stratum, a bar per group."""
    strata = list(dict.fromkeys(row.stratum for row in found.rows))
    groups = list(dict.fromkeys(row.group for row in found.rows))
    highest = max(max(row.before, row.after) for row in found.rows)
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
                row = next(r for r in found.rows if r.stratum == stratum and r.group == group)
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
