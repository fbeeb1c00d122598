"""Frames as CSV that spreadsheets open safely: no text is mistaken for a formula."""

import csv
import io
from collections.abc import Callable, Iterable, Sequence

import pandas as pd

from nnunetv2_fair.files.tabular import protected, unprotected


def csv_text(frame: pd.DataFrame) -> str:
    """Return a table as CSV that is safe to open; :func:`with_formulas` undoes the protection."""
    safe = without_formulas(frame)
    text = safe.select_dtypes(exclude="number")
    # Python's csv leaves a carriage return unquoted, and spreadsheets begin a row there
    returns = any("\r" in cell for cell in text.to_numpy().ravel() if isinstance(cell, str))
    if returns:
        return safe.to_csv(index=False, lineterminator="\n", quoting=csv.QUOTE_NONNUMERIC)
    return safe.to_csv(index=False, lineterminator="\n")


def csv_of_rows(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Return the same as :func:`csv_text` of a table, without making one: in a tenth of the time.

    Args:
        columns: Headings.
        rows: Cells; None is empty.
    """
    safe = [[_map(protected, cell) for cell in row] for row in rows]
    returns = any("\r" in cell for row in safe for cell in row if isinstance(cell, str))
    text = io.StringIO()
    writer = csv.writer(
        text,
        lineterminator="\n",
        quoting=csv.QUOTE_NONNUMERIC if returns else csv.QUOTE_MINIMAL,
    )
    writer.writerow([_map(protected, column) for column in columns])
    writer.writerows(safe)
    return text.getvalue()


def without_formulas(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the table with all text, column names included, protected; numbers stay."""
    safe = frame.copy()
    for column in safe.columns:
        if not pd.api.types.is_numeric_dtype(safe[column]):
            safe[column] = safe[column].map(lambda value: _map(protected, value))
    return safe.rename(columns=lambda column: _map(protected, column))


def with_formulas(frame: pd.DataFrame, text_columns: Sequence[str]) -> pd.DataFrame:
    """Return the table that :func:`without_formulas` was given.

    Args:
        frame: As it was read, with its protected column names.
        text_columns: Columns that hold text, by their true names.
    """
    original = frame.rename(columns=lambda column: _map(unprotected, column))
    for column in text_columns:
        if column in original:
            original[column] = original[column].map(lambda value: _map(unprotected, value))
    return original


def _map(change: Callable[[str], str], value: object) -> object:
    return change(value) if isinstance(value, str) else value
