"""How wrong a measure taken from predicted masks is, by group, as frozen values."""

from collections.abc import Mapping
from dataclasses import dataclass

from nnunetv2_fair.evaluation.results.groups import GroupTest
from nnunetv2_fair.evaluation.results.values import Interval, MetricInfo


@dataclass(frozen=True)
class GroupErrors:
    """Errors of a measure in one group: prediction minus reference, in the measure's unit.

    Of several cases of a patient the mean counts, of errors and of absolute errors.

    Attributes:
        n: Units (patients by default) with a value.
        n_undefined: Cases without a value.
        reference: Mean from the reference masks; NaN, as all below, if there is no value.
        prediction: Mean from the predicted masks.
        bias: Mean error.
        limits: Bland-Altman limits of agreement: 95% of errors lie within if they are normal; NaN
            of fewer than two units.
        mean: Mean absolute error.
        q1: Lower quartile of the absolute errors.
        median: Median absolute error.
        q3: Upper quartile of the absolute errors.
        shares: Share of the units in each bin of absolute errors; empty if the group is not
            compared.
    """

    n: int
    n_undefined: int
    reference: float
    prediction: float
    bias: float
    limits: Interval
    mean: float
    q1: float
    median: float
    q3: float
    shares: tuple[float, ...]


@dataclass(frozen=True)
class ErrorDivergence:
    """Jensen-Shannon divergence of the absolute errors of two groups, in bits.

    Attributes:
        between: (reference, other).
        value: Of the samples, in 0..1; NaN, as all below, if the groups are not compared.
        corrected: Without the bias that comes from the size of the samples.
        interval: Bootstrap interval around ``corrected``; NaN if a group is too small for one.
        by_chance: What exchanging patients between the groups gives on average.
        p_value: Permutation p-value.
        corrected_p: Corrected by Holm's method over all measures, labels and pairs of groups of
            the attribute.
        family_size: Number of these.
        reason: Why the groups are not compared; empty if they are.
    """

    between: tuple[str, str]
    value: float
    corrected: float
    interval: Interval
    by_chance: float
    p_value: float
    corrected_p: float
    family_size: int
    reason: str = ""


@dataclass(frozen=True)
class GroupDecisions:
    """Units of one group of which reference and prediction lie on two sides of a threshold.

    Attributes:
        n: Units (patients by default) with a value.
        upward: Units with a case of which the reference is below the threshold and the prediction
            is not.
        downward: Units with a case of which the prediction is below and the reference is not.
        rate: Mean over the units of the share of cases that changed sides, in 0..1; NaN if there
            are no units.
        interval: Wilson interval of the rate.
    """

    n: int
    upward: int
    downward: int
    rate: float
    interval: Interval


@dataclass(frozen=True)
class Decisions:
    """Whether decisions at a threshold would change, by group.

    Attributes:
        threshold: Values below it are on one side, all others on the other.
        groups: Group -> its decisions.
        test: Exact test of equal rates of the groups that are compared, corrected by Holm's method
            over all of the result; None if fewer than two are.
    """

    threshold: float
    groups: Mapping[str, GroupDecisions]
    test: GroupTest | None


@dataclass(frozen=True)
class DownstreamComparison:
    """One measure of one label, compared over the groups of an attribute.

    Attributes:
        attribute: Attribute expression.
        label: Label or region that the measure is taken from.
        measure: Name, unit and definition; lower errors are better.
        edges: Lower limits of the bins of absolute errors, ascending; the last has no end.
        groups: Group -> its errors, in the dictionary's order.
        left_out: Groups that are not compared, with the reason.
        divergences: Of each group that is compared from the reference group.
        decisions: One per threshold.
        one_each: Whether shares and divergences are those of one case of each patient, drawn at
            random, because patients have different numbers of cases.
    """

    attribute: str
    label: str
    measure: MetricInfo
    edges: tuple[float, ...]
    groups: Mapping[str, GroupErrors]
    left_out: Mapping[str, str]
    divergences: tuple[ErrorDivergence, ...]
    decisions: tuple[Decisions, ...]
    one_each: bool = False
