"""How well the discriminator guesses, for the log of the groups: by group and by attribute."""

from collections.abc import Sequence

import numpy as np

from nnunetv2_fair.subgroups.groups import Grouping
from nnunetv2_fair.subgroups.schema import INTERSECTION
from nnunetv2_fair.trainers.adversarial.adversary import accuracies, balanced_accuracy
from nnunetv2_fair.trainers.group_log.values import GroupValues
from nnunetv2_fair.trainers.group_log.visible import Visible
from nnunetv2_fair.training_log import columns

_TITLE = "Balanced accuracy of the discriminator"


def shown_guesses(guesses: np.ndarray, grouping: Grouping, visible: Visible) -> np.ndarray:
    """Return the guesses about groups whose values may be shown, 0 for all others.

    Args:
        guesses: See :func:`logged_guesses`.
        grouping: See :func:`logged_guesses`.
        visible: See :func:`logged_guesses`.
    """
    shown = np.array([visible.shows("train", name) for name in grouping.names])
    told: np.ndarray = np.where(shown[:, None], guesses, 0)
    return told


def logged_guesses(guesses: np.ndarray, grouping: Grouping, visible: Visible) -> list[GroupValues]:
    """Return the columns of an epoch's guesses.

    The balanced accuracy is that over the groups whose values may be shown, the same for every
    group. Where groups are joint, that of every attribute follows: a guess is correct in an
    attribute if the guessed group has the level of the true one.

    Args:
        guesses: ``(G, G)`` counts, rows are groups, columns the groups guessed.
        grouping: The groups.
        visible: What may be told of them.
    """
    told = shown_guesses(guesses, grouping, visible)
    found = [
        GroupValues(columns.ACCURACY, "Accuracy of the discriminator", list(accuracies(told))),
        _of_all(columns.BALANCED_ACCURACY, _TITLE, balanced_accuracy(told), grouping),
    ]
    attributes = grouping.expression.split(INTERSECTION)
    if len(attributes) > 1:
        for position, attribute in enumerate(attributes):
            levels = [group.parts[position : position + 1] for group in grouping.groups]
            accuracy = balanced_accuracy(_by_level(told, levels))
            column = f"{columns.BALANCED_ACCURACY}_{attribute}"
            found.append(_of_all(column, f"{_TITLE}, {attribute} alone", accuracy, grouping))
    return found


def _of_all(column: str, title: str, value: float, grouping: Grouping) -> GroupValues:
    return GroupValues(column, title, len(grouping.names) * [value])


def _by_level(guesses: np.ndarray, levels: Sequence[tuple[str, ...]]) -> np.ndarray:
    """Return guesses of groups as guesses of the levels of one attribute."""
    distinct = list(dict.fromkeys(levels))
    member = np.array([[level == own for own in levels] for level in distinct], dtype=float)
    summed: np.ndarray = member @ guesses @ member.T
    return summed
