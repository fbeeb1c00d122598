"""Curves over a number as a drawing: a panel per value shown, a line per group or method."""

from collections.abc import Sequence
from dataclasses import dataclass

from nnunetv2_fair.report.drawing.shapes import (
    GROUPS,
    LINE,
    PAPER,
    SOFT,
    Disc,
    Drawing,
    Shape,
    Stroke,
    Words,
    wrapped,
)

_LEFT, _HEAD, _FOOT, _GAP = 66.0, 30.0, 50.0, 34.0
_WIDTH, _HEIGHT = 380.0, 230.0
_KEY_ROW = 22.0
#: Dashes of the lines of one colour, the first whole.
_DASHES = ("", "7 4", "2 3", "9 3 2 3")


@dataclass(frozen=True)
class Point:
    """One point; places are shares of the axes, 0 (left, below) to 1.

    Attributes:
        x: Place on the horizontal axis.
        y: Place on the vertical axis.
        ends: Ends of its spread or interval on the vertical axis; None for none.
        text: Text beside it; empty for none.
    """

    x: float
    y: float
    ends: tuple[float, float] | None = None
    text: str = ""


@dataclass(frozen=True)
class Line:
    """Points that belong together, left to right; colour and dashes are indices."""

    name: str
    points: Sequence[Point]
    colour: int
    dashes: int = 0


@dataclass(frozen=True)
class CurvePanel:
    """One panel.

    Attributes:
        title: Title above it.
        lines: Lines.
        x_ticks: Place and text of each tick of the horizontal axis.
        y_ticks: The same of the vertical axis.
        x_title: Title of the horizontal axis.
        y_title: Title of the vertical axis.
    """

    title: str
    lines: Sequence[Line]
    x_ticks: Sequence[tuple[float, str]]
    y_ticks: Sequence[tuple[float, str]]
    x_title: str
    y_title: str


def curve_panels(panels: Sequence[CurvePanel], notes: Sequence[str] = ()) -> Drawing:
    """Return panels beside each other, and below them what the lines are.

    Args:
        panels: In the order to show, two in a row.
        notes: Lines of the key that are not drawn, and why.
    """
    across = min(2, len(panels))
    deep = _HEAD + _HEIGHT + _FOOT
    shapes: list[Shape] = []
    for number, panel in enumerate(panels):
        left = _LEFT + number % across * (_WIDTH + _LEFT + _GAP)
        top = number // across * (deep + 10) + _HEAD
        shapes += _panel(panel, left, top)
    rows = -(-len(panels) // across)
    y = rows * (deep + 10) + 8
    key = {(line.name, line.colour, line.dashes): None for panel in panels for line in panel.lines}
    for name, colour, dashes in key:
        own = GROUPS[colour % len(GROUPS)]
        shapes.append(Stroke(f"M{_LEFT} {y:.1f}h34", own, 2.2, dashes=_dashes(dashes)))
        shapes.append(Disc(_LEFT + 17, y, 4, own, PAPER))
        shapes.append(Words(_LEFT + 44, y + 4, name, 12.5))
        y += _KEY_ROW
    width = _LEFT + across * _WIDTH + (across - 1) * (_LEFT + _GAP) + 12
    for note in notes:
        for text in wrapped(note, width - _LEFT, 12, most=3):
            shapes.append(Words(_LEFT, y + 4, text, 12, colour=SOFT))
            y += 17
    return Drawing(width, y, shapes)


def _panel(panel: CurvePanel, left: float, top: float) -> list[Shape]:
    bottom = top + _HEIGHT
    shapes: list[Shape] = [Words(left, top - 12, panel.title, 12.5, bold=True)]
    for place, text in panel.x_ticks:
        x = left + place * _WIDTH
        shapes.append(Stroke(f"M{x:.1f} {top:.1f}V{bottom:.1f}", LINE))
        shapes.append(Words(x, bottom + 17, text, 11.5, "middle", colour=SOFT))
    for place, text in panel.y_ticks:
        y = bottom - place * _HEIGHT
        shapes.append(Stroke(f"M{left:.1f} {y:.1f}h{_WIDTH}", LINE))
        shapes.append(Words(left - 8, y + 4, text, 11.5, "end", colour=SOFT))
    shapes.append(Words(left + _WIDTH / 2, bottom + 37, panel.x_title, 12.5, "middle"))
    middle = (top + bottom) / 2
    shapes.append(Words(left - 50, middle, panel.y_title, 12.5, "middle", turned=True))
    for line in panel.lines:
        shapes += _line(line, left, bottom)
    return shapes


def _line(line: Line, left: float, bottom: float) -> list[Shape]:
    own = GROUPS[line.colour % len(GROUPS)]
    places = [(left + p.x * _WIDTH, bottom - p.y * _HEIGHT) for p in line.points]
    shapes: list[Shape] = []
    if len(places) > 1:
        path = "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in places)
        shapes.append(Stroke(path, own, 2.2, dashes=_dashes(line.dashes)))
    for point, (x, y) in zip(line.points, places, strict=True):
        if point.ends is not None:
            low, high = (bottom - end * _HEIGHT for end in point.ends)
            shapes.append(Stroke(f"M{x:.1f} {low:.1f}V{high:.1f}", own, 1.5, 0.6))
        shapes.append(Disc(x, y, 4.5, own, PAPER))
        if point.text:
            shapes.append(Words(x + 7, y - 7, point.text, 11, colour=SOFT))
    return shapes


def _dashes(index: int) -> str:
    return _DASHES[index % len(_DASHES)]
