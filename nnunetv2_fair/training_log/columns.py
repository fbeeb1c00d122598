"""Columns of ``subgroup_log.csv``, and which of its tables of earlier versions can be read."""

from collections.abc import Mapping

EPOCH = "epoch"
ATTRIBUTE = "attribute"
GROUP = "group"
TRAIN_CASES = "train_cases"
VAL_CASES = "val_cases"
DRAWN_SHARE = "drawn_share"
TRAIN_LOSS = "train_loss_per_sample"
VAL_LOSS = "val_loss_per_sample"
PSEUDO_DICE = "pseudo_dice"
EMA_PSEUDO_DICE = "ema_pseudo_dice"
GAP = "gap_pseudo_dice"
GAP_OF_EMA = "gap_ema_pseudo_dice"
WEIGHT = "weight"
Q = "q"
ACCURACY = "discriminator_accuracy"
BALANCED_ACCURACY = "discriminator_balanced_accuracy"

#: Columns of every log in their order; those of a method and of labels follow.
ALWAYS = (
    EPOCH, ATTRIBUTE, GROUP, TRAIN_CASES, VAL_CASES, DRAWN_SHARE, TRAIN_LOSS, VAL_LOSS,
    PSEUDO_DICE, EMA_PSEUDO_DICE, GAP, GAP_OF_EMA,
)  # fmt: skip
#: Columns of text; all others hold numbers.
TEXT = (ATTRIBUTE, GROUP)
#: Without these a table is not a log.
_NEEDED = {EPOCH, GROUP, TRAIN_LOSS, PSEUDO_DICE}

#: Names of columns in logs of earlier versions -> the same quantity's name now.
_RENAMED: Mapping[str, str] = {"train_loss": TRAIN_LOSS}


def label_column(label: str) -> str:
    """Return the column of a label's pseudo Dice."""
    return f"{PSEUDO_DICE}_{label}"


def current_names(columns: list[str]) -> list[str] | None:
    """Return today's names of the columns of a log; None if they are not those of a log.

    Args:
        columns: Of a table, maybe of an earlier version.
    """
    named = [_RENAMED.get(name, name) for name in columns]
    return named if set(named) >= _NEEDED and len(set(named)) == len(named) else None
