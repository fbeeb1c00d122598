"""Box plots of several methods as a drawing: a panel per method, a box per group, one axis."""

from collections.abc import Sequence
from dataclasses import dataclass

from nnunetv2_fair.report.drawing.shapes import (
    GROUPS,
    INK,
    LINE,
    PAPER,
    SOFT,
    Box,
    Drawing,
    Shape,
    Stroke,
    Words,
    wrapped,
)

_LEFT, _HEAD, _NAMES, _GAP = 62.0, 40.0, 46.0, 26.0
_HEIGHT, _SLOT, _BOX = 220.0, 64.0, 34.0
_LEAST, _MOST = 150.0, 960.0


@dataclass(frozen=True)
class BoxShape:
    """One box; heights are shares of the axis, 0 (below) to 1.

    Attributes:
        name: Name of the group.
        note: Small print below it, such as its size.
        quartiles: Lower quartile, median, upper quartile; None for those that are not known.
        whiskers: Lowest and highest value that are no outliers; None for none.
        outliers: Values beyond them.
        colour: Index of the colour.
        instead: Text in place of a box; empty for none.
    """

    name: str
    note: str
    quartiles: tuple[float | None, float | None, float | None]
    whiskers: tuple[float, float] | None
    outliers: Sequence[float]
    colour: int
    instead: str = ""


@dataclass(frozen=True)
class BoxPanel:
    """One method: its title, and its boxes; or text in their place."""

    title: str
    boxes: Sequence[BoxShape]
    instead: str = ""


def box_panels(
    panels: Sequence[BoxPanel],
    ticks: Sequence[tuple[float, str]],
    axis_title: str,
    reference: float | None,
) -> Drawing:
    """Return panels beside and below each other, with one dashed line through all of them.

    Args:
        panels: In the order to show.
        ticks: Place (0 to 1) and text of each tick of the axis.
        axis_title: What the axis shows, with its unit.
        reference: Height of the dashed line; None for none.
    """
    most = max([len(panel.boxes) for panel in panels] or [1])
    width = max(_LEAST, most * _SLOT)
    across = max(1, min(len(panels), int((_MOST - _LEFT) // (width + _GAP))))
    deep = _HEAD + _HEIGHT + _NAMES
    shapes: list[Shape] = []
    rows = -(-len(panels) // across)
    for number, panel in enumerate(panels):
        column, row = number % across, number // across
        left, top = _LEFT + column * (width + _GAP), row * (deep + _GAP) + _HEAD
        shapes += _frame(panel.title, left, top, width, ticks, first=column == 0)
        if reference is not None:
            y = top + (1 - reference) * _HEIGHT
            shapes.append(Stroke(f"M{left:.1f} {y:.1f}h{width:.1f}", INK, 1.2, dashes="5 4"))
        if panel.instead:
            shapes += _text(panel.instead, left, top, width)
        slot = width / max(1, len(panel.boxes))
        for position, box in enumerate(panel.boxes):
            shapes += _box(box, left + (position + 0.5) * slot, top, slot)
    total = rows * deep + (rows - 1) * _GAP
    for row in range(rows):
        middle = row * (deep + _GAP) + _HEAD + _HEIGHT / 2
        shapes.append(Words(14, middle, axis_title, 12.5, "middle", turned=True))
    return Drawing(_LEFT + across * (width + _GAP) - _GAP, total, shapes)


def _frame(
    title: str,
    left: float,
    top: float,
    width: float,
    ticks: Sequence[tuple[float, str]],
    *,
    first: bool,
) -> list[Shape]:
    shapes: list[Shape] = []
    lines = wrapped(title, width, 12.5, most=2)
    for line, text in enumerate(lines):
        y = top - 10 - (len(lines) - 1 - line) * 15
        shapes.append(Words(left + width / 2, y, text, 12.5, "middle", bold=True))
    for place, text in ticks:
        y = top + (1 - place) * _HEIGHT
        shapes.append(Stroke(f"M{left:.1f} {y:.1f}h{width:.1f}", LINE))
        if first:
            shapes.append(Words(left - 8, y + 4, text, 11.5, "end", colour=SOFT))
    shapes.append(Stroke(f"M{left:.1f} {top + _HEIGHT:.1f}h{width:.1f}", SOFT))
    return shapes


def _box(box: BoxShape, x: float, top: float, slot: float) -> list[Shape]:
    own = GROUPS[box.colour % len(GROUPS)]
    half = min(_BOX, slot * 0.6) / 2
    shapes: list[Shape] = []

    def height(place: float) -> float:
        return top + (1 - place) * _HEIGHT

    low, middle, high = box.quartiles
    if box.whiskers is not None:
        ends = [height(end) for end in box.whiskers]
        inner = [height(q) for q in (low, high) if q is not None]
        for end, start in zip(ends, inner, strict=False):
            shapes.append(Stroke(f"M{x:.1f} {start:.1f}V{end:.1f}", own, 1.5))
            shapes.append(Stroke(f"M{x - half / 2:.1f} {end:.1f}h{half:.1f}", own, 1.5))
    if low is not None and high is not None:
        tall = max(0.5, height(low) - height(high))
        shapes.append(Box(x - half, height(high), 2 * half, tall, own, 0.25, own))
    if middle is not None:
        shapes.append(Stroke(f"M{x - half:.1f} {height(middle):.1f}h{2 * half:.1f}", own, 3))
    if box.outliers:
        dots = "".join(f"M{x:.1f} {height(value):.1f}h0" for value in box.outliers)
        shapes.append(Stroke(dots, own, 3, 0.6, round_ends=True))
    if box.instead:
        for line, text in enumerate(wrapped(box.instead, slot - 6, 10.5, most=4)):
            y = top + _HEIGHT / 2 + line * 13
            shapes.append(Box(x - slot / 2 + 3, y - 11, slot - 6, 15, PAPER))
            shapes.append(Words(x, y, text, 10.5, "middle", colour=SOFT))
    names = wrapped(box.name, slot - 2, 11.5, most=2)
    for line, text in enumerate(names):
        shapes.append(Words(x, top + _HEIGHT + 16 + line * 13, text, 11.5, "middle"))
    y = top + _HEIGHT + 16 + len(names) * 13
    shapes.append(Words(x, y, box.note, 10.5, "middle", colour=SOFT))
    return shapes


def _text(text: str, left: float, top: float, width: float) -> list[Shape]:
    shapes: list[Shape] = []
    for line, part in enumerate(wrapped(text, width - 20, 11.5, most=5)):
        y = top + _HEIGHT / 2 + line * 15
        shapes.append(Box(left + 4, y - 12, width - 8, 16, PAPER))
        shapes.append(Words(left + width / 2, y, part, 11.5, "middle", colour=SOFT))
    return shapes
