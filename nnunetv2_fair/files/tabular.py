"""The one reader of delimited text and XLSX, and cells that spreadsheets open safely.

Everything is text; nothing is guessed about values. Rows know the line of the file that they begin
in, even after empty lines and cells of several lines, so that messages can name it.

Spreadsheets compute a cell that starts with ``=``, ``+``, ``-`` or ``@`` even if it is quoted, so a
file named ``=HYPERLINK(...)`` would act when its table is opened. An apostrophe in front makes
such a cell plain text; reading removes it again, so that names are unchanged.

Source: OWASP, CSV injection.
"""

import codecs
import csv
import datetime
import logging
import re
import shlex
import zipfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from nnunetv2_fair.errors import TableError, counted, shorten
from nnunetv2_fair.files.privacy import note_source

if TYPE_CHECKING:
    from openpyxl.workbook import Workbook

logger = logging.getLogger(__name__)

XLSX_ENDINGS = (".xlsx", ".xlsm")
_DELIMITERS = ",;\t"
#: Endings of tables that are read by no other program than their own, and how to save them.
_OTHER_TABLES = {
    ".ods": "an OpenDocument spreadsheet",
    ".xlsb": "a binary Excel workbook",
    ".numbers": "an Apple Numbers document",
    ".sav": "an SPSS file",
    ".zsav": "an SPSS file",
    ".dta": "a Stata file",
    ".sas7bdat": "a SAS file",
    ".rds": "an R file",
    ".rdata": "an R file",
    ".parquet": "a Parquet file",
    ".feather": "a Feather file",
    ".json": "a JSON file",
    ".pdf": "a PDF",
    ".docx": "a Word document",
}
#: Bytes that a workbook may inflate to whatever its size, and how many times its size beyond that.
_INFLATED = 1 << 27
_MOST_TIMES = 100
#: Cells of a sheet, with empty ones in front of the last of each row: memory for half a gigabyte.
_MOST_CELLS = 50_000_000
_OLE = bytes.fromhex("d0cf11e0a1b11ae1")
_ZIP = b"PK\x03\x04"
_BYTE_ORDER_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    # the mark of UTF-32 begins with that of UTF-16
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_IS_TEXT = re.compile(r'="[^"]*"')
# a format that shows leading zeros, with or without a text in front: 00000, "P"000
_PADDED = re.compile(r'((?:"[^"]*"|\\.|[-_ /])*)(0+)')
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
        header: Names of the columns, stripped; those that have one differ.
        lines: Line of the file that each row begins in.
        rows: Cells of each row.
    """

    header: list[str]
    lines: list[int]
    rows: list[list[str]]


def read_rows(path: Path, sheet: str | None = None, *, delimiter: str = "") -> Iterator[Row]:
    """Return the rows of a CSV, TSV or XLSX file one after the other, without empty ones.

    Args:
        path: File to read: UTF-8, or UTF-16 with a byte order mark, as Excel's "Unicode text".
            Text is read lazily, so that even a huge table takes little memory.
        sheet: Sheet of an XLSX file; the first one by default.
        delimiter: What separates cells of text; by default the one of comma, semicolon and tab
            that splits the first line that is not empty into most cells.

    Raises:
        TableError: If the file is missing, of another kind or encoding, or not readable as what its
            ending implies; for a spreadsheet also if formulas in it have no stored value.
        OSError: If the file cannot be read.
    """
    if not path.is_file():
        raise TableError(f"{path} does not exist or is not a file.")
    note_source(path)
    begin = _begin_of(path)
    if is_xlsx(path):
        return _xlsx_rows(path, sheet)
    if sheet is not None:
        raise TableError(f"{path} has no sheets; --sheet '{sheet}' applies to XLSX files.")
    return _text_rows(path, delimiter, begin)


def read_table(
    path: Path, sheet: str | None = None, *, delimiter: str = "", strip: bool = True
) -> Table:
    """Read a CSV, TSV or XLSX file with a header.

    Args:
        path: File to read.
        sheet: As in :func:`read_rows`.
        delimiter: As in :func:`read_rows`.
        strip: Remove white space around cells, and ``="001"`` around ``001``.

    Raises:
        TableError: As :func:`read_rows`, and if the file is empty or has duplicate columns or rows
            of unequal length.
        OSError: As :func:`read_rows`.
    """
    rows = read_rows(path, sheet, delimiter=delimiter)
    first = next(rows, None)
    if first is None:
        raise TableError(f"{path} is empty: expected a header line and one row per case.")
    header = [_content(name) for name in first.cells] if strip else first.cells
    repeated = sorted(name for name, count in Counter(header).items() if count > 1 and name)
    if repeated:
        raise TableError(
            f"{path}: the header has columns of the same name: {shorten(map(repr, repeated))}. "
            "Rename or remove all but one."
        )
    table = Table(header, [], [])
    for line, cells in rows:
        if len(cells) != len(header):
            raise TableError(
                f"{path}, line {line}: found {counted(len(cells), 'cell')}, the header has "
                f"{len(header)} ({shorten(header, 12)}). Quote cells that contain the delimiter."
            )
        table.lines.append(line)
        table.rows.append([_content(cell) for cell in cells] if strip else cells)
    return table


def _content(cell: str) -> str:
    """Return a cell without white space around it, and without ``="001"`` around ``001``.

    Programs write that so that Excel keeps the zeros.
    """
    text = cell.strip()
    return text[2:-1] if text.startswith('="') and _IS_TEXT.fullmatch(text) else text


def is_xlsx(path: Path) -> bool:
    """Return whether a file's name says that it is a spreadsheet."""
    return path.suffix.lower() in XLSX_ENDINGS


def protected(text: str) -> str:
    """Return a text that no spreadsheet interprets as a formula."""
    return f"'{text}" if _FORMULA.match(text) else text


def unprotected(text: str) -> str:
    """Return the text that :func:`protected` was given."""
    return text[1:] if text.startswith("'") and _FORMULA.match(text) else text


def _begin_of(path: Path) -> bytes:
    """Return the first bytes of a file that can be a table.

    Raises:
        TableError: If it is a file of another kind; says how to save it.
    """
    with path.open("rb") as stream:
        begin = stream.read(4096)
    other = _OTHER_TABLES.get(path.suffix.lower())
    if other is not None:
        raise TableError(
            f"{path} is {other}, which is not read as a table. Save it as CSV (UTF-8) or XLSX."
        )
    if begin.startswith(_OLE):
        what = (
            "is encrypted with a password, or an old Excel file called .xlsx. Save it without "
            "password as .xlsx"
            if is_xlsx(path)
            else "is an old Excel file (.xls). Open it and save it as .xlsx or as CSV UTF-8"
        )
        raise TableError(f"{path} {what}.")
    if begin.startswith(_ZIP) and not is_xlsx(path):
        raise TableError(
            f"{path} is a zip file, such as an Excel workbook, although its name ends in "
            f"'{path.suffix}'. If it is a workbook, rename it to {path.stem}.xlsx."
        )
    marked = any(begin.startswith(mark) for mark, _ in _BYTE_ORDER_MARKS)
    if b"\0" in begin and not marked and not is_xlsx(path):
        raise TableError(
            f"{path} is not text: it holds zero bytes. If it is a table in UTF-16 without a byte "
            f"order mark: iconv -f UTF-16LE -t UTF-8 {path.name} > utf8.csv. Otherwise save the "
            "table as CSV (UTF-8) or XLSX."
        )
    return begin


def _text_rows(path: Path, delimiter: str, first_bytes: bytes) -> Iterator[Row]:
    encoding = next((e for mark, e in _BYTE_ORDER_MARKS if first_bytes.startswith(mark)), "utf-8")
    try:
        # newline="": the csv module itself finds the ends of rows, which cells may hold too
        with path.open(encoding=encoding, newline="") as stream:
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
    except UnicodeError as error:
        if encoding not in ("utf-8", "utf-8-sig"):
            raise TableError(
                f"{path} begins with the mark of {encoding.upper()} and is not: {error}. Save it "
                "as 'CSV UTF-8'."
            ) from error
        raise _not_utf8(path) from error
    except csv.Error as error:
        if "unexpected end" in str(error):  # said where the file ends, far from the mistake
            raise TableError(
                f"{path}, line {begin}: a cell begins with a quotation mark that is never closed. "
                "Close or remove it; a quotation mark inside a quoted cell is written twice."
            ) from error
        raise TableError(
            f"{path}, line {reader.line_num}: not readable as CSV: {error}."
        ) from error


def _not_utf8(path: Path) -> TableError:
    with path.open("rb") as stream:
        for number, line in enumerate(stream, start=1):
            try:
                line.decode()
            except UnicodeDecodeError as error:
                return TableError(
                    f"{path}, line {number}: byte 0x{line[error.start]:02x} is not UTF-8; the file "
                    "was probably saved as Windows-1252. Save it as 'CSV UTF-8' in Excel, or run "
                    f"this, which keeps it under another name: {_to_utf8(path)}"
                )
    return TableError(f"{path} changed while it was read. Run the same command again.")


def _to_utf8(path: Path) -> str:
    """Return a shell command that turns a Windows-1252 file into UTF-8, in its place."""
    old, kept = shlex.quote(str(path)), shlex.quote(f"{path}.windows-1252")
    return f"mv {old} {kept} && iconv -f WINDOWS-1252 -t UTF-8 {kept} > {old}"


def _xlsx_rows(path: Path, sheet: str | None) -> Iterator[Row]:
    book = _open_workbook(path, values=True)
    try:
        if sheet is not None and sheet not in book.sheetnames:
            raise TableError(f"{path} has no sheet '{sheet}'. Sheets: {shorten(book.sheetnames)}.")
        if not book.worksheets:
            raise TableError(f"{path} has no sheet with cells.")
        chosen: Any = book[sheet] if sheet is not None else book.worksheets[0]
        rows, blank, n_cells = [], False, 0
        # other programs state a wrong extent, and cells beyond it would not be seen
        chosen.reset_dimensions()
        try:
            for number, cells in enumerate(chosen.iter_rows(), start=1):
                texts = [_cell_text(cell) for cell in cells]
                while texts and not texts[-1].strip():
                    texts.pop()
                blank = blank or any(cell.value is None and hasattr(cell, "row") for cell in cells)
                if texts:
                    rows.append(Row(number, texts))
                n_cells += len(texts)
                if n_cells > _MOST_CELLS:
                    break
        except Exception as error:  # damaged xml, bad dates
            raise TableError(f"{path} is not readable as XLSX: {error}.") from error
        if n_cells > _MOST_CELLS:
            raise TableError(
                f"{path} has more than {_MOST_CELLS:,} cells up to column {len(texts)} of row "
                f"{number}. Delete the columns and rows that hold nothing of the table, or save "
                "it as CSV UTF-8."
            )
        title = chosen.title
    finally:
        book.close()
    if blank:
        _refuse_formulas_without_value(path, title)
    # sheets remember formatted cells far beyond their last text
    width = max((len(row.cells) for row in rows), default=0)
    for row in rows:
        yield Row(row.line, row.cells + [""] * (width - len(row.cells)))


def _open_workbook(path: Path, *, values: bool) -> "Workbook":
    import openpyxl  # costs a quarter of a second that CSV users should not pay

    _refuse_bombs(path)
    try:
        return openpyxl.load_workbook(path, read_only=True, data_only=values)
    except Exception as error:  # openpyxl also passes on errors of zip and xml
        raise TableError(f"{path} is not readable as XLSX: {error}.") from error


def _refuse_bombs(path: Path) -> None:
    """Raise if a small workbook would fill the memory: spreadsheets compress 5 to 30 times."""
    try:
        with zipfile.ZipFile(path) as archive:
            parts = archive.infolist()
    except (OSError, ValueError, zipfile.BadZipFile) as error:
        raise TableError(f"{path} is not readable as XLSX: {error}.") from error
    inflated = sum(part.file_size for part in parts)
    if inflated > max(_INFLATED, _MOST_TIMES * path.stat().st_size):
        raise TableError(
            f"{path} holds {inflated >> 20} MiB in {path.stat().st_size >> 10} KiB, which no table "
            "does. Open it and save the table again, or save it as CSV UTF-8."
        )


def _refuse_formulas_without_value(path: Path, sheet: str) -> None:
    """Raise if cells that look empty hold formulas that nobody has computed."""
    values, formulas = (_open_workbook(path, values=values) for values in (True, False))
    try:
        found = []
        pages: list[Any] = [values[sheet], formulas[sheet]]
        for page in pages:
            page.reset_dimensions()
        for of_values, of_formulas in zip(*(page.iter_rows() for page in pages), strict=True):
            found += [
                formula.coordinate
                for value, formula in zip(of_values, of_formulas, strict=True)
                if value.value is None and getattr(formula, "data_type", "") == "f"
            ]
    finally:
        values.close()
        formulas.close()
    if found:
        raise TableError(
            f"{path}: {counted(len(found), 'cell holds', 'cells hold')} formulas without a "
            f"stored value: {shorten(found)}. "
            "Open the file in Excel or LibreOffice and save it again, or save it as CSV UTF-8."
        )


def _cell_text(cell: Any) -> str:
    """Return what a person sees in a cell of a spreadsheet, as far as it matters here."""
    value = cell.value
    if value is None:
        return ""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, int) and not isinstance(value, bool):
        # 1 in the format 00000 is shown as 00001, the name of a case or patient
        form = _PADDED.fullmatch(str(cell.number_format))
        if form is None or value < 0:
            return str(value)
        return re.sub(r'["\\]', "", form[1]) + str(value).zfill(len(form[2]))
    if isinstance(value, datetime.datetime) and value.time() == datetime.time():
        return value.date().isoformat()
    return str(value)
