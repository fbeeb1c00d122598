"""Columns of plain text that line up, also with wide and combining characters."""

import unicodedata
from collections.abc import Collection, Sequence

#: Longest name of a group or model in a table.
LONGEST_NAME = 32

_INDENT = 2


def width(text: str) -> int:
    """Return how many terminal columns a text fills."""
    wide = sum(unicodedata.east_asian_width(character) in "WF" for character in text)
    flat = sum(unicodedata.combining(character) > 0 for character in text)
    return len(text) + wide - flat


def padded(text: str, columns: int, *, right: bool = False) -> str:
    """Pad a text to a number of terminal columns."""
    space = " " * max(0, columns - width(text))
    return space + text if right else text + space


def aligned(
    rows: Sequence[Sequence[str]], *, right: Collection[int] = (), header_indent: int = _INDENT
) -> list[str]:
    """Return a line per row, its cells in columns, two spaces apart.

    Args:
        rows: The header and the rows, each with a cell per column.
        right: Columns whose cells end at the same place; all others begin there.
        header_indent: Spaces before the header, 0 to 2; rows have two.
    """
    widths = [max(map(width, column)) for column in zip(*rows, strict=True)]
    lines = []
    for number, row in enumerate(rows):
        indent = _INDENT if number else header_indent
        cells = [
            padded(cell, columns + (0 if i else _INDENT - indent), right=i in right)
            for i, (cell, columns) in enumerate(zip(row, widths, strict=True))
        ]
        lines.append((" " * indent + "  ".join(cells)).rstrip())
    return lines
