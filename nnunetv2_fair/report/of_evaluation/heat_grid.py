"""A table of coloured cells: two attributes, one cell per intersection."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from nnunetv2_fair.evaluation.findings.sentences import Sentence, plain, shortened
from nnunetv2_fair.evaluation.results.values import MetricInfo
from nnunetv2_fair.report.drawing.grid import GridCell, grid_drawing
from nnunetv2_fair.report.html.axis import axis
from nnunetv2_fair.report.html.figure import Figure
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


@dataclass(frozen=True)
class HeatScale:
    """Which values have the palest and the strongest colour: the same in every table of a metric.

    Attributes:
        metric: What the cells show.
        best: Best value a metric can have.
        worst: Worst value it can have; of distances, which have no limit, the worst on the page.
    """

    metric: MetricInfo
    best: float
    worst: float

    def share(self, mean: float) -> float:
        """Return how strongly a cell is coloured: the worse its mean, the more."""
        if not math.isfinite(mean):
            return _STRONGEST
        bad = (mean - self.best) / (self.worst - self.best)
        return _PALEST + min(1.0, max(0.0, bad)) * (_STRONGEST - _PALEST)

    @property
    def ends(self) -> tuple[str, str]:
        """Best and worst value in words."""
        unit = self.metric.unit
        best, worst = (_short(end) + f" {unit}" * bool(unit) for end in (self.best, self.worst))
        return f"{best} (best)", f"{worst} (worst)"


def heat_scale(metric: MetricInfo, means: Iterable[float]) -> HeatScale:
    """Return the scale of a metric.

    Args:
        metric: The metric.
        means: Everything that the page shows of it; decides where the metric has no limit.
    """
    finite = [mean for mean in means if math.isfinite(mean)]
    low, high = metric.lowest, metric.highest
    if not metric.unit and all(0 <= mean <= 1 for mean in finite):
        low = low if math.isfinite(low) else 0.0
        high = high if math.isfinite(high) else 1.0
    seen = axis([*finite, 0.0])
    low, high = (
        low if math.isfinite(low) else seen.low,
        high if math.isfinite(high) else seen.high,
    )
    return HeatScale(metric, *((high, low) if metric.better == "higher" else (low, high)))


def heat_grid(
    scale: HeatScale,
    rows: Sequence[str],
    columns: Sequence[str],
    cells: Sequence[Sequence[HeatCell]],
    caption: Sentence,
) -> Figure:
    """Return the colours' scale and a table of coloured cells.

    Args:
        scale: Which value has which colour.
        rows: Names of the rows.
        columns: Names of the columns.
        cells: For each row, a cell per column.
        caption: What the table shows.
    """
    markup = render(
        "report/of_evaluation/templates/heat_grid.html",
        ends=scale.ends,
        rows=list(zip(rows, cells, strict=True)),
        columns=columns,
        caption=caption,
        about=plain(caption),
    )
    drawn = [[GridCell(_lines(cell), cell.share) for cell in row] for row in cells]
    names = [shortened(name) for name in rows], [shortened(name) for name in columns]
    return Figure(markup, grid_drawing(*names, drawn, scale.ends, (_PALEST, _STRONGEST)))


def _lines(cell: HeatCell) -> list[str]:
    return [text for text in (cell.mean, cell.instead, *cell.small) if text]


def _short(value: float) -> str:
    return f"{value:g}"
