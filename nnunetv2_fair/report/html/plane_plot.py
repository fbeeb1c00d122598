"""Models as markers in the plane of utility and fairness; right and up are always better."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from nnunetv2_fair.evaluation.results.values import Interval
from nnunetv2_fair.report.drawing.plane import Arrow, Mark, Plane, plane_drawing
from nnunetv2_fair.report.html.axis import Axis, axis
from nnunetv2_fair.report.html.colours import N_COLOURS
from nnunetv2_fair.report.html.figure import Figure
from nnunetv2_fair.report.html.templating import render

_WIDTH, _HEIGHT = 560, 400
#: The area inside the axes.
_LEFT, _RIGHT, _TOP, _BOTTOM = 74, _WIDTH - 20, 18, _HEIGHT - 56

#: Radius of a marker with a small margin, where arrows begin and end.
_RIM = 12.0


@dataclass(frozen=True)
class Spot:
    """One model in the plane of utility and fairness.

    Attributes:
        name: Name of the model; files of the figure tell it, on the page the key above does.
        letter: Text in the marker.
        x: Utility, with its interval.
        y: Fairness, with its interval.
        baseline: Whether arrows start here.
        colour: Index of the colour.
    """

    name: str
    letter: str
    x: tuple[float, Interval]
    y: tuple[float, Interval]
    baseline: bool
    colour: int


@dataclass(frozen=True)
class _Side:
    """One axis in the drawing: values, their places, and whether it is reversed."""

    scale: Axis
    first: float
    last: float
    higher_is_better: bool

    def place(self, value: float) -> float:
        share = self.scale.position(value)
        if not self.higher_is_better:
            share = 1 - share
        return self.first + share * (self.last - self.first)

    def ticks(self) -> list[tuple[float, str]]:
        return [(self.place(tick), self.scale.tick_text(tick)) for tick in self.scale.ticks]


def plane_plot(
    spots: Sequence[Spot],
    x_title: str,
    y_title: str,
    description: str,
    *,
    higher_is_better: tuple[bool, bool],
    along: Sequence[Spot] = (),
) -> Figure:
    """Return a scatter plot in which right and up are always better.

    Args:
        spots: The models; those with NaN are not drawn.
        x_title: Title of the horizontal axis.
        y_title: Title of the vertical axis.
        description: Alternative text.
        higher_is_better: For x and y; an axis whose lower values are better is reversed.
        along: Models of other plots that share the axes.
    """
    shown = _drawn(spots)
    scaled = [*shown, *_drawn(along)]
    across = _Side(_scale(s.x for s in scaled), _LEFT, _RIGHT, higher_is_better[0])
    upward = _Side(_scale(s.y for s in scaled), _BOTTOM, _TOP, higher_is_better[1])
    plane = Plane(
        _WIDTH, _HEIGHT, _LEFT, _RIGHT, _TOP, _BOTTOM, across.ticks(), upward.ticks(), x_title,
        y_title,
    )  # fmt: skip
    arrows = _arrows(shown, across, upward)
    marks = [_mark(spot, across, upward) for spot in shown]
    markup = render(
        "report/html/templates/plane_plot.html",
        plane=plane,
        description=description,
        arrows=arrows,
        marks=marks,
    )
    key = [(spot.letter, spot.colour, spot.name) for spot in shown]
    return Figure(markup, plane_drawing(plane, arrows, marks, key))


def _drawn(spots: Sequence[Spot]) -> list[Spot]:
    return [s for s in spots if math.isfinite(s.x[0]) and math.isfinite(s.y[0])]


def _scale(points: Iterable[tuple[float, Interval]]) -> Axis:
    return axis([v for value, ends in points for v in (value, ends.low, ends.high)], n_ticks=5)


def _mark(spot: Spot, across: _Side, upward: _Side) -> Mark:
    x, y = across.place(spot.x[0]), upward.place(spot.y[0])
    whiskers = ""
    for ends, side, start, command in (
        (spot.x[1], across, "M{end:.1f} {y:.1f}", "H{end:.1f}"),
        (spot.y[1], upward, "M{x:.1f} {end:.1f}", "V{end:.1f}"),
    ):
        if not math.isnan(ends.low + ends.high):
            whiskers += start.format(end=side.place(ends.low), x=x, y=y)
            whiskers += command.format(end=side.place(ends.high))
    return Mark(x, y, whiskers, spot.letter, spot.colour % N_COLOURS, spot.baseline)


def _arrows(spots: Sequence[Spot], across: _Side, upward: _Side) -> list[Arrow]:
    """Return arrows from the baseline to every other marker that is not too close."""
    base = next((spot for spot in spots if spot.baseline), None)
    if base is None:
        return []
    start = (across.place(base.x[0]), upward.place(base.y[0]))
    ends = [(across.place(s.x[0]), upward.place(s.y[0])) for s in spots if s is not base]
    return [arrow for end in ends if (arrow := _arrow(start, end)) is not None]


def _arrow(start: tuple[float, float], end: tuple[float, float]) -> Arrow | None:
    """Return an arrow that stops at the edges of the two markers; None if it would be short."""
    dx, dy = end[0] - start[0], end[1] - start[1]
    length = math.hypot(dx, dy)
    if length < 2 * _RIM + 8:
        return None
    ux, uy = dx / length, dy / length
    x1, y1 = start[0] + ux * _RIM, start[1] + uy * _RIM
    x2, y2 = end[0] - ux * _RIM, end[1] - uy * _RIM
    back_x, back_y = x2 - ux * 8, y2 - uy * 8
    return Arrow(
        f"M{x1:.1f} {y1:.1f}L{back_x:.1f} {back_y:.1f}",
        f"M{x2:.1f} {y2:.1f}L{back_x - uy * 4:.1f} {back_y + ux * 4:.1f}"
        f"L{back_x + uy * 4:.1f} {back_y - ux * 4:.1f}Z",
    )
