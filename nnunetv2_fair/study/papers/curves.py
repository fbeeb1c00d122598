"""Curves over a number that trainings differ in, and performance against the gap."""

import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from nnunetv2_fair.evaluation.papers.side_by_side import (
    Method,
    gaps_of_medians,
    groups_shown,
    made_of,
    of_trainings,
)
from nnunetv2_fair.evaluation.results.evaluation import EvaluationResult
from nnunetv2_fair.evaluation.results.groups import Comparison
from nnunetv2_fair.evaluation.results.tables.per_case import AVERAGE
from nnunetv2_fair.evaluation.results.values import NO_INTERVAL, Interval
from nnunetv2_fair.report.drawing.curve_panels import CurvePanel, Line, Point, curve_panels
from nnunetv2_fair.report.drawing.numbers_table import Cell, Numbers
from nnunetv2_fair.report.html.axis import Axis, axis
from nnunetv2_fair.report.html.titles import measure_title, metric_heading
from nnunetv2_fair.study.asked import Asked, Place
from nnunetv2_fair.study.papers.made import Made, NotMadeError, made_figure
from nnunetv2_fair.study.papers.sources import Sources, missing_methods, reasons
from nnunetv2_fair.study.papers.tables import label_of

#: With numbers further apart than this, they are put at equal distances.
_MOST_LINEAR = 20.0
_SPREAD = (
    "Vertical lines: intervals of the evaluation; of several trainings, one standard deviation "
    "around their mean."
)


@dataclass(frozen=True)
class _Spot:
    """A value of a method at its number."""

    x: float
    value: float
    interval: Interval


@dataclass(frozen=True)
class _Series:
    """A line of one panel: its series, its group (empty for all), and its points by number."""

    series: str
    group: str
    spots: Sequence[_Spot]
    name: str


def curve_at(asked: Asked, sources: Sources, place: Place) -> Made:
    """Return the curves of the methods evaluated at a place, a panel for each value.

    Raises:
        NotMadeError: If nothing is there to show.
        EvaluationError: If the evaluations lack what it shows.
    """
    found, first, label, names = _read(asked, sources, place)
    metric = first.metric(asked.metric)
    numbers_of = sorted({x for points in asked.series.values() for x in points.values()})
    across = _places(numbers_of)
    panels, rows = [], []
    for value in asked.values:
        lines = _lines(asked, found, label, names, value)
        rows += [
            (value, line.series, line.group, spot.x, spot.value, spot.interval.low,
             spot.interval.high)
            for line in lines for spot in line.spots
        ]  # fmt: skip
        heading = _heading(value, metric_heading(metric))
        panels.append(
            _panel(lines, across, _capital(asked.axis), heading, _colours(asked, names, value))
        )
    if not any(panel.lines for panel in panels):
        raise NotMadeError("hidden, because its groups are too small")
    what = "average of all labels" if label == AVERAGE else label
    title = asked.title or f"{metric.title} over {asked.axis}: {what} ({place.words})"
    columns = ("value", "series", "group", "number", f"{metric.column}", "low", "high")
    waiting = [f"{m.name}: {m.instead}" for m in missing_methods(asked)]
    drawing = curve_panels(panels, waiting)
    return made_figure(drawing, title, _SPREAD, Numbers(columns, tuple(rows)))


def tradeoff_at(asked: Asked, sources: Sources, place: Place) -> Made:
    """Return performance against the fairness gap, a line per series.

    Raises:
        NotMadeError: If nothing is there to show.
        EvaluationError: If the evaluations lack what it shows.
    """
    found, first, label, names = _read(asked, sources, place)
    metric = first.metric(asked.metric)
    pair = " \N{MINUS SIGN} ".join(names[:2])
    spots: dict[str, list[tuple[float, float, float]]] = {}
    rows: list[tuple[Cell, ...]] = []
    for series, points in asked.series.items():
        for trainer, number in sorted(points.items(), key=lambda item: item[1]):
            result = found.get(trainer)
            if result is None:
                continue
            gap = of_trainings(
                result,
                asked.by,
                asked.metric,
                label,
                _value("fairness_gap", names, shared=first.shareable),
            ).mean
            middle = of_trainings(
                result,
                asked.by,
                asked.metric,
                label,
                _value("median", names, shared=first.shareable),
            ).mean
            rows.append((series, number, gap, middle))
            if math.isfinite(gap) and math.isfinite(middle):
                spots.setdefault(series, []).append((gap, middle, number))
    if not spots:
        raise NotMadeError("hidden, because its groups are too small")
    flat = [spot for line in spots.values() for spot in line]
    gaps, middles = axis([s[0] for s in flat], include=[0.0]), axis([s[1] for s in flat])
    lines = [
        Line(
            series,
            [Point(gaps.position(x), middles.position(y), text=f"{n:g}") for x, y, n in line],
            list(asked.series).index(series),
        )
        for series, line in spots.items()
    ]
    heading = metric_heading(metric)
    panel = CurvePanel(
        "", lines, _ticks(gaps), _ticks(middles), f"Fairness gap of medians, {pair}",
        f"Median {heading}",
    )  # fmt: skip
    what = "average of all labels" if label == AVERAGE else label
    title = asked.title or f"Median {metric.title} against fairness gap: {what} ({place.words})"
    beside = asked.axis or "those of the series"
    note = f"Numbers beside the points: {beside}. The median is that of all groups together."
    columns = ("series", "number", f"fairness_gap_{metric.column}", f"median_{metric.column}")
    waiting = [f"{m.name}: {m.instead}" for m in missing_methods(asked)]
    return made_figure(curve_panels([panel], waiting), title, note, Numbers(columns, tuple(rows)))


def _read(
    asked: Asked, sources: Sources, place: Place
) -> tuple[Mapping[str, EvaluationResult], EvaluationResult, str, list[str]]:
    """Return the evaluations by trainer, the first of them, the label and the groups to show."""
    trainers = dict.fromkeys(t for points in asked.series.values() for t in points)
    methods = [Method(trainer, *sources.of(place, trainer)) for trainer in trainers]
    found = dict(made_of(methods))
    if not found:
        raise NotMadeError(reasons(methods))
    first, label = next(iter(found.values())), label_of(asked, methods)
    comparison = first.comparison(asked.by, asked.metric, label)
    return found, first, label, groups_shown(comparison, asked.groups)


def _lines(
    asked: Asked,
    found: Mapping[str, EvaluationResult],
    label: str,
    names: Sequence[str],
    value: str,
) -> list[_Series]:
    made = []
    for series, points in asked.series.items():
        for group in names if value == "groups" else [""]:
            spots = []
            for trainer, number in sorted(points.items(), key=lambda item: item[1]):
                if trainer not in found:
                    continue
                result = found[trainer]
                ask = _median_of(group) if group else _value(value, names, shared=result.shareable)
                over = of_trainings(result, asked.by, asked.metric, label, ask)
                mean, std = over.mean, over.std
                comparison = result.comparison(asked.by, asked.metric, label)
                limits = (
                    _interval(comparison, value, group)
                    if math.isnan(std)
                    else Interval(mean - std, mean + std)
                )
                spots.append(_Spot(number, mean, limits))
            # a single series needs no name beside those of its groups
            shown = "" if group and len(asked.series) == 1 else series
            made.append(_Series(series, group, spots, ": ".join(filter(None, (shown, group)))))
    return made


def _median_of(group: str) -> Callable[[Comparison], float]:
    return lambda comparison: comparison.groups[group].median


def _value(name: str, names: Sequence[str], *, shared: bool) -> Callable[[Comparison], float]:
    def value(comparison: Comparison) -> float:
        if name in ("mean", "median"):
            found: float = getattr(comparison.of_compared, name)
            return found
        if name == "fairness_gap":
            _, gaps = gaps_of_medians(comparison, names[:2], shared=shared)
            return next(iter(gaps.values()), math.nan)
        gap = comparison.gap(name)
        return gap.value if gap is not None else math.nan

    return value


def _interval(comparison: Comparison, value: str, group: str) -> Interval:
    if group:
        return comparison.groups[group].median_interval
    if value in ("mean", "median"):
        limits: Interval = getattr(comparison.of_compared, f"{value}_interval")
        return limits
    gap = comparison.gap(value) if value != "fairness_gap" else None
    return gap.interval if gap is not None else NO_INTERVAL


def _panel(
    lines: Sequence[_Series],
    across: Mapping[float, float],
    x_title: str,
    heading: str,
    colours: Mapping[tuple[str, str], tuple[int, int]],
) -> CurvePanel:
    shown = [s for line in lines for s in line.spots if math.isfinite(s.value)]
    ends = [end for s in shown for end in (s.interval.low, s.interval.high)]
    scale = axis([s.value for s in shown], include=ends)
    drawn = [
        Line(
            line.name,
            [
                Point(across[s.x], scale.position(s.value), _ends(s.interval, scale))
                for s in line.spots
                if math.isfinite(s.value)
            ],
            *colours[line.series, line.group],
        )
        for line in lines
        if any(math.isfinite(s.value) for s in line.spots)
    ]
    ticks = [(place, f"{number:g}") for number, place in across.items()]
    return CurvePanel("", drawn, ticks, _ticks(scale), x_title, heading)


def _ends(interval: Interval, scale: Axis) -> tuple[float, float] | None:
    if not (math.isfinite(interval.low) and math.isfinite(interval.high)):
        return None
    return scale.position(interval.low), scale.position(interval.high)


def _colours(
    asked: Asked, names: Sequence[str], value: str
) -> Mapping[tuple[str, str], tuple[int, int]]:
    """Return colour and dashes of every line: groups by colour, else series by colour."""
    if value == "groups":
        return {
            (series, group): (colour, dashes)
            for dashes, series in enumerate(asked.series)
            for colour, group in enumerate(names)
        }
    return {(series, ""): (6 - colour % 7, 0) for colour, series in enumerate(asked.series)}


def _places(numbers_of: Sequence[float]) -> Mapping[float, float]:
    """Return where each number is on the axis: to scale, unless they are far apart."""
    low, high = numbers_of[0], numbers_of[-1]
    steps = [b - a for a, b in itertools.pairwise(numbers_of)]
    if not steps:
        return {low: 0.5}
    if (high - low) / min(steps) > _MOST_LINEAR:
        share = {n: i / len(steps) for i, n in enumerate(numbers_of)}
    else:
        share = {n: (n - low) / (high - low) for n in numbers_of}
    return {number: 0.04 + 0.92 * place for number, place in share.items()}


def _ticks(scale: Axis) -> list[tuple[float, str]]:
    return [(scale.position(tick), scale.tick_text(tick)) for tick in scale.ticks]


def _heading(value: str, metric: str) -> str:
    if value == "groups":
        return f"Median {metric}"
    if value in ("mean", "median"):
        return f"{value.capitalize()} {metric}, all groups"
    return f"{measure_title(value)} of {metric}"


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
