"""What follows from the groups' pseudo Dice: moving averages and gaps."""

import math
from collections.abc import Iterable

import numpy as np

#: Part of nnU-Net's moving average that stays in an epoch.
_KEPT = 0.9


def moving_average(values: Iterable[float]) -> np.ndarray:
    """Return nnU-Net's moving average: 0.9 of the former plus 0.1 of the new value.

    Args:
        values: One per epoch; where one is NaN the average stays as it was.

    Returns:
        One float per value; NaN before the first that is not.
    """
    averages = []
    average = math.nan
    for value in values:
        if math.isnan(average):
            average = value
        elif not math.isnan(value):
            average = _KEPT * average + (1 - _KEPT) * value
        averages.append(average)
    return np.array(averages, dtype=float)


def gap(values: Iterable[float]) -> float:
    """Return the best minus the worst group's value, 0 or more.

    Args:
        values: One per group; NaN is left out.

    Returns:
        NaN with fewer than two values: nothing is compared.
    """
    known = [value for value in values if not math.isnan(value)]
    return max(known) - min(known) if len(known) > 1 else math.nan
