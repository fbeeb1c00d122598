"""What is compared of two models: overall mean, each group, the worst group, and the gap.

Each contrast has an estimate, a test, an interval of any coverage, and the shares of the units in
its error, from which :mod:`.simultaneous` works out how often any of many contrasts is wrong.
"""

import math
from collections.abc import Mapping
from typing import Protocol

import numpy as np

from nnunetv2_fair.evaluation.model_comparison.between_groups import SeveralGroups, TwoGroups
from nnunetv2_fair.evaluation.model_comparison.paired import Paired
from nnunetv2_fair.evaluation.model_comparison.standard_errors import Means
from nnunetv2_fair.evaluation.model_comparison.worst_group import WorstGroup
from nnunetv2_fair.evaluation.results.comparison import (
    BETWEEN_GROUPS,
    GROUP_MEAN,
    OVERALL_MEAN,
    WORST_GROUP_MEAN,
)
from nnunetv2_fair.evaluation.results.groups import NOT_CHOSEN
from nnunetv2_fair.evaluation.results.values import NO_INTERVAL, Interval

#: Which contrast: one of the names above with an empty string, or ``group_mean`` and the group.
Key = tuple[str, str]


class Contrast(Protocol):
    """A difference between two models.

    Attributes:
        value: One model's minus the other's.
        errors: (rows,) share of each unit and training in its error.
    """

    value: float
    errors: np.ndarray

    @property
    def p_value(self) -> float:
        """Two-sided p-value of no difference; NaN if there is no test."""

    def interval(self, confidence: float) -> Interval:
        """Return the interval of that coverage; it excludes 0 where the test rejects."""


class MeanDifference:
    """Difference of two models' means over the same units."""

    def __init__(self, means: Means, ours: int, theirs: int, column: int) -> None:
        """Compare the means in one column of ``means``."""
        self._found = means.paired(ours, theirs, column)
        self.value = float(self._found.values)
        with np.errstate(invalid="ignore"):
            self.errors = means.errors[ours, :, column] - means.errors[theirs, :, column]

    @property
    def p_value(self) -> float:
        """Two-sided p-value of no difference; NaN if there is no standard error."""
        return float(self._found.p_values)

    def interval(self, confidence: float) -> Interval:
        """Return the interval of that coverage; NaN if there is no standard error."""
        far = float(self._found.reach(np.asarray((1 - confidence) / 2)))
        return Interval(self.value - far, self.value + far) if math.isfinite(far) else NO_INTERVAL


def contrasts_of(paired: Paired, ours: int, theirs: int) -> Mapping[Key, Contrast]:
    """Return what is compared of two models; only what can be tested.

    Groups are compared with the baseline only; the rest also says how models rank.

    Args:
        paired: All models.
        ours: Position of a model.
        theirs: Position of the model that it is compared with; 0 is the baseline.
    """
    means, enough = paired.means, paired.enough
    found: dict[Key, Contrast] = {}
    if paired.is_sizeable:
        found[OVERALL_MEAN, ""] = MeanDifference(means, ours, theirs, means.overall)
    for index, name in enumerate(paired.names):
        shown_only = paired.left_out.get(name) == NOT_CHOSEN
        if theirs == 0 and paired.patients[index] >= paired.sizeable and not shown_only:
            found[GROUP_MEAN, name] = MeanDifference(means, ours, theirs, index)
    if enough:
        higher = paired.metric.better == "higher"
        found[WORST_GROUP_MEAN, ""] = WorstGroup(
            means, ours, theirs, enough, higher_is_better=higher
        )
    if len(enough) >= 2 and np.isfinite(means.errors[[ours, theirs]][:, :, enough]).all():
        kind = TwoGroups if len(enough) == 2 else SeveralGroups
        found[BETWEEN_GROUPS, ""] = kind(means, ours, theirs, enough)
    return {key: contrast for key, contrast in found.items() if not math.isnan(contrast.p_value)}
