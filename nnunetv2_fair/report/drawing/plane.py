"""Markers in a plane as a drawing: both axes, arrows from the baseline, a letter in each marker."""

from collections.abc import Sequence
from dataclasses import dataclass

from nnunetv2_fair.report.drawing.shapes import (
    GROUPS,
    INK,
    LINE,
    PAPER,
    SOFT,
    Disc,
    Drawing,
    Shape,
    Stroke,
    Words,
)


@dataclass(frozen=True)
class Arrow:
    """An arrow as path data of its line and of its head."""

    line: str
    head: str


@dataclass(frozen=True)
class Mark:
    """A marker with its whiskers as path data; the baseline's is hollow."""

    x: float
    y: float
    whiskers: str
    letter: str
    colour: int
    baseline: bool


@dataclass(frozen=True)
class Plane:
    """The area inside the axes, and what is written at them.

    Attributes:
        width: Width of the figure.
        height: Height of the figure.
        left: Left end of the area; the other ends likewise.
        x_ticks: Place and text of each tick of the horizontal axis.
        y_ticks: The same of the vertical axis.
        x_title: Title of the horizontal axis.
        y_title: Title of the vertical axis.
    """

    width: float
    height: float
    left: float
    right: float
    top: float
    bottom: float
    x_ticks: Sequence[tuple[float, str]]
    y_ticks: Sequence[tuple[float, str]]
    x_title: str
    y_title: str


def plane_drawing(
    plane: Plane,
    arrows: Sequence[Arrow],
    marks: Sequence[Mark],
    key: Sequence[tuple[str, int, str]],
) -> Drawing:
    """Return the plane with its markers, and below it what the letters mean.

    Args:
        plane: Axes.
        arrows: Arrows from the baseline.
        marks: Markers.
        key: Letter, colour and name of each model.
    """
    shapes: list[Shape] = []
    for x, text in plane.x_ticks:
        shapes.append(Stroke(f"M{x:.1f} {plane.top}V{plane.bottom}", LINE))
        shapes.append(Words(x, plane.bottom + 20, text, 12, "middle", colour=SOFT))
    for y, text in plane.y_ticks:
        shapes.append(Stroke(f"M{plane.left} {y:.1f}H{plane.right}", LINE))
        shapes.append(Words(plane.left - 10, y + 4, text, 12, "end", colour=SOFT))
    better = "  \N{RIGHTWARDS ARROW} better"
    across, down = (plane.left + plane.right) / 2, (plane.top + plane.bottom) / 2
    shapes.append(Words(across, plane.height - 10, plane.x_title + better, 13, "middle"))
    shapes.append(Words(16, down, plane.y_title + better, 13, "middle", turned=True))
    for arrow in arrows:
        shapes.append(Stroke(arrow.line, SOFT, 1.6))
        shapes.append(Stroke(arrow.head, SOFT, 0, fill=SOFT))
    for mark in marks:
        own = GROUPS[mark.colour % len(GROUPS)]
        if mark.whiskers:
            shapes.append(Stroke(mark.whiskers, own, 2, 0.6))
        shapes += _marker(mark.x, mark.y, mark.letter, own, hollow=mark.baseline)
    for position, (letter, colour, name) in enumerate(key):
        y = plane.height + 20 + position * 26
        own = GROUPS[colour % len(GROUPS)]
        hollow = any(mark.baseline and mark.letter == letter for mark in marks)
        shapes += _marker(plane.left + 10, y, letter, own, hollow=hollow)
        shapes.append(Words(plane.left + 28, y + 4.5, name, 13))
    return Drawing(plane.width, plane.height + len(key) * 26 + 8 * bool(key), shapes)


def _marker(x: float, y: float, letter: str, own: str, *, hollow: bool) -> list[Shape]:
    disc = Disc(x, y, 10, PAPER, own, 3) if hollow else Disc(x, y, 10, own, PAPER)
    ink = INK if hollow else PAPER
    return [disc, Words(x, y + 4.5, letter, 12, "middle", bold=True, colour=ink)]
