"""What was measured in every case: ``downstream.csv``, as private as ``per_case.csv``."""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from nnunetv2_fair.errors import EvaluationError, TableError
from nnunetv2_fair.evaluation.results.tables.per_case import number_of, read_as_text

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


def read_cases(path: Path, attributes: Sequence[str]) -> pd.DataFrame:
    """Read the table as it was written.

    Raises:
        EvaluationError: If it cannot be read, or is damaged.
    """
    text = [column for column in case_columns(attributes) if column not in _NUMBERS]
    try:
        frame = read_as_text(path, text, _NUMBERS)
        for column in _NUMBERS:
            frame[column] = [number_of(cell) for cell in frame[column]]
    except (TableError, ValueError) as error:
        raise EvaluationError(f"{path} is damaged ({error}). Evaluate again.") from error
    return frame
