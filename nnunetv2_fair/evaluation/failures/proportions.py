"""Proportions of patients, with intervals that also hold near 0 and 1.

Several images of a patient are less than as many patients, and more than one. A group's images
are therefore counted as that many patients as would give a rate with the same variance (Kish's
effective sample size). With few failures that variance says little, so that the number is drawn
towards the number of patients.

Source: Wilson (1927), Probable inference, the law of succession, and statistical inference, JASA
22; Newcombe (1998), Interval estimation for the difference between independent proportions,
Statistics in Medicine 17, method 10; Korn and Graubard (1998), Confidence intervals for
proportions with small expected number of positive counts estimated from survey data, Survey
Methodology 24 (effective counts in intervals of independent counts).
"""

import math
from typing import NamedTuple

import numpy as np
from scipy.special import ndtri

from nnunetv2_fair.evaluation.results.values import NO_INTERVAL, Interval

#: Patients with a failure at which their variance counts as much as the number of patients.
_PRIOR_FAILURES = 3


class Counts(NamedTuple):
    """So many of so many; effective numbers of clustered data."""

    failed: int
    n: int


def effective_counts(shares: np.ndarray, n_cases: int) -> Counts:
    """Return how many of how many independent patients are worth as much as these.

    Args:
        shares: (n_patients,) share of each patient's cases that failed, in 0..1.
        n_cases: Cases of all of them.

    Returns:
        The exact counts if every share is 0 or 1.
    """
    n, failed = len(shares), int((shares > 0).sum())
    rate = float(shares.mean())
    variance = float(shares.var(ddof=1)) if n > 1 else 0.0
    if variance == 0 or ((shares == 0) | (shares == 1)).all():
        return Counts(round(n * rate), n)
    worth = min(n_cases, max(n, rate * (1 - rate) * n / variance))
    weight = failed / (failed + _PRIOR_FAILURES)
    size = int(n ** (1 - weight) * worth**weight)
    return Counts(round(size * rate), size)


def wilson_interval(rate: float, n: float, confidence: float) -> Interval:
    """Return Wilson's score interval of a proportion.

    Args:
        rate: Observed proportion, in 0..1.
        n: Number it is a proportion of; may be effective.
        confidence: Coverage, such as 0.95.

    Returns:
        The interval within 0..1; NaN if ``n`` is 0.
    """
    if not n > 0:
        return NO_INTERVAL
    z = float(ndtri((1 + confidence) / 2))
    middle = rate + z * z / (2 * n)
    half = z * math.sqrt(rate * (1 - rate) / n + z * z / (4 * n * n))
    scale = 1 + z * z / n
    # rounding must not take 0 of n or n of n outside
    low = 0.0 if rate == 0 else (middle - half) / scale
    high = 1.0 if rate == 1 else (middle + half) / scale
    return Interval(low, high)


def newcombe_interval(rates: tuple[float, float], intervals: tuple[Interval, Interval]) -> Interval:
    """Return Newcombe's interval of the second proportion minus the first.

    Args:
        rates: Two proportions of different people.
        intervals: Wilson's interval of each.
    """
    (first, second), (one, two) = rates, intervals
    value = second - first
    return Interval(
        value - math.hypot(second - two.low, one.high - first),
        value + math.hypot(two.high - second, first - one.low),
    )
