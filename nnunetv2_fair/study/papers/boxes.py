"""Box plots of all methods: a panel per method, the baseline's reference group as dashed line."""

import math
from collections.abc import Mapping, Sequence

import numpy as np

from nnunetv2_fair.evaluation.findings import numbers
from nnunetv2_fair.evaluation.papers.side_by_side import Method, groups_shown, made_of
from nnunetv2_fair.evaluation.results.evaluation import EvaluationResult
from nnunetv2_fair.evaluation.results.groups import Comparison, GroupStatistics
from nnunetv2_fair.evaluation.results.tables.per_case import AVERAGE
from nnunetv2_fair.evaluation.results.tables.unit_values import unit_values
from nnunetv2_fair.report.drawing.box_panels import BoxPanel, BoxShape, box_panels
from nnunetv2_fair.report.drawing.numbers_table import Cell, Numbers
from nnunetv2_fair.report.html.axis import Axis, axis
from nnunetv2_fair.report.html.titles import metric_heading
from nnunetv2_fair.study.asked import Asked, Place
from nnunetv2_fair.study.papers.made import Made, NotMadeError, made_figure
from nnunetv2_fair.study.papers.sources import Sources, reasons
from nnunetv2_fair.study.papers.tables import label_of

#: Whiskers end at the last value within so many quartile ranges of the box.
_REACH = 1.5


def boxes_at(asked: Asked, sources: Sources, place: Place) -> Made:
    """Return the box plots of the methods evaluated at a place.

    Raises:
        NotMadeError: If nothing is there to show.
        EvaluationError: If the evaluations lack what it shows.
    """
    methods = sources.methods(asked, place)
    found = made_of(methods)
    if not found:
        raise NotMadeError(reasons(methods))
    first, label = found[0][1], label_of(asked, methods)
    metric = first.metric(asked.metric)
    names = _all_groups(first.comparison(asked.by, asked.metric, label), asked.groups)
    drawn = {
        method.name: _values(method.result, asked, label, names)
        for method in methods
        if method.result is not None
    }
    reference = _reference(asked, sources, place, label, names[0])
    seen = [v for boxes in drawn.values() for box in boxes.values() for v in box.all]
    if not seen:
        raise NotMadeError("hidden, because its groups are too small")
    scale = axis(seen, include=[] if math.isnan(reference) else [reference])
    panels = [_panel(method, drawn.get(method.name, {}), names, scale) for method in methods]
    ticks = [(scale.position(tick), scale.tick_text(tick)) for tick in scale.ticks]
    line = None if math.isnan(reference) else scale.position(reference)
    what = "average of all labels" if label == AVERAGE else label
    title = asked.title or f"{metric_heading(metric)} by {asked.by}: {what} ({place.words})"
    note = f"Boxes: quartiles and median. {_about_whiskers(first)}"
    if line is not None:
        height = numbers.with_unit(reference, metric.unit)
        note += f" Dashed: median of {names[0]} of the baseline, {height}."
    return made_figure(
        box_panels(panels, ticks, metric_heading(metric), line),
        title,
        note,
        _numbers(drawn, names, metric.column),
    )


def _all_groups(comparison: Comparison, groups: Sequence[str]) -> list[str]:
    """Return the groups to show: those asked for, or all, those that are compared first."""
    names = groups_shown(comparison, groups)
    return names if groups else [*names, *(n for n in comparison.groups if n not in names)]


class _Values:
    """The numbers of one box.

    Args:
        group: Statistics.
        values: Individual values, ascending; empty if they are not to be shown.
    """

    def __init__(self, group: GroupStatistics, values: np.ndarray) -> None:
        self.quartiles = (group.q1, group.median, group.q3)
        self.units = group.n_units
        self.low = self.high = math.nan
        self.outliers: list[float] = []
        finite = values[np.isfinite(values)]
        self.n_outliers: int | None = 0 if len(finite) else None
        if len(finite) and math.isfinite(group.iqr):
            reach = _REACH * group.iqr
            inside = finite[(finite >= group.q1 - reach) & (finite <= group.q3 + reach)]
            if len(inside):
                self.low, self.high = float(inside[0]), float(inside[-1])
                self.outliers = [float(v) for v in finite if not self.low <= v <= self.high]
                self.n_outliers = len(self.outliers)

    @property
    def all(self) -> list[float]:
        """Everything that is drawn."""
        found = [*self.quartiles, self.low, self.high, *self.outliers]
        return [value for value in found if math.isfinite(value)]


def _values(
    result: EvaluationResult, asked: Asked, label: str, names: Sequence[str]
) -> Mapping[str, _Values]:
    comparison = result.comparison(asked.by, asked.metric, label)
    each = {} if result.shareable else unit_values(result, asked.by, asked.metric, label)
    return {
        name: _Values(comparison.groups[name], each.get(name, np.empty(0)))
        for name in names
        if name in comparison.groups
    }


def _reference(asked: Asked, sources: Sources, place: Place, label: str, reference: str) -> float:
    """Return the median of the reference group of the baseline; NaN if it is not known."""
    result, _ = sources.of(place, asked.baseline)
    if result is None:
        return math.nan
    comparison: Comparison = result.comparison(asked.by, asked.metric, label)
    return comparison.groups[reference].median


def _panel(
    method: Method, values: Mapping[str, _Values], names: Sequence[str], scale: Axis
) -> BoxPanel:
    if method.result is None:
        return BoxPanel(method.name, (), method.instead)
    boxes = []
    for colour, name in enumerate(names):
        box = values[name]
        low, middle, high = (scale.position(q) if math.isfinite(q) else None for q in box.quartiles)
        whiskers = (
            None if math.isnan(box.low) else (scale.position(box.low), scale.position(box.high))
        )
        hidden = "" if middle is not None else numbers.HIDDEN if box.units is None else "no median"
        boxes.append(
            BoxShape(
                name,
                "" if box.units is None else f"n = {numbers.whole(box.units)}",
                (low, middle, high),
                whiskers,
                [scale.position(v) for v in box.outliers],
                colour,
                hidden,
            )
        )
    return BoxPanel(method.name, boxes)


def _about_whiskers(result: EvaluationResult) -> str:
    if result.shareable:
        return "Whiskers and single values are not shared."
    return f"Whiskers: the last value within {_REACH} quartile ranges; dots beyond them."


def _numbers(
    drawn: Mapping[str, Mapping[str, _Values]], names: Sequence[str], column: str
) -> Numbers:
    rows: list[tuple[Cell, ...]] = [
        (method, name, box.units, *box.quartiles, box.low, box.high, box.n_outliers)
        for method, boxes in drawn.items()
        for name in names
        for box in [boxes[name]]
    ]
    return Numbers(
        (
            "method", "group", "values", f"q1_{column}", f"median_{column}", f"q3_{column}",
            f"whisker_low_{column}", f"whisker_high_{column}", "outliers",
        ),
        tuple(rows),
    )  # fmt: skip
