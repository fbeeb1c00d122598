"""How often segmentation fails outright in each group, as frozen values."""

from collections.abc import Mapping
from dataclasses import dataclass

from nnunetv2_fair.evaluation.results.groups import GroupTest
from nnunetv2_fair.evaluation.results.values import Interval


@dataclass(frozen=True)
class FailureCriterion:
    """When a case counts as failed.

    Attributes:
        metric: Name of the metric.
        threshold: A case fails at this value and at all worse ones, in the unit of the metric.
        label: Label or region it applies to; empty: all that have no criterion of their own.
    """

    metric: str
    threshold: float
    label: str = ""

    def __str__(self) -> str:
        """Return the criterion as it is given to ``--failure``."""
        where = f"{self.label}:" if self.label else ""
        return f"{where}{self.metric}={self.threshold:g}"


@dataclass(frozen=True)
class FailureRate:
    """Failures in one group.

    Attributes:
        n_patients: Units (patients by default) with a value.
        n_failed: Those with at least one failed case.
        rate: Mean over the units of the share of their cases that failed, in 0..1; NaN if there
            are no units.
        interval: Wilson interval of the rate, of as many patients as these cases are worth.
    """

    n_patients: int
    n_failed: int
    rate: float
    interval: Interval


@dataclass(frozen=True)
class FailureDifference:
    """A group's failure rate minus the reference's.

    Attributes:
        between: (reference, other).
        value: The difference, in -1..1; positive if the other group fails more often.
        interval: Newcombe's interval of it.
    """

    between: tuple[str, str]
    value: float
    interval: Interval


@dataclass(frozen=True)
class FailureComparison:
    """Failure rates of the groups of one attribute expression, for one label and criterion.

    Attributes:
        attribute: Attribute expression.
        metric: Name of the metric.
        label: Label or region.
        threshold: A case fails at this value and at all worse ones.
        groups: Group -> its failures, in the dictionary's order.
        left_out: Groups that are not compared, with the reason.
        differences: One per group that is compared, from the reference group.
        test: Exact test of no difference; None if fewer than two groups are large enough. Its
            corrected p-value is Holm's over all failure rates that are compared.
    """

    attribute: str
    metric: str
    label: str
    threshold: float
    groups: Mapping[str, FailureRate]
    left_out: Mapping[str, str]
    differences: tuple[FailureDifference, ...]
    test: GroupTest | None
