"""What tables and figures become: files with their content, or the reason why there are none."""

from collections.abc import Mapping
from dataclasses import dataclass

from nnunetv2_fair.errors import FairError
from nnunetv2_fair.evaluation.results.tables.text_table import FORMATS, TextTable
from nnunetv2_fair.report.drawing.numbers_table import Numbers
from nnunetv2_fair.report.drawing.png import png_of
from nnunetv2_fair.report.drawing.shapes import Drawing
from nnunetv2_fair.report.drawing.svg import standalone


class NotMadeError(FairError):
    """Why a table or figure is not made, in words that end a sentence."""


@dataclass(frozen=True)
class Made:
    """One table or figure.

    Attributes:
        title: What it shows.
        files: Ending, with the dot -> content.
    """

    title: str
    files: Mapping[str, bytes]


def made_table(table: TextTable, numbers: Numbers | None = None) -> Made:
    """Return the files of a table.

    Args:
        table: As it is printed.
        numbers: Its numbers in full precision; None if the printed ones are all there is.
    """
    files = {f".{ending}": _bytes(write(table)) for ending, write in FORMATS.items()}
    if numbers is not None:
        files[".csv"] = _bytes(numbers.csv())
    return Made(table.title, files)


def made_figure(drawing: Drawing, title: str, note: str, numbers: Numbers) -> Made:
    """Return the files of a figure: two pictures, and the numbers that it is drawn from."""
    svg = standalone(drawing, title, note)
    return Made(title, {".svg": _bytes(svg), ".png": png_of(svg), ".csv": _bytes(numbers.csv())})


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "replace")
