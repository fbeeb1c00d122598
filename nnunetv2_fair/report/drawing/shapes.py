"""What a drawing is made of: words, lines, boxes and discs at absolute places, in pixels.

Colours are those of the light page, whatever the reader's page looks like: a file is put on paper.
"""

from collections.abc import Sequence
from dataclasses import dataclass

INK = "#1b1f24"
SOFT = "#59626e"
LINE = "#dde1e7"
PAPER = "#ffffff"
#: Colours of groups and models, as the style sheet of the pages has them.
GROUPS = ("#0072b2", "#d55e00", "#009e73", "#b8588c", "#b87f00", "#3d9bd4", "#6b7280")
#: Colour of the worst cells of a table of coloured cells.
HEAT = "#d55e00"

#: Width of a letter as a part of the size of the print: that of wide fonts.
_LETTER = 0.58


@dataclass(frozen=True)
class Words:
    """One line of text; ``y`` is its baseline.

    Attributes:
        anchor: ``start``, ``middle`` or ``end``: which part of the text is at ``x``.
        turned: Whether it reads from below to above.
    """

    x: float
    y: float
    text: str
    size: float = 13
    anchor: str = "start"
    bold: bool = False
    colour: str = INK
    turned: bool = False


@dataclass(frozen=True)
class Stroke:
    """A path, as SVG writes it.

    Attributes:
        path: Path data.
        round_ends: Whether lines end in half discs; a line without length is then a dot.
        dashes: Lengths of dashes and gaps; empty for a whole line.
        fill: Colour inside; empty for none.
    """

    path: str
    colour: str
    width: float = 1
    opacity: float = 1
    round_ends: bool = False
    dashes: str = ""
    fill: str = ""


@dataclass(frozen=True)
class Box:
    """A rectangle; ``edge`` is the colour of its border, empty for none."""

    x: float
    y: float
    width: float
    height: float
    fill: str
    opacity: float = 1
    edge: str = ""
    hatched: bool = False


@dataclass(frozen=True)
class Disc:
    """A filled circle with a border; ``edge`` is its colour."""

    x: float
    y: float
    radius: float
    fill: str
    edge: str
    edge_width: float = 1.5


Shape = Words | Stroke | Box | Disc


@dataclass(frozen=True)
class Drawing:
    """Shapes, back to front, on a sheet of a size in pixels."""

    width: float
    height: float
    shapes: Sequence[Shape]


def wrapped(text: str, width: float, size: float, most: int = 3) -> list[str]:
    """Return text as lines that fit a width; what does not fit the last line is cut.

    Args:
        text: Any text.
        width: Width in pixels.
        size: Size of the print.
        most: Most lines.
    """
    letters = max(4, int(width / (size * _LETTER)))
    lines: list[str] = []
    for word in text.split():
        while len(word) > letters:
            lines.append(word[:letters])
            word = word[letters:]
        if lines and len(lines[-1]) + 1 + len(word) <= letters:
            lines[-1] += f" {word}"
        elif word:
            lines.append(word)
    if len(lines) > most:
        lines = lines[:most]
        lines[-1] = f"{lines[-1][: letters - 1]}\N{HORIZONTAL ELLIPSIS}"
    return lines
