"""Logs of trainings as the page takes them, and what may be shown of them to others."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from nnunetv2_fair.training_log import columns
from nnunetv2_fair.training_log.table import with_derived

#: Values that describe all groups of an epoch together, small ones included.
_OF_ALL = columns.BALANCED_ACCURACY
_OF_VALIDATION = (columns.VAL_LOSS, columns.PSEUDO_DICE)


@dataclass(frozen=True)
class TrainingLog:
    """The log of one fold.

    Attributes:
        setting: What it shares with those it is compared with: dataset, configuration, plans.
        trainer: Name of the trainer.
        fold: Such as ``0``, or ``all``.
        rows: As :func:`nnunetv2_fair.training_log.table.read_log` returns them.
        hidden: Whether values of groups were left out.
    """

    setting: tuple[str, ...]
    trainer: str
    fold: str
    rows: pd.DataFrame = field(repr=False)
    hidden: bool = False

    @property
    def attribute(self) -> str:
        """Attribute expression; empty in logs of earlier versions."""
        return str(self.rows[columns.ATTRIBUTE].iloc[-1]) if len(self.rows) else ""

    @property
    def groups(self) -> tuple[str, ...]:
        """Names of its groups, in their order."""
        return tuple(dict.fromkeys(self.rows[columns.GROUP]))


def shareable(log: TrainingLog) -> TrainingLog:
    """Return a log without the values of groups whose cases it does not count.

    These are groups of fewer than five patients in the part of the fold that a value is from, and
    the smallest other group, so that theirs cannot be worked out; in logs of earlier versions,
    which count nothing, all groups. Gaps are those between the groups that remain.

    Args:
        log: As it was written.
    """
    rows = log.rows.copy()
    small = {part: rows[part].isna() for part in (columns.TRAIN_CASES, columns.VAL_CASES)}
    text = (columns.EPOCH, *columns.TEXT, *small)
    for column in rows.columns.drop(list(text)):
        of_val = column in _OF_VALIDATION or str(column).startswith(f"{columns.PSEUDO_DICE}_")
        hidden = small[columns.VAL_CASES if of_val else columns.TRAIN_CASES]
        if str(column).startswith(_OF_ALL) and hidden.any():
            hidden = hidden | True
        rows[column] = rows[column].mask(hidden, np.nan)
    found = any(part.any() for part in small.values())
    return TrainingLog(log.setting, log.trainer, log.fold, with_derived(rows), hidden=found)


def curves(logs: Sequence[TrainingLog], column: str, group: str | None) -> pd.DataFrame:
    """Return a quantity of one trainer over the epochs.

    Args:
        logs: Folds of the trainer.
        column: Of the log.
        group: Whose; None for a quantity of all groups together.

    Returns:
        A row per epoch, a column per fold; without epochs in which no fold has a value.
    """
    found = {}
    for log in logs:
        if column in log.rows:
            rows = log.rows if group is None else log.rows[log.rows[columns.GROUP] == group]
            found[log.fold] = rows.groupby(columns.EPOCH)[column].first()
    return pd.DataFrame(found).sort_index().dropna(how="all")
