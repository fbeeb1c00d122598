"""Gaps between groups with and without adjustment for confounders, as frozen values."""

import math
from dataclasses import dataclass

from nnunetv2_fair.evaluation.results.groups import GroupTest
from nnunetv2_fair.evaluation.results.values import Interval

#: Name of the size of a label in the reference among confounders: the logarithm of its voxels.
REFERENCE_SIZE = "size in the reference"


@dataclass(frozen=True)
class AdjustedGap:
    """The difference of two groups' means, as found and among comparable patients.

    Attributes:
        attribute: Attribute expression.
        metric: Name of the metric.
        label: Label or region, or ``average``.
        between: (reference, other).
        confounders: What is adjusted for: :data:`REFERENCE_SIZE`, or columns of the table.
        n: Units (patients by default) of both groups that have a value and all confounders.
        crude: Mean of the reference minus mean of the other group, over these units.
        crude_interval: Interval of it.
        value: The same among patients whom either group could have (overlap weights); NaN if
            there are too few.
        interval: Interval of it.
        effective: How many patients of both groups the weights leave, in effect.
        test: Van Elteren's test, which compares within strata of the confounders; None if no
            stratum has both groups. Its corrected p-value is Holm's over the gaps in the same
            metric and confounders.
        medians: Of the confounder in both groups where it is the size, in voxels; NaN otherwise.
        p_of_size: p-value of a Mann-Whitney U test of equal sizes; NaN where not of sizes.
        reason: Why there is no adjusted gap; empty if there is one.
    """

    attribute: str
    metric: str
    label: str
    between: tuple[str, str]
    confounders: tuple[str, ...]
    n: tuple[int, int]
    crude: float
    crude_interval: Interval
    value: float
    interval: Interval
    effective: tuple[float, float]
    test: GroupTest | None
    medians: tuple[float, float] = (math.nan, math.nan)
    p_of_size: float = math.nan
    reason: str = ""
