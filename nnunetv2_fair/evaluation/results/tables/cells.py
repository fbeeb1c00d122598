"""Cells of the printed tables."""

import math
from typing import Protocol

from nnunetv2_fair.evaluation.results.evaluation import EvaluationResult
from nnunetv2_fair.evaluation.results.tables.per_case import AVERAGE
from nnunetv2_fair.evaluation.results.values import Interval, MetricInfo

#: The first columns of most tables.
WHERE = ("Attribute", "Label", "Metric")


class Found(Protocol):
    """Anything that is about an attribute, a label and a metric."""

    @property
    def attribute(self) -> str:
        """Attribute expression."""

    @property
    def label(self) -> str:
        """Label, region or ``average``."""

    @property
    def metric(self) -> str:
        """Name of the metric."""


def where(result: EvaluationResult, found: Found) -> tuple[str, str, str]:
    """Return the cells of the columns ``WHERE``."""
    return (found.attribute, found.label, metric_title(result.metric(found.metric)))


def number(value: float, info: MetricInfo | None) -> str:
    """Return four decimals, or three of a distance; empty if undefined."""
    if math.isnan(value):
        return ""
    return f"{value:.{3 if info is not None and info.unit else 4}f}"


def p_value(value: float | None) -> str:
    """Return three significant digits; empty if there is no test."""
    return "" if value is None or math.isnan(value) else f"{value:.3g}"


def whole(count: int | None) -> str:
    """Return a number of patients or cases; empty if a shareable result hides it."""
    return "" if count is None else str(count)


def with_interval(pair: tuple[float, Interval], info: MetricInfo | None) -> tuple[str, str]:
    """Return the cells of a value and of its interval."""
    return number(pair[0], info), interval_cell(pair[1], info)


def interval_cell(interval: Interval, info: MetricInfo | None) -> str:
    """Return both ends; empty if they could not be computed."""
    if math.isnan(interval.low) or math.isnan(interval.high):
        return ""
    # in brackets, as spreadsheets take a cell that begins with a minus for a formula
    return f"[{number(interval.low, info)} to {number(interval.high, info)}]"


def metric_title(info: MetricInfo) -> str:
    """Return the name of a metric with its unit."""
    return f"{info.title} ({info.unit})" if info.unit else info.title


def label_title(label: str) -> str:
    """Return a label as it is named in titles."""
    return "all labels, averaged" if label == AVERAGE else label
