"""How to read a metric, and an interval around a value."""

import math
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Scale:
    """Direction and range of a metric.

    Attributes:
        better: Whether higher or lower values are better.
        lowest: Smallest possible value; minus infinity if not known.
        highest: Largest possible value; infinity if there is none or it is not known.
    """

    better: Literal["higher", "lower"] = "higher"
    lowest: float = -math.inf
    highest: float = math.inf

    @property
    def worst(self) -> float:
        """Value of an outright failure; infinite if there is no limit."""
        return self.lowest if self.better == "higher" else self.highest


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
        lowest: Smallest possible value; minus infinity if not known.
        highest: Largest possible value; infinity if there is none or it is not known.
    """

    name: str
    title: str
    unit: str
    better: Literal["higher", "lower"]
    definition: str
    one_minus_is_error: bool = False
    lowest: float = -math.inf
    highest: float = math.inf

    @property
    def scale(self) -> Scale:
        """Direction and range."""
        return Scale(self.better, self.lowest, self.highest)

    @property
    def column(self) -> str:
        """Column in ``per_case.csv``: the name, with the unit where there is one."""
        return f"{self.name}_{self.unit}" if self.unit else self.name


@dataclass(frozen=True)
class Interval:
    """A confidence interval, in the unit of the value it belongs to; NaN if not computable."""

    low: float
    high: float

    @property
    def mirrored(self) -> "Interval":
        """The interval of the negative value."""
        return Interval(-self.high, -self.low)


#: Of a value whose interval cannot be computed, or may not be shown.
NO_INTERVAL = Interval(math.nan, math.nan)
