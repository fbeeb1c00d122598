"""The one reader of delimited text and XLSX, and cells that spreadsheets open safely.

Everything is text; nothing is guessed about values. Rows know the line of the file that they begin
in, even after empty lines and cells of several lines, so that messages can name it.

Spreadsheets compute a cell that starts with ``=``, ``+``, ``-`` or ``@`` even if it is quoted, so a
file named ``=HYPERLINK(...)`` would act when its table is opened. An apostrophe in front makes
such a cell plain text; reading removes it again, so that names are unchanged.

Source: OWASP, CSV injection.
"""

import csv
import logging
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from nnunetv2_fair.errors import TableError, shorten

logger = logging.getLogger(__name__)

XLSX_ENDINGS = (".xlsx", ".xlsm")
_DELIMITERS = ",;\t"
# apostrophes in front of what would be a formula are doubled too: otherwise reading would remove
# one that belongs to the name
_FORMULA = re.compile(r"'*[=+\-@\t\r\n\uff1d\uff0b\uff0d\uff20]")


class Row(NamedTuple):
    """Cells of one row, as they are in the file.

    Attributes:
        line: Line of the file that the row begins in, from 1; in XLSX the row of the sheet.
        cells: Texts, empty where a cell is empty.
    """

    line: int
    cells: list[str]


@dataclass(frozen=True)
class Table:
    """A table whose rows are all as long as its header.

    Attributes:
        header: Names of the columns, stripped, all different.
        lines: Line of the file that each row begins in.
        rows: Cells of each row.
    """

    header: list[str]
    lines: list[int]
    rows: list[list[str]]


def read_rows(path: Path, sheet: str | None = None, *, delimiter: str = "") -> Iterator[Row]:
    """Return the rows of a CSV, TSV or XLSX file one after the other, without empty ones.

    Args:
        path: File to read; a byte order mark is accepted. Text is read lazily, so that
            even a huge table takes little memory.
        sheet: Sheet of an XLSX file; the first one by default.
        delimiter: What separates cells of text; by default the one of comma, semicolon and tab
            that splits the first line that is not empty into most cells.

    Raises:
        TableError: If the file is missing, not UTF-8, or not readable as what its ending implies.
        OSError: If the file cannot be read.
    """
    if not path.is_file():
        raise TableError(f"{path} does not exist or is not a file.")
    return _xlsx_rows(path, sheet) if is_xlsx(path) else _text_rows(path, delimiter)


def read_table(
    path: Path, sheet: str | None = None, *, delimiter: str = "", strip: bool = True
) -> Table:
    """Read a CSV, TSV or XLSX file with a header.

    Args:
        path: File to read.
        sheet: As in :func:`read_rows`.
        delimiter: As in :func:`read_rows`.
        strip: Remove white space around cells.

    Raises:
        TableError: As :func:`read_rows`, and if the file is empty or has duplicate columns or rows
            of unequal length.
        OSError: As :func:`read_rows`.
    """
    rows = read_rows(path, sheet, delimiter=delimiter)
    first = next(rows, None)
    if first is None:
        raise TableError(f"{path} is empty: expected a header line and one row per case.")
    header = [name.strip() for name in first.cells] if strip else first.cells
    repeated = sorted(name for name, count in Counter(header).items() if count > 1)
    if repeated:
        raise TableError(
            f"{path}: the header has columns of the same name: {shorten(map(repr, repeated))}. "
            "Rename or remove all but one."
        )
    table = Table(header, [], [])
    for line, cells in rows:
        if len(cells) != len(header):
            raise TableError(
                f"{path}, line {line}: found {len(cells)} cells, the header has {len(header)} "
                f"({shorten(header, 12)}). Quote cells that contain the delimiter."
            )
        table.lines.append(line)
        table.rows.append([cell.strip() for cell in cells] if strip else cells)
    return table


def is_xlsx(path: Path) -> bool:
    """Return whether a file's name says that it is a spreadsheet."""
    return path.suffix.lower() in XLSX_ENDINGS


def protected(text: str) -> str:
    """Return a text that no spreadsheet interprets as a formula."""
    return f"'{text}" if _FORMULA.match(text) else text


def unprotected(text: str) -> str:
    """Return the text that :func:`protected` was given."""
    return text[1:] if text.startswith("'") and _FORMULA.match(text) else text


def _text_rows(path: Path, delimiter: str) -> Iterator[Row]:
    try:
        # newline="": the csv module itself finds the ends of rows, which cells may hold too
        with path.open(encoding="utf-8-sig", newline="") as stream:
            if not delimiter:
                header = next((line for line in stream if line.strip()), "")
                delimiter = max(_DELIMITERS, key=header.count)
                stream.seek(0)
                if delimiter != ",":
                    logger.info("%s: cells are separated by %r", path, delimiter)
            reader = csv.reader(stream, delimiter=delimiter, strict=True)
            begin = 1
            for cells in reader:
                # first the cell that is nearly always filled in: tables have half a million rows
                if (cells and cells[0].strip()) or any(map(str.strip, cells)):
                    yield Row(begin, cells)
                begin = reader.line_num + 1
    except UnicodeDecodeError as error:
        raise _not_utf8(path) from error
    except csv.Error as error:
        raise TableError(f"{path} is not readable as CSV: {error}.") from error


def _not_utf8(path: Path) -> TableError:
    with path.open("rb") as stream:
        for number, line in enumerate(stream, start=1):
            try:
                line.decode()
            except UnicodeDecodeError as error:
                return TableError(
                    f"{path}, line {number}: byte 0x{line[error.start]:02x} is not UTF-8; the file "
                    "was probably saved as Windows-1252. Save it as 'CSV UTF-8' in Excel, or run: "
                    f"iconv -f WINDOWS-1252 -t UTF-8 {path.name} > utf8.csv"
                )
    return TableError(f"{path} changed while it was read. Run the same command again.")


def _xlsx_rows(path: Path, sheet: str | None) -> Iterator[Row]:
    import openpyxl  # costs a quarter of a second that CSV users should not pay

    try:
        book = openpyxl.load_workbook(path, read_only=True, data_only=True)
    except Exception as error:  # openpyxl also passes on errors of zip and xml
        raise TableError(f"{path} is not readable as XLSX: {error}.") from error
    try:
        if sheet is not None and sheet not in book.sheetnames:
            raise TableError(f"{path} has no sheet '{sheet}'. Sheets: {shorten(book.sheetnames)}.")
        chosen = book[sheet] if sheet is not None else book.worksheets[0]
        rows = [
            Row(number, ["" if cell is None else _cell_text(cell) for cell in cells])
            for number, cells in enumerate(chosen.iter_rows(values_only=True), start=1)
        ]
    finally:
        book.close()
    # sheets remember formatted cells far beyond their last text
    filled = (i + 1 for row in rows for i, cell in enumerate(row.cells) if cell.strip())
    width = max(filled, default=0)
    for row in rows:
        if any(map(str.strip, row.cells)):
            yield Row(row.line, (row.cells + [""] * width)[:width])


def _cell_text(cell: object) -> str:
    if isinstance(cell, float) and cell.is_integer():
        return str(int(cell))
    return str(cell)
