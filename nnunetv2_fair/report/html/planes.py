"""Utility against fairness: all models in two planes, against the gap and the worst group."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from nnunetv2_fair.evaluation.results.values import Interval, MetricInfo
from nnunetv2_fair.report.drawing.numbers_table import Numbers, interval_columns, with_ends
from nnunetv2_fair.report.html.colours import N_COLOURS, letter
from nnunetv2_fair.report.html.downloads import Downloads
from nnunetv2_fair.report.html.markup import Html
from nnunetv2_fair.report.html.plane_plot import Spot, plane_plot
from nnunetv2_fair.report.html.templating import render
from nnunetv2_fair.report.html.titles import metric_heading

#: Text instead of planes in which nothing can be drawn.
NOTHING_TO_DRAW = "Nothing to draw: fewer than two groups are large enough to be compared."


@dataclass(frozen=True)
class ModelPoint:
    """What the planes show of one model, each value with its interval; NaN is not drawn.

    Attributes:
        model: Name of the model or method.
        overall: Overall mean.
        gap: Gap of the group means.
        worst: The worst group's mean.
    """

    model: str
    overall: tuple[float, Interval]
    gap: tuple[float, Interval]
    worst: tuple[float, Interval]


@dataclass(frozen=True)
class _Key:
    letter: str
    colour: int
    model: str
    from_here: bool
    is_baseline: bool


def planes(
    points: Sequence[ModelPoint],
    metric: MetricInfo,
    baseline: str,
    hint: str,
    *,
    level: int = 3,
    what: str = "model",
    most_arrows: int | None = None,
    along: Sequence[ModelPoint] = (),
    downloads: Downloads | None = None,
    name: Sequence[str] = (),
) -> Html:
    """Return the plots of the overall mean against the gap and against the worst group.

    A plane in which nothing can be drawn is left out; without any, the result is empty.

    Args:
        points: The models.
        metric: What was measured.
        baseline: Model that all others are compared with; empty if there is none yet.
        hint: What the reader must know about the intervals.
        level: Level of the headings.
        what: What one point is called.
        most_arrows: Models up to which arrows start at the baseline; None: always.
        along: Models of other planes that share the axes.
        downloads: What readers can take along; None offers nothing.
        name: Words of the names of the files, such as the attribute.
    """
    heading, higher = metric_heading(metric), metric.better == "higher"
    arrows = most_arrows is None or len(points) <= most_arrows
    gap, gap_along = ([(p.overall, p.gap) for p in of] for of in (points, along))
    worst, worst_along = ([(p.overall, p.worst) for p in of] for of in (points, along))
    drawn = []
    for title, y_title, places, elsewhere, y_higher in (
        ("Utility against the gap", f"gap of group means, {heading}", gap, gap_along, False),
        (
            *("Utility against the worst group", f"worst group's mean {heading}"),
            *(worst, worst_along, higher),
        ),
    ):
        spots = [
            Spot(point.model, letter(i), x, y, arrows and point.model == baseline, i)
            for i, (point, (x, y)) in enumerate(zip(points, places, strict=True))
        ]
        if not any(math.isfinite(x[0]) and math.isfinite(y[0]) for x, y in places):
            continue
        plane = plane_plot(
            spots,
            f"overall mean {heading}",
            y_title,
            f"{title}: overall mean {heading} of each {what} against {y_title}",
            higher_is_better=(higher, y_higher),
            along=[Spot("", "", x, y, False, 0) for x, y in elsewhere],
        )
        shown = plane.markup
        if downloads is not None:
            of = f"{title}, {heading}: {', '.join(name)}"
            shown = downloads.figure((title, *name), of, plane, _numbers(points, metric))
        drawn.append((title, shown))
    if not drawn:
        return Html("")
    keys = [
        _Key(
            letter(i),
            i % N_COLOURS,
            point.model,
            arrows and point.model == baseline,
            # a model that is called "baseline" already says so
            point.model == baseline != "baseline",
        )
        for i, point in enumerate(points)
    ]
    return render(
        "report/html/templates/planes.html", keys=keys, drawn=drawn, hint=hint, level=level
    )


def _numbers(points: Sequence[ModelPoint], metric: MetricInfo) -> Numbers:
    columns = [
        column
        for quantity in ("overall_mean", "gap_of_means", "worst_group_mean")
        for column in interval_columns(quantity, metric)
    ]
    rows = tuple(
        (p.model, *with_ends(*p.overall), *with_ends(*p.gap), *with_ends(*p.worst)) for p in points
    )
    return Numbers(("model", *columns), rows)
