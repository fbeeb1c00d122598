"""Values of groups for nnU-Net's other loggers, such as Weights & Biases."""

import math
from collections.abc import Sequence
from typing import Any

import pandas as pd

from nnunetv2_fair.trainers.group_log.values import GroupValues
from nnunetv2_fair.training_log import columns

#: Values of every group; those of all groups together.
_OF_GROUPS = (
    columns.TRAIN_LOSS, columns.VAL_LOSS, columns.PSEUDO_DICE, columns.EMA_PSEUDO_DICE,
)  # fmt: skip
_OF_EPOCHS = (columns.GAP, columns.GAP_OF_EMA)


def upload(
    loggers: Sequence[Any], rows: pd.DataFrame, values: Sequence[GroupValues], expression: str
) -> None:
    """Pass an epoch's values on: those of the table that tell no sizes of groups.

    They bypass nnU-Net's own logger, whose values are saved in checkpoints.

    Args:
        loggers: nnU-Net's loggers besides its own.
        rows: Of one epoch.
        values: What the method added.
        expression: Attribute expression; curves are named ``pseudo_dice_by_sex/female``.
    """
    added = [a.column for a in values if a.tells == "nothing"]
    told: dict[str, float] = {}
    for _, row in rows.iterrows():
        for column in (*_OF_GROUPS, *added):
            told[f"{column}_by_{expression}/{row[columns.GROUP]}"] = row[column]
        for column in _OF_EPOCHS:
            told[f"{column}_by_{expression}"] = row[column]
    for logger in loggers:
        for name, value in told.items():
            if not math.isnan(value):
                logger.log(name, float(value), int(rows[columns.EPOCH].iloc[0]))
