"""Curves over the epochs as a drawing: both axes, a line per group or method, and their key."""

from collections.abc import Sequence
from dataclasses import dataclass

from nnunetv2_fair.report.drawing.shapes import (
    GROUPS,
    LINE,
    SOFT,
    Drawing,
    Shape,
    Stroke,
    Words,
)

#: Lines differ in dashes, too: colours alone are not enough for every eye.
DASHES = ("", "7 4", "2 4", "9 3 2 3")


@dataclass(frozen=True)
class Line:
    """One curve: its name, path data, and which colour and dashes it has."""

    name: str
    path: str
    colour: int
    dashes: str


@dataclass(frozen=True)
class Frame:
    """The area inside the axes: its ends, the ticks of both axes, and their titles."""

    width: float
    height: float
    left: float
    right: float
    top: float
    bottom: float
    x_ticks: Sequence[tuple[float, str]]
    y_ticks: Sequence[tuple[float, str]]
    y_title: str


def lines_drawing(frame: Frame, lines: Sequence[Line]) -> Drawing:
    """Return the curves, and below them whose they are.

    Args:
        frame: Axes.
        lines: Curves.
    """
    shapes: list[Shape] = []
    for x, text in frame.x_ticks:
        shapes.append(Words(x, frame.bottom + 18, text, 12, "middle", colour=SOFT))
    for y, text in frame.y_ticks:
        shapes.append(Stroke(f"M{frame.left} {y:.1f}H{frame.right}", LINE))
        shapes.append(Words(frame.left - 8, y + 4, text, 12, "end", colour=SOFT))
    across, down = (frame.left + frame.right) / 2, (frame.top + frame.bottom) / 2
    shapes.append(Words(across, frame.height - 4, "epoch", 13, "middle"))
    shapes.append(Words(14, down, frame.y_title, 13, "middle", turned=True))
    for line in lines:
        own = GROUPS[line.colour % len(GROUPS)]
        shapes.append(Stroke(line.path, own, 2.2, dashes=line.dashes))
    for position, line in enumerate(lines):
        y = frame.height + 22 + position * 22
        own = GROUPS[line.colour % len(GROUPS)]
        shapes.append(Stroke(f"M{frame.left} {y}H{frame.left + 34}", own, 2.2, dashes=line.dashes))
        shapes.append(Words(frame.left + 44, y + 4.5, line.name, 13))
    return Drawing(frame.width, frame.height + len(lines) * 22 + 14, shapes)
