"""Reading and writing ``subgroup_log.csv``: a row per epoch and group."""

import math
from pathlib import Path

import pandas as pd

from nnunetv2_fair.errors import TableError
from nnunetv2_fair.files.atomic import write_text
from nnunetv2_fair.files.tabular import protected, read_table, unprotected
from nnunetv2_fair.training_log.averages import gap, moving_average
from nnunetv2_fair.training_log.columns import (
    ALWAYS,
    ATTRIBUTE,
    EMA_PSEUDO_DICE,
    EPOCH,
    GAP,
    GAP_OF_EMA,
    GROUP,
    PSEUDO_DICE,
    TEXT,
    current_names,
)

_SIX_DIGITS = "%.6g"


def read_log(path: Path) -> pd.DataFrame | None:
    """Return the rows of a log, of an earlier version too, with today's names of columns.

    Args:
        path: A file that exists.

    Returns:
        All columns of :data:`ALWAYS` and whatever else there is. What an earlier version did not
        write is NaN, or an empty text. None if the table is damaged or no log.
    """
    try:
        table = read_table(path, delimiter=",", strip=False)
        names = current_names(list(table.header))
        if names is None:
            return None
        history = pd.DataFrame(table.rows, columns=names, dtype=object)
        for column in [name for name in names if name not in TEXT]:
            history[column] = pd.to_numeric(history[column].replace("", math.nan))
    except (TableError, KeyError, ValueError):
        return None
    if ATTRIBUTE not in history:
        history[ATTRIBUTE] = ""
    history = history.assign(**{name: history[name].map(unprotected) for name in TEXT})
    return with_derived(history)


def as_written(history: pd.DataFrame) -> pd.DataFrame:
    """Return the rows with numbers of six digits, as the table holds them.

    What follows from them (:func:`with_derived`) is then the same when the table is read again.
    """
    rows = history.copy()
    for name in history.select_dtypes(float):
        rows[name] = history[name].map(_six_digits)
    return rows


def _six_digits(value: float) -> float:
    return float(_SIX_DIGITS % value)


def write_log(path: Path, history: pd.DataFrame) -> None:
    """Write a log, six digits of every number; no name is a formula in a spreadsheet."""
    safe = history.assign(**{name: history[name].map(protected) for name in TEXT})
    write_text(path, safe.to_csv(index=False, float_format=_SIX_DIGITS, lineterminator="\n"))


def with_derived(history: pd.DataFrame) -> pd.DataFrame:
    """Return the rows with moving averages and gaps, and columns in their usual order.

    The gap of an epoch is the best minus the worst group's pseudo Dice. Chance alone makes it
    positive, so it is not averaged: the second gap is that between the groups' moving averages.

    Args:
        history: Rows of one log, in any order.
    """
    rows = history.sort_values(EPOCH, kind="stable").reset_index(drop=True)
    by_group = rows.groupby(GROUP, sort=False)[PSEUDO_DICE]
    rows[EMA_PSEUDO_DICE] = by_group.transform(moving_average).astype(float)
    for column, source in ((GAP, PSEUDO_DICE), (GAP_OF_EMA, EMA_PSEUDO_DICE)):
        gaps = {epoch: gap(values) for epoch, values in rows.groupby(EPOCH)[source]}
        rows[column] = rows[EPOCH].map(gaps).astype(float)
    missing = [name for name in ALWAYS if name not in rows]
    rows[missing] = math.nan
    others = [name for name in rows if name not in ALWAYS]
    # columns of labels last: there may be many
    others.sort(key=lambda name: str(name).startswith(f"{PSEUDO_DICE}_"))
    return rows[[*ALWAYS, *others]]
