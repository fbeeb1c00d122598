"""The numbers behind a figure or table, in full precision, as CSV."""

import math
from dataclasses import dataclass

from nnunetv2_fair.evaluation.findings.sentences import shortened
from nnunetv2_fair.evaluation.results.tables.safe_csv import csv_of_rows
from nnunetv2_fair.evaluation.results.values import Interval, MetricInfo

#: A cell: text or a number; None and NaN are empty, because there is no value or it is hidden.
Cell = str | float | int | None

_LONGEST = 400


@dataclass(frozen=True)
class Numbers:
    """A table of numbers in full precision.

    Attributes:
        columns: Headings, which name the unit: ``median_hd95_mm``.
        rows: Cells, one per column.
    """

    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]

    def csv(self) -> str:
        """Return it as CSV that spreadsheets open safely; undefined and hidden cells are empty."""
        return csv_of_rows(self.columns, [[_written(cell) for cell in row] for row in self.rows])


def with_ends(value: float, limits: Interval) -> tuple[float, float, float]:
    """Return the cells of a value and of the ends of its interval."""
    return value, limits.low, limits.high


def interval_columns(quantity: str, metric: MetricInfo | None = None) -> tuple[str, str, str]:
    """Return the headings of a value and of the ends of its interval.

    Args:
        quantity: What is told, such as ``median``.
        metric: Its metric, which brings name and unit; None for what has neither.
    """
    of = f"{quantity}_{metric.column}" if metric is not None else quantity
    return of, f"{of}_interval_low", f"{of}_interval_high"


def _written(cell: Cell) -> Cell:
    """Leave out what is undefined; limit text, which may be anything."""
    if isinstance(cell, float):
        return None if math.isnan(cell) else float(cell) + 0.0  # no negative zero
    return shortened(cell, _LONGEST) if isinstance(cell, str) else cell
