"""A table of coloured cells as a drawing: two attributes, one cell per intersection."""

from collections.abc import Sequence
from dataclasses import dataclass

from nnunetv2_fair.report.drawing.shapes import (
    HEAT,
    INK,
    LINE,
    PAPER,
    SOFT,
    Box,
    Drawing,
    Shape,
    Words,
    wrapped,
)

_NAMES, _CELL, _ROW, _HEAD, _SPACE = 170, 130, 74, 44, 6


@dataclass(frozen=True)
class GridCell:
    """One cell.

    Attributes:
        lines: Text, the first line in large print.
        share: Opacity of the colour, 0 to 1; None: hatched.
    """

    lines: Sequence[str]
    share: float | None


def grid_drawing(
    rows: Sequence[str],
    columns: Sequence[str],
    cells: Sequence[Sequence[GridCell]],
    ends: tuple[str, str],
    opacities: tuple[float, float],
) -> Drawing:
    """Return a table of coloured cells below the scale of its colours.

    Args:
        rows: Names of the rows.
        columns: Names of the columns.
        cells: For each row, a cell per column.
        ends: Text at the best and at the worst end of the scale.
        opacities: Opacity of the colour there.
    """
    shapes: list[Shape] = _scale(ends, opacities)
    top = 34.0
    for column, name in enumerate(columns):
        x = _NAMES + column * (_CELL + _SPACE) + _CELL / 2
        for line, text in enumerate(wrapped(name, _CELL, 12.5, most=2)):
            shapes.append(Words(x, top + 16 + line * 15, text, 12.5, "middle", bold=True))
    top += _HEAD
    for row, (name, found) in enumerate(zip(rows, cells, strict=True)):
        y = top + row * (_ROW + _SPACE)
        for line, text in enumerate(wrapped(name, _NAMES - 12, 12.5, most=3)):
            shapes.append(Words(0, y + _ROW / 2 + line * 15, text, 12.5, bold=True))
        for column, cell in enumerate(found):
            shapes += _cell(cell, _NAMES + column * (_CELL + _SPACE), y)
    width = _NAMES + len(columns) * (_CELL + _SPACE)
    return Drawing(max(width, 560), top + len(rows) * (_ROW + _SPACE), shapes)


def _scale(ends: tuple[str, str], opacities: tuple[float, float]) -> list[Shape]:
    best, worst = ends
    steps, width = 24, 160.0
    start = 8 + len(best) * 7.0
    shapes: list[Shape] = [Words(0, 15, best, 12, colour=SOFT)]
    for step in range(steps):
        share = opacities[0] + (opacities[1] - opacities[0]) * step / (steps - 1)
        shapes.append(Box(start + step * width / steps, 5, width / steps, 12, HEAT, share))
    shapes.append(Words(start + width + 8, 15, worst, 12, colour=SOFT))
    return shapes


def _cell(cell: GridCell, x: float, y: float) -> list[Shape]:
    shapes: list[Shape] = [Box(x, y, _CELL, _ROW, PAPER, edge=LINE, hatched=cell.share is None)]
    if cell.share is not None:
        shapes.append(Box(x, y, _CELL, _ROW, HEAT, cell.share))
    first = y + _ROW / 2 - (len(cell.lines) - 1) * 8 + 4
    for position, text in enumerate(cell.lines):
        size, ink = (15, INK) if not position and cell.share is not None else (11.5, SOFT)
        words = Words(x + _CELL / 2, first + position * 17, text, size, "middle", colour=ink)
        shapes.append(words)
    return shapes
