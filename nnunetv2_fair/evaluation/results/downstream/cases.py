"""What was measured in every case: ``downstream.csv``, as private as ``per_case.csv``."""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from nnunetv2_fair.errors import EvaluationError, TableError, shorten
from nnunetv2_fair.evaluation.results.tables.safe_csv import csv_text, with_formulas
from nnunetv2_fair.files.atomic import write_text
from nnunetv2_fair.files.tabular import protected, read_table

_NUMBERS = ("reference", "prediction", "error", "absolute_error")
_BEFORE = ("case", "patient")
_AFTER = ("label", "measure", "unit", *_NUMBERS, "remark", "image", "scaling")


def case_columns(attributes: Sequence[str]) -> tuple[str, ...]:
    """Return the columns of the table.

    ``error`` is prediction minus reference; numbers are empty where the measure is undefined, and
    ``remark`` says why. Of intensities, ``image`` is the file and ``scaling`` what its header
    applies to the values that are stored.

    Args:
        attributes: Attribute expressions.
    """
    return (*_BEFORE, *attributes, *_AFTER)


def no_measures() -> pd.DataFrame:
    """Return the table of a result without such measures."""
    return pd.DataFrame({column: pd.Series(dtype=object) for column in case_columns(())})


def write_cases(path: Path, frame: pd.DataFrame) -> None:
    """Write the table; it appears whole or not at all."""
    write_text(path, csv_text(frame))


def read_cases(path: Path, attributes: Sequence[str]) -> pd.DataFrame:
    """Read the table as it was written.

    Raises:
        EvaluationError: If it cannot be read, or is damaged.
    """
    columns = case_columns(attributes)
    try:
        table = read_table(path, delimiter=",", strip=False)
        missing = [column for column in columns if protected(column) not in table.header]
        if missing:
            raise EvaluationError(
                f"{path} has no column {shorten(map(repr, missing))}. If another program has saved "
                "the file again, restore it; otherwise evaluate again."
            )
        text = [column for column in columns if column not in _NUMBERS]
        frame = with_formulas(pd.DataFrame(table.rows, columns=table.header, dtype=object), text)
        for column in _NUMBERS:
            frame[column] = [float(cell or "nan") for cell in frame[column]]
    except (TableError, ValueError) as error:
        raise EvaluationError(f"{path} is damaged ({error}). Evaluate again.") from error
    return frame
