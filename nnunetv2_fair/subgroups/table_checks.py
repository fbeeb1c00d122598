"""Whether rows and values of a demographics table are right: all mistakes at once, with lines."""

import logging
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from nnunetv2_fair.errors import DemographicsError, shorten, shorten_lines
from nnunetv2_fair.subgroups.schema import (
    CASE,
    RESERVED_COLUMNS,
    SAMPLING_WEIGHT,
    SYNTHETIC,
    Schema,
)
from nnunetv2_fair.tables.reading import row_problems

logger = logging.getLogger(__name__)

#: Name of the index of a table as it was read: lines of the file.
LINE = "line"


def lines_of(frame: pd.DataFrame) -> Sequence[int]:
    """Return the line of each row of a table in its file.

    Args:
        frame: As :func:`read_delimited` returned it; any other frame counts as written without
            empty lines, so that its first row is line 2.
    """
    if frame.index.name == LINE:
        return [int(line) for line in frame.index]
    return range(2, len(frame) + 2)


def check_rows(frame: pd.DataFrame, path: Path) -> None:
    """Raise unless every row has one case, a patient, and sensible reserved columns."""
    roles = {role: list(frame[role]) for role in RESERVED_COLUMNS}
    problems = row_problems(roles, CASE, path.name, list(lines_of(frame)))
    if problems:
        raise DemographicsError(f"{path} cannot be used:\n{shorten_lines(problems)}")
    frame[SYNTHETIC] = frame[SYNTHETIC].replace("", "0")
    frame[SAMPLING_WEIGHT] = frame[SAMPLING_WEIGHT].replace("", "1")


def check_columns(frame: pd.DataFrame, schema: Schema, path: Path) -> None:
    """Raise unless the table has a column for each attribute of the dictionary."""
    missing = [name for name in schema.attributes if name not in frame.columns]
    if missing:
        present = [name for name in frame.columns if name not in RESERVED_COLUMNS]
        raise DemographicsError(
            f"{path} has no column {shorten(map(repr, missing))}, which its dictionary "
            f"describes. Columns found: {shorten(present, 20) or 'none'}. Add the column or "
            "remove the attribute from the dictionary."
        )
    extra = [n for n in frame.columns if n not in schema.attributes and n not in RESERVED_COLUMNS]
    if extra:
        logger.info("%s: columns without description are not used: %s", path, shorten(extra, 20))


def check_values(frame: pd.DataFrame, schema: Schema, path: Path, lines: Sequence[int]) -> None:
    """Raise unless the dictionary allows every value; ``lines`` are those of the rows."""
    problems = []
    for attribute in schema.attributes.values():
        verdicts = {
            value: attribute.problem_with(value) for value in frame[attribute.name].unique()
        }
        if any(verdicts.values()):
            for line, (case, value) in zip(lines, frame[attribute.name].items(), strict=True):
                if verdicts[value]:
                    problems.append((line, f"line {line}, case '{case}': {verdicts[value]}"))
    if problems:
        listed = [text for _, text in sorted(problems)]
        raise DemographicsError(f"{path} cannot be used:\n{shorten_lines(listed)}")
