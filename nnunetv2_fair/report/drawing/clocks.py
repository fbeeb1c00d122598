"""Boundary maps as clock faces: rings are parts of the slices, sectors are clock hours."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from nnunetv2_fair.report.drawing.shapes import (
    INK,
    LINE,
    SOFT,
    Box,
    Drawing,
    Shape,
    Stroke,
    Words,
    wrapped,
)

#: Colours of errors inside and beyond the reference, at the ends of the scale.
INSIDE, BEYOND = (0, 114, 178), (213, 94, 0)

#: Side of the square that holds a face.
FACE = 196.0
_GAP, _CAPTION, _SCALE = 26.0, 40.0, 42.0
_RADIUS, _HOLE = 64.0, 22.0
_MOST_COLUMNS = 4
#: Width of a letter of the scale.
_LETTER = 6.6


@dataclass(frozen=True)
class ClockFace:
    """One face.

    Attributes:
        title: What it shows.
        values: One row per ring, the outermost first, of one value per hour; NaN is left blank.
        marked: Cells with a thick edge; as ``values``.
    """

    title: str
    values: Sequence[Sequence[float]]
    marked: Sequence[Sequence[bool]]


def clock_drawing(
    faces: Sequence[ClockFace], directions: tuple[str, str], ends: tuple[str, str], limit: float
) -> Drawing:
    """Return clock faces below one scale of colours.

    Args:
        faces: In the order to show.
        directions: Where 12 and 3 o'clock lie.
        ends: Text at the lowest and at the highest end of the scale.
        limit: Size of an error at the ends of the scale, above 0.
    """
    columns = min(len(faces), _MOST_COLUMNS)
    scale = scale_drawing(ends)
    shapes = list(scale.shapes)
    height = FACE + _CAPTION + _GAP
    for number, face in enumerate(faces):
        left = number % columns * (FACE + _GAP)
        top = _SCALE + number // columns * height
        for line, text in enumerate(wrapped(face.title, FACE, 12.5, most=2)):
            words = Words(left + FACE / 2, top + 13 + line * 16, text, 12.5, "middle", bold=True)
            shapes.append(words)
        shapes += _face(face, left + FACE / 2, top + _CAPTION + FACE / 2, directions, limit)
    width = max(columns * (FACE + _GAP), scale.width)
    return Drawing(width, _SCALE + math.ceil(len(faces) / columns) * height, shapes)


def face_drawing(face: ClockFace, directions: tuple[str, str], limit: float) -> Drawing:
    """Return one face without its title; arguments as of :func:`clock_drawing`."""
    return Drawing(FACE, FACE, _face(face, FACE / 2, FACE / 2, directions, limit))


def scale_drawing(ends: tuple[str, str]) -> Drawing:
    """Return the scale of colours with the text at its ends."""
    low, high = ends
    steps, width = 32, 128.0
    start = 10 + len(low) * _LETTER
    shapes: list[Shape] = [Words(0, 16, low, 12, colour=SOFT)]
    for step in range(steps):
        share = -1 + 2 * (step + 0.5) / steps
        shapes.append(Box(start + step * width / steps, 5, width / steps + 0.3, 14, colour(share)))
    after = start + width + 10
    shapes.append(Words(after, 16, high, 12, colour=SOFT))
    return Drawing(after + len(high) * _LETTER, 24, shapes)


def colour(share: float) -> str:
    """Return the colour of an error as a share of the limit, -1 (inside) to 1 (beyond)."""
    strength = min(1.0, abs(share))
    end = BEYOND if share > 0 else INSIDE
    mixed = [round(255 + (channel - 255) * strength) for channel in end]
    return "#" + "".join(f"{channel:02x}" for channel in mixed)


def _face(
    face: ClockFace, x: float, y: float, directions: tuple[str, str], limit: float
) -> list[Shape]:
    rings, hours = len(face.values), len(face.values[0])
    step = (_RADIUS - _HOLE) / rings
    plain: list[Shape] = []
    marked: list[Shape] = []
    for ring, row in enumerate(face.values):
        outer = _RADIUS - ring * step
        for hour, value in enumerate(row):
            path = _sector(x, y, outer - step, outer, hour, hours)
            if math.isnan(value):
                plain.append(Stroke(path, LINE, 0.8, dashes="2 2"))
                continue
            plain.append(Stroke(path, "#c3c9d2", 0.8, fill=colour(value / limit)))
            if face.marked[ring][hour]:
                marked.append(Stroke(path, INK, 2.2))
    words: list[Shape] = []
    up, right = directions
    words.append(Words(x, y - _RADIUS - 6, up, 11, "middle", colour=SOFT))
    words.append(Words(x + _RADIUS + 4, y + 4, right, 11, colour=SOFT))
    return [*plain, *marked, *words]


def _sector(x: float, y: float, inner: float, outer: float, hour: int, hours: int) -> str:
    """Return the path of a part of a ring around an hour; 0 is upwards, clockwise."""
    angles = [(hour + side) * 2 * math.pi / hours for side in (-0.5, 0.5)]
    a, b = ((x + inner * math.sin(angle), y - inner * math.cos(angle)) for angle in angles)
    c, d = ((x + outer * math.sin(angle), y - outer * math.cos(angle)) for angle in angles)
    return (
        f"M{a[0]:.2f} {a[1]:.2f}L{c[0]:.2f} {c[1]:.2f}"
        f"A{outer:.2f} {outer:.2f} 0 0 1 {d[0]:.2f} {d[1]:.2f}"
        f"L{b[0]:.2f} {b[1]:.2f}A{inner:.2f} {inner:.2f} 0 0 0 {a[0]:.2f} {a[1]:.2f}Z"
    )
