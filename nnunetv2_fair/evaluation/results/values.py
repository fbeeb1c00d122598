"""How to read a metric, and an interval around a value."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class MetricInfo:
    """How to read one metric.

    Attributes:
        name: Column stem, such as ``hd95``.
        title: As people write it, such as ``HD95``.
        unit: ``""`` (none), ``mm`` or ``px``.
        better: Whether higher or lower values are better.
        definition: One or two sentences, with the rule for empty masks.
        one_minus_is_error: Whether 1 minus the value is an error rate, so that ratios of errors
            (SER, SKEW) and equity scaling mean something.
    """

    name: str
    title: str
    unit: str
    better: Literal["higher", "lower"]
    definition: str
    one_minus_is_error: bool = False

    @property
    def column(self) -> str:
        """Column in ``per_case.csv``: the name, with the unit where there is one."""
        return f"{self.name}_{self.unit}" if self.unit else self.name


@dataclass(frozen=True)
class Interval:
    """A confidence interval, in the unit of the value it belongs to; NaN if not computable."""

    low: float
    high: float
