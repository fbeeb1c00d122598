"""Figures of one row per group as drawings: name, count, dots or marker, and the value in words."""

import re
from collections.abc import Callable, Sequence
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

#: Units of the paths of one row.
WIDTH, HEIGHT = 1000, 100

_NAMES, _AREA, _VALUES, _SPACE = 210, 470, 150, 16
_ROW = {"strips": 64.0, "forest": 42.0}
_STEP = re.compile(r"([MLHVhZ])([^MLHVhZ]*)")


@dataclass(frozen=True)
class RowBox:
    """The box between two values of a row."""

    x: float
    width: float
    y: int = 10
    height: int = HEIGHT - 20


@dataclass(frozen=True)
class RowShapes:
    """The shapes of one row, back to front: a box, then paths, each with its kind."""

    box: RowBox | None
    paths: Sequence[tuple[str, str]]


@dataclass(frozen=True)
class Row:
    """One row in words and shapes.

    Attributes:
        name: What the row is about, in pieces.
        notes: Lines of small print below the name.
        drawing: Shapes in a field of ``WIDTH`` by ``HEIGHT`` units; None for none.
        instead: Text instead of shapes.
        value: Value as text.
        small_value: Small print below it.
        colour: Index of the colour.
    """

    name: Sequence[str]
    notes: Sequence[str]
    drawing: RowShapes | None
    instead: str
    value: str
    small_value: str
    colour: int


def rows_drawing(
    rows: Sequence[Row], ticks: Sequence[tuple[float, str]], axis_title: str, kind: str
) -> Drawing:
    """Return rows, one below the other, over a common axis.

    Args:
        rows: Top to bottom.
        ticks: Place (0 to 1) and text of each tick of the axis; empty if nothing is drawn.
        axis_title: What the axis shows, with its unit.
        kind: ``strips`` or ``forest``.
    """
    left, height = _NAMES + _SPACE, _ROW[kind]
    shapes: list[Shape] = []
    bottom = len(rows) * height
    for place, _ in ticks:
        x = left + place * _AREA
        shapes.append(Stroke(f"M{x:.1f} 0V{bottom:.1f}", LINE))
    for position, row in enumerate(rows):
        shapes += _row(row, position * height, height, left)
    if ticks:
        shapes.append(Stroke(f"M{left} {bottom:.1f}h{_AREA}", SOFT))
        shapes += [
            Words(left + place * _AREA, bottom + 17, text, 11.5, "middle", colour=SOFT)
            for place, text in ticks
        ]
        shapes.append(Words(left + _AREA / 2, bottom + 36, axis_title, 12.5, "middle"))
    return Drawing(left + _AREA + _SPACE + _VALUES, bottom + (44 if ticks else 0), shapes)


def _row(row: Row, top: float, height: float, left: float) -> list[Shape]:
    middle = top + height / 2
    lines = [
        *(Words(0, 0, text, 13) for text in wrapped("".join(row.name), _NAMES, 13, most=2)),
        *(
            Words(0, 0, line, 11, colour=SOFT)
            for note in row.notes
            if note
            for line in wrapped(note, _NAMES, 11, most=2)
        ),
    ]
    shapes: list[Shape] = _stacked(lines, 0, middle)
    if row.drawing is None:
        shapes.append(Words(left + 10, middle + 4, row.instead, 11.5, colour=SOFT))
    else:
        shapes += _placed_shapes(row.drawing, row.colour, (left, top), (_AREA, height))
    values = [Words(0, 0, row.value, 12.5)] if row.value else []
    values += [Words(0, 0, row.small_value, 11, colour=SOFT)] if row.small_value else []
    return shapes + _stacked(values, left + _AREA + _SPACE, middle)


def _stacked(lines: Sequence[Words], x: float, middle: float) -> list[Shape]:
    """Return lines below each other, around a height."""
    pitch = 15.5
    first = middle - len(lines) * pitch / 2 + pitch * 0.75
    return [
        Words(x, first + position * pitch, line.text, line.size, colour=line.colour)
        for position, line in enumerate(lines)
    ]


#: Kind of a path -> what it looks like, given the colour of its group.
_LOOKS: dict[str, Callable[[str, str], Stroke]] = {
    "dots l": lambda path, own: Stroke(path, own, 6.5, 0.5, round_ends=True),
    "dots m": lambda path, own: Stroke(path, own, 4.5, 0.5, round_ends=True),
    "dots s": lambda path, own: Stroke(path, own, 3, 0.5, round_ends=True),
    "median": lambda path, own: Stroke(path, INK, 3),
    "zero": lambda path, own: Stroke(path, INK, 1.5, dashes="4 3"),
    "whisker": lambda path, own: Stroke(path, own, 2.5),
    "marker": lambda path, own: Stroke(path, own, 13, round_ends=True),
    "hole": lambda path, own: Stroke(path, PAPER, 8, round_ends=True),
}


def _placed_shapes(
    drawn: RowShapes, colour: int, corner: tuple[float, float], size: tuple[float, float]
) -> list[Shape]:
    own = GROUPS[colour % len(GROUPS)]
    across, down = size[0] / WIDTH, size[1] / HEIGHT
    shapes: list[Shape] = []
    if drawn.box is not None:
        box = drawn.box
        shapes.append(
            Box(
                corner[0] + box.x * across, corner[1] + box.y * down, box.width * across,
                box.height * down, own, 0.16, own,
            )
        )  # fmt: skip
    for kind, path in drawn.paths:
        shapes.append(_LOOKS[kind](placed(path, corner, (across, down)), own))
    return shapes


def placed(path: str, corner: tuple[float, float], stretch: tuple[float, float]) -> str:
    """Return path data stretched and moved.

    Args:
        path: Commands M, L, H, V, h and Z.
        corner: Where the origin of the path comes to lie.
        stretch: Factors for x and y.
    """

    def moved(found: "re.Match[str]") -> str:
        command = found.group(1)
        amounts = [float(number) for number in found.group(2).split()]
        if command == "h":
            return f"h{amounts[0] * stretch[0]:.4g}"
        axes = {"M": (0, 1), "L": (0, 1), "H": (0,), "V": (1,), "Z": ()}[command]
        texts = [
            f"{corner[axis] + amount * stretch[axis]:.1f}"
            for axis, amount in zip(axes, amounts, strict=True)
        ]
        return command + " ".join(texts)

    return _STEP.sub(moved, path)
