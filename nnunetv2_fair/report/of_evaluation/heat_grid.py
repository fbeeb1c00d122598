"""A table of coloured cells: two attributes, one cell per intersection."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from nnunetv2_fair.evaluation.findings.sentences import Sentence
from nnunetv2_fair.evaluation.results.values import MetricInfo
from nnunetv2_fair.report.html.markup import Html
from nnunetv2_fair.report.html.templating import render

#: Opacity of the colour in the best and in the worst cell.
_PALEST, _STRONGEST = 0.04, 0.6


@dataclass(frozen=True)
class HeatCell:
    """One intersection.

    Attributes:
        mean: Text in large print; empty if there is nothing to show.
        small: Lines of small print.
        share: Opacity of the colour, 0 to 1; None leaves it uncoloured.
        kind: ``few`` or ``none`` for cells that are hatched.
        instead: Text instead of a mean.
    """

    mean: str = ""
    small: Sequence[str] = ()
    share: float | None = None
    kind: str = ""
    instead: str = ""


#: The cell of an intersection that nobody is in.
NO_CASES = HeatCell(kind="none", instead="no cases")


def heat_grid(
    metric: MetricInfo,
    rows: Sequence[str],
    columns: Sequence[str],
    cells: Sequence[Sequence[HeatCell]],
    caption: Sentence,
) -> Html:
    """Return a legend and a table of coloured cells.

    Args:
        metric: What the cells show.
        rows: Names of the rows.
        columns: Names of the columns.
        cells: For each row, a cell per column.
        caption: What the table shows.
    """
    best, worst = ("highest", "lowest") if metric.better == "higher" else ("lowest", "highest")
    return render(
        "report/of_evaluation/templates/heat_grid.html",
        best=best,
        worst=worst,
        rows=list(zip(rows, cells, strict=True)),
        columns=columns,
        caption=caption,
    )


def share_of_worst(mean: float, finite: Sequence[float], metric: MetricInfo) -> float:
    """Return how strongly a cell is coloured: the worse its mean among all, the more."""
    low, high = min(finite, default=mean), max(finite, default=mean)
    if not math.isfinite(mean):
        return _STRONGEST
    if high - low < 1e-12:
        return _PALEST
    bad = (mean - low) / (high - low)
    if metric.better == "higher":
        bad = 1 - bad
    return _PALEST + bad * (_STRONGEST - _PALEST)
