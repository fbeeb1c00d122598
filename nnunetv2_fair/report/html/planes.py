"""Utility against fairness: all methods of a study in one plane."""

import math
from collections.abc import Mapping

from nnunetv2_fair.evaluation.results.comparison import OVERALL_MEAN, WORST_GROUP_MEAN
from nnunetv2_fair.evaluation.results.values import Interval, MetricInfo
from nnunetv2_fair.report.html.document import metric_heading
from nnunetv2_fair.report.html.figures import N_COLOURS, Spot, plane_plot
from nnunetv2_fair.report.html.markup import Html, element, join, name

#: A value and its interval.
Point = tuple[float, Interval]

_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
#: Methods up to which the eye can follow arrows from the baseline.
_MOST_ARROWS = 6


def planes(points: Mapping[str, Mapping[str, Point]], metric: MetricInfo, baseline: str) -> Html:
    """Return the plots of the overall mean against the gap and against the worst group.

    Args:
        points: Method -> measure -> value with its interval.
        metric: What was measured.
        baseline: Method that all others are compared with; empty if there is none yet.
    """
    heading, higher = metric_heading(metric), metric.better == "higher"
    marked = baseline if len(points) <= _MOST_ARROWS else ""
    drawn = []
    for measure, title, y_title, y_higher in (
        ("delta", "Utility against the gap", f"gap of group means, {heading}", False),
        (
            WORST_GROUP_MEAN,
            "Utility against the worst group",
            f"worst group's mean {heading}",
            higher,
        ),
    ):
        spots = [
            Spot(
                _letter(position),
                _point(by_measure, OVERALL_MEAN),
                _point(by_measure, measure),
                trainer == marked,
                position,
            )
            for position, (trainer, by_measure) in enumerate(points.items())
        ]
        if any(math.isfinite(spot.x[0]) and math.isfinite(spot.y[0]) for spot in spots):
            plane = plane_plot(
                spots,
                f"overall mean {heading}",
                y_title,
                f"{title}: overall mean {heading} of each method against {y_title}",
                higher_is_better=(higher, y_higher),
            )
            drawn.append(element("div", element("h4", title), plane, class_="card"))
    if not drawn:
        text = "Nothing to draw: fewer than two groups are large enough to be compared."
        return element("p", text, class_="hint")
    keys = [
        element(
            "li",
            element(
                "span", _letter(position), aria_hidden="true",
                class_=f"key c{position % N_COLOURS}"
                + (" baseline" if trainer == marked else ""),
            ),
            name(trainer),
            " (baseline)" if trainer == baseline else "",
        )
        for position, trainer in enumerate(points)
    ]  # fmt: skip
    hint = (
        "Right and up are better. Lines: the interval of each method by itself; the ranks come "
        "from the paired comparison, which can tell apart what overlaps here."
    )
    return join(
        [
            element("ul", *keys, class_="keys legend"),
            element("div", *drawn, class_="pair"),
            element("p", hint, class_="lead"),
        ]
    )


def _point(by_measure: Mapping[str, Point], measure: str) -> Point:
    return by_measure.get(measure, (math.nan, Interval(math.nan, math.nan)))


def _letter(position: int) -> str:
    return _LETTERS[position] if position < len(_LETTERS) else str(position + 1)
