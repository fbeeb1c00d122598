"""Tables of text, and how they are written as CSV, Markdown and LaTeX."""

import csv
import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from tabulate import tabulate

from nnunetv2_fair.files.tabular import protected

#: Characters in headings and numbers that LaTeX fonts lack.
_SIGNS = {
    "↑": r"$\uparrow$",
    "↓": r"$\downarrow$",
    "Δ": r"$\Delta$",
    "\N{MINUS SIGN}": "$-$",
    "\N{INFINITY}": r"$\infty$",
}
#: How the files of tables begin.
PREFIX = "table_"


@dataclass(frozen=True)
class TextTable:
    """One table, ready to print.

    Attributes:
        name: Stem of its files, such as ``groups``.
        title: What it shows.
        columns: Headings.
        rows: Cells, one per column.
        notes: Sentences to print below it.
    """

    name: str
    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    notes: tuple[str, ...] = ()


def to_csv(table: TextTable) -> str:
    """Return the table alone as CSV, safe for spreadsheets."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(map(_harmless, table.columns))
    writer.writerows([_harmless(cell) for cell in row] for row in table.rows)
    return out.getvalue()


def to_markdown(table: TextTable) -> str:
    """Return title, table and notes as GitHub's Markdown."""
    columns, rows = _cells(table, _markdown_cell)
    body = tabulate(
        rows, columns, tablefmt="github", disable_numparse=True, preserve_whitespace=True
    )
    return "\n\n".join([f"**{_markdown_cell(table.title)}**", body, *table.notes]) + "\n"


def to_latex(table: TextTable) -> str:
    """Return the table as a LaTeX ``table`` that needs the package booktabs."""
    columns, rows = _cells(table, _one_line)
    body = tabulate(rows, columns, tablefmt="latex_booktabs", disable_numparse=True)
    for sign, command in _SIGNS.items():
        body = body.replace(sign, command)
    notes = "".join(f"\\par\\footnotesize {_latex(note)}\n" for note in table.notes)
    return (
        f"\\begin{{table}}\n\\centering\n\\caption{{{_latex(table.title)}}}\n{body}\n{notes}"
        "\\end{table}\n"
    )


#: Ending of the file -> how it is written.
FORMATS: Mapping[str, Callable[[TextTable], str]] = {
    "csv": to_csv,
    "md": to_markdown,
    "tex": to_latex,
}


def files_of(tables: Sequence[TextTable], formats: Sequence[str]) -> dict[str, str]:
    """Return the files of tables.

    Args:
        tables: Tables; those of one name are numbered.
        formats: Endings, of :data:`FORMATS`.

    Returns:
        File name, such as ``table_groups.csv`` -> content.
    """
    names = [table.name for table in tables]
    files = {}
    for index, table in enumerate(tables):
        number = f"_{names[: index + 1].count(table.name)}" if names.count(table.name) > 1 else ""
        for ending in formats:
            files[f"{PREFIX}{table.name}{number}.{ending}"] = FORMATS[ending](table)
    return files


def aligned(table: TextTable) -> str:
    """Return title, table and notes for a terminal."""
    columns, rows = _cells(table, _one_line)
    body = tabulate(rows, columns, tablefmt="simple", disable_numparse=True)
    return "\n".join([_one_line(table.title), body, *table.notes])


def _cells(table: TextTable, change: Callable[[str], str]) -> tuple[list[str], list[list[str]]]:
    return (
        [change(name) for name in table.columns],
        [[change(cell) for cell in row] for row in table.rows],
    )


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _markdown_cell(text: str) -> str:
    escaped = _one_line(text).replace("\\", "\\\\").replace("|", "\\|")
    return escaped.replace("<", "&lt;").replace(">", "&gt;")


def _latex(text: str) -> str:
    # tabulate escapes the cells of a table, so a table of one cell escapes a sentence
    line = tabulate([[_one_line(text)]], tablefmt="latex", disable_numparse=True)
    return next(
        row.removesuffix("\\\\").strip() for row in line.splitlines() if row.endswith("\\\\")
    )


def _harmless(cell: str) -> str:
    # the csv module leaves a lone carriage return unquoted, and readers end the row there
    lines = cell.replace("\r\n", "\n").replace("\r", "\n")
    return lines if _is_number(lines) else protected(lines)


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True
