"""Changes in words without signs: better or worse, smaller or larger, and by how much."""

import math
from dataclasses import dataclass

from nnunetv2_fair.evaluation.findings import numbers
from nnunetv2_fair.evaluation.results.comparison import (
    BETWEEN_GROUP_VARIANCE,
    PairedComparison,
)
from nnunetv2_fair.evaluation.results.findings import Finding
from nnunetv2_fair.evaluation.results.values import NO_INTERVAL, Interval

#: Directions that are an improvement.
GOOD = frozenset({"better", "smaller"})


@dataclass(frozen=True)
class Words:
    """What is said of a change.

    Attributes:
        kind: ``good``, ``bad``, or empty if nothing is shown.
        text: ``better by 0.025``, ``signs of a larger gap``, ``no change shown``.
        limits: ``0.012 to 0.038``, by how much; empty if nothing is shown, or hidden.
    """

    kind: str
    text: str
    limits: str = ""


def in_words(found: Finding | None, entry: PairedComparison, unit: str) -> Words:
    """Return what is said of a change.

    Args:
        found: What is claimed; None if a shareable comparison hides it.
        entry: Where it belongs.
        unit: Unit of the metric.
    """
    if found is None:
        return Words("", numbers.HIDDEN)
    if found.verdict == "not_comparable":
        return Words("", "cannot be compared")
    if found.verdict == "signs":
        return Words("", f"signs: {found.direction}")
    if found.verdict != "shown":
        return Words("", "no change shown")
    size, limits = found.value, found.interval
    if found.quantity == BETWEEN_GROUP_VARIANCE:
        # in the unit of the metric; the interval is one of variances
        size = entry.distance(found.model) - entry.distance(found.baseline)
        limits = NO_INTERVAL
    kind = "good" if found.direction in GOOD else "bad"
    # hidden, or too small to be written
    if math.isnan(size) or round(abs(size), numbers.decimals(size, unit)) == 0:
        return Words(kind, str(found.direction))
    by = f"{found.direction} by {numbers.with_unit(abs(size), unit)}"
    return Words(kind, by, unsigned(limits, unit))


def unsigned(limits: Interval, unit: str) -> str:
    """Return how large a change is that is shown: ``0.012 to 0.038``; empty if not known."""
    if not numbers.excludes_zero(limits):
        return ""
    low, high = sorted((abs(limits.low), abs(limits.high)))
    return numbers.interval(Interval(low, high), unit)
