"""One metric of one label, compared over the groups of an attribute, as frozen values."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from nnunetv2_fair.evaluation.results.values import NO_INTERVAL, Interval

#: Setting of a result: attribute expression -> groups that are compared, where some were chosen.
CHOSEN_GROUPS = "chosen_groups"

#: Why a group is shown, but enters no gap, test or verdict: others were chosen (``--groups``).
NOT_CHOSEN = "not one of the groups chosen for the comparison"


def chosen_of(settings: Mapping[str, Any], attribute: str) -> tuple[str, ...] | None:
    """Return the groups of an attribute that were chosen; None if all are compared.

    Args:
        settings: Settings of a result.
        attribute: Attribute expression.
    """
    chosen = settings.get(CHOSEN_GROUPS, {}).get(attribute)
    return None if chosen is None else tuple(chosen)


@dataclass(frozen=True)
class GroupStatistics:
    """One metric of one label in one group.

    In a shareable result hidden counts are None, and hidden values NaN.

    Attributes:
        n_cases: Cases of the group that were evaluated.
        n_patients: Patients they come from.
        n_undefined: Cases whose value is undefined (NaN) and left out of the statistics.
        n_replaced: Cases whose infinite distance was replaced (see the settings).
        mean: Mean over the units (patients by default).
        median: Median over the units.
        q1: Lower quartile.
        q3: Upper quartile.
        std: Sample standard deviation (ddof 1).
        mean_interval: Bootstrap interval of the mean.
        median_interval: Bootstrap interval of the median.
        n_units: Units (patients by default) that have a value; 0 in results that do not tell.
        shrunken_mean: The mean, drawn towards those of the other groups as far as chance explains
            the difference: the better guess of a small group's mean, never used for fairness
            measures. NaN if fewer than three groups have values, too few units show how much they
            vary, and for all groups together.
        shrunken_interval: Interval of it; NaN if the groups have fewer than about 100 units.
        worst_decile: Value that the worst tenth of the units are at or beyond; NaN if fewer than
            ten have a value.
    """

    n_cases: int | None
    n_patients: int | None
    n_undefined: int | None
    n_replaced: int | None
    mean: float
    median: float
    q1: float
    q3: float
    std: float
    mean_interval: Interval
    median_interval: Interval
    n_units: int | None = 0
    shrunken_mean: float = math.nan
    shrunken_interval: Interval = NO_INTERVAL
    worst_decile: float = math.nan

    @property
    def iqr(self) -> float:
        """Interquartile range."""
        return self.q3 - self.q1


@dataclass(frozen=True)
class Gap:
    """One fairness measure with its bootstrap interval.

    Attributes:
        name: ``fairness_gap``, ``ser``, ``delta``, ``std``, ``skew``, ``es_std`` or
            ``es_absolute``.
        value: The measure; NaN if fewer than two groups are large enough.
        interval: Bootstrap interval.
        between: Groups it compares: (reference, other) for ``fairness_gap``, all that
            entered otherwise.
        simultaneous: For ``fairness_gap``: interval that holds together with those of all other
            pairs of the comparison; the same as ``interval`` if there is one pair. NaN otherwise.
        by_chance: For measures over all groups: median of the measure when patients are exchanged
            between the groups at random, so that no group differs. NaN for ``fairness_gap``, and
            if there are no resamples.
        p_value: Share of these exchanges in which the measure is at least as bad, uncorrected; for
            ``delta`` of two groups the permutation test of their means. NaN as ``by_chance``.
        corrected_p: Corrected by Holm's method over all attributes and labels by the same metric,
            for each measure by itself.
    """

    name: str
    value: float
    interval: Interval
    between: tuple[str, ...]
    simultaneous: Interval = NO_INTERVAL
    by_chance: float = math.nan
    p_value: float = math.nan
    corrected_p: float = math.nan


@dataclass(frozen=True)
class GroupTest:
    """A two-sided test of no difference between the groups.

    Attributes:
        name: ``Mann-Whitney U`` or ``Kruskal-Wallis``; ``Wilcoxon signed-rank`` or ``Stratified
            rank permutation`` where patients are in several groups; ``Clustered rank-sum`` or
            ``Clustered Kruskal-Wallis`` where images count (see :attr:`Comparison.by_image`).
        statistic: U of the first group; H; the sum of the positive ranks; the statistic of which
            the p-value is made.
        p_value: Uncorrected; NaN if it cannot be computed.
        corrected_p: Corrected by Holm's method over the family: the tests of all attributes and
            labels by the same metric.
        family_size: Number of tests in the family.
        reason: Why there is no p-value; empty if there is one.
    """

    name: str
    statistic: float
    p_value: float
    corrected_p: float = math.nan
    family_size: int = 1
    reason: str = ""


@dataclass(frozen=True)
class PairEffect:
    """How far two groups are apart, and what difference could have been detected.

    Attributes:
        between: (reference, other).
        cliffs_delta: Probability that a unit of the reference has the higher value minus the
            probability that it has the lower one, in -1..1; 0 is no difference.
        interval: Bootstrap interval of it; NaN if all values of one of the groups are equal.
        detectable_gap: Gap of the medians, in the unit of the metric, that would be shown (test
            and interval) with 80% probability; NaN if it cannot be said.
        detectable_gap_half: The same with 50% probability.
        mean_difference: Mean of the reference minus mean of the other group.
        mean_difference_interval: Interval of it of coverage 1 - 2 alpha where 1 - alpha is the
            confidence, as two one-sided tests need it; NaN if it cannot be given.
        mean_difference_together: The same with alpha divided by the number of pairs, so that what
            these intervals say of all pairs holds together.
    """

    between: tuple[str, str]
    cliffs_delta: float
    interval: Interval
    detectable_gap: float
    detectable_gap_half: float = math.nan
    mean_difference: float = math.nan
    mean_difference_interval: Interval = NO_INTERVAL
    mean_difference_together: Interval = NO_INTERVAL


@dataclass(frozen=True)
class PairTest:
    """A test of two of more than two groups.

    Attributes:
        between: The two groups, in the order of all.
        cliffs_delta: As :attr:`PairEffect.cliffs_delta`, of the first and the second group.
        test: Test of no difference between the two, as of a comparison of two groups. Its family
            are the pairs of all attributes and labels by the same metric.
    """

    between: tuple[str, str]
    cliffs_delta: float
    test: GroupTest


@dataclass(frozen=True)
class Comparison:
    """One metric of one label, compared over the groups of one attribute expression.

    Attributes:
        attribute: Attribute expression, such as ``sex+age``.
        metric: Name of the metric.
        label: Label or region, or ``average``.
        overall: All cases of known group together.
        groups: Statistics of each group, in the dictionary's order; every group is here.
        left_out: Groups that are excluded from gaps and tests, with the reason: too few patients,
            or :data:`NOT_CHOSEN`.
        gaps: Fairness measures.
        test: Test of no difference; None if fewer than two groups are large enough.
        effects: One per group that is large enough, against the reference group.
        by_image: Whether medians, quartiles, standard deviations, Cliff's delta and the test are
            those of images weighted by 1 over the images of their patient in the group, because
            patients of one group have more images than those of another.
        pairs: Of more than two groups that are compared: every two of them tested.
        of_chosen: All cases of the chosen groups together, which equity scaling and the tables of
            papers are about; None if all groups are compared, and in a shareable result.
    """

    attribute: str
    metric: str
    label: str
    overall: GroupStatistics
    groups: Mapping[str, GroupStatistics]
    left_out: Mapping[str, str]
    gaps: tuple[Gap, ...]
    test: GroupTest | None
    effects: tuple[PairEffect, ...] = ()
    by_image: bool = False
    pairs: tuple[PairTest, ...] = ()
    of_chosen: GroupStatistics | None = None

    @property
    def of_compared(self) -> GroupStatistics:
        """All cases of the groups that are compared together."""
        return self.overall if self.of_chosen is None else self.of_chosen

    @property
    def is_of_chosen(self) -> bool:
        """Whether groups were chosen for the comparison, so that it is not about all."""
        return NOT_CHOSEN in self.left_out.values()

    def gap(self, name: str) -> Gap | None:
        """Return the first fairness measure of that name."""
        return next((gap for gap in self.gaps if gap.name == name), None)
