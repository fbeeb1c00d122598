"""Cliff's delta and its interval."""

import math

import numpy as np
import scipy.optimize
from scipy.special import ndtri

from nnunetv2_fair.evaluation.estimation.intervals import Sources, expanded_interval
from nnunetv2_fair.evaluation.results.values import NO_INTERVAL, Interval

#: A small group of fewer units, beside one this many times larger.
_SMALL, _TIMES = 20, 3

_EDGE = 1e-12


def cliffs_delta(
    first: np.ndarray,
    second: np.ndarray,
    weights: tuple[np.ndarray, np.ndarray] | None = None,
) -> float:
    """Return P(first > second) - P(first < second) over all pairs of values.

    Args:
        first: (n,) values, infinity allowed.
        second: (m,) values.
        weights: (n,) and (m,) weight of each value; None weights them alike.

    Returns:
        In -1..1: 1 if every value of ``first`` is the larger one; NaN if one is empty.

    Source: Cliff, Dominance statistics, Psychological Bulletin 1993.
    """
    if not first.size or not second.size:
        return math.nan
    first_weights, second_weights = weights or (np.ones(first.size), np.ones(second.size))
    order = np.argsort(second)
    below = np.r_[0.0, np.cumsum(second_weights[order])]
    won = below[np.searchsorted(second[order], first, side="left")]
    not_lost = below[np.searchsorted(second[order], first, side="right")]
    net = float(((won + not_lost - below[-1]) * first_weights).sum())
    return min(1.0, max(-1.0, net / float(first_weights.sum() * below[-1])))


def dominance_interval(
    delta: float, replicates: np.ndarray, sizes: tuple[int, int], confidence: float
) -> Interval:
    """Return an interval of Cliff's delta.

    Where nearly every value of one group is the larger one, resamples do not vary, and percentiles
    miss the truth in up to three of four studies. A score interval knows how much delta varies
    there; but it takes the groups' values to be spread alike, and is too short where they are not.
    The interval holds both. Beside a group three times as large, the score interval of a group
    under 20 takes the largest variance that is possible.

    Args:
        delta: In -1..1.
        replicates: (replicates,) delta of the resamples.
        sizes: Units of the two groups.
        confidence: Coverage, such as 0.95.

    Returns:
        Within -1..1; NaN without replicates.

    Source: Newcombe, Confidence intervals for an effect size measure based on the Mann-Whitney
    statistic, Part 2, Statistics in Medicine 2006 (method 5); Wilson 1927 and Birnbaum and Klose,
    Annals of Mathematical Statistics 1957 (largest variance).
    """
    counts = np.array(sizes)
    drawn = expanded_interval(replicates, confidence, Sources(1 / counts, counts))
    if math.isnan(drawn.low):
        return NO_INTERVAL
    low, high = _score_limits((delta + 1) / 2, sizes, confidence)
    return Interval(min(drawn.low, 2 * low - 1), max(drawn.high, 2 * high - 1))


def _score_limits(share: float, sizes: tuple[int, int], confidence: float) -> tuple[float, float]:
    """Return the shares of pairs from which the observed one is not too far away."""
    quantile = -float(ndtri((1 - confidence) / 2))
    few, many = sorted(sizes)
    harsh = few < _SMALL and many > _TIMES * few

    def spread(true: float) -> float:
        if harsh:
            variance = true * (1 - true) / few
        else:
            pairs = (few + many) / 2 - 1
            alike = (1 - true) / (2 - true) + true / (1 + true)
            variance = true * (1 - true) * (1 + pairs * alike) / (few * many)
        return quantile * math.sqrt(variance)

    def root(start: float, end: float) -> float:
        return float(scipy.optimize.brentq(lambda t: abs(t - share) - spread(t), start, end))

    low = 0.0 if share <= _EDGE else root(0.0, min(share, 1 - _EDGE))
    high = 1.0 if share >= 1 - _EDGE else root(max(share, _EDGE), 1.0)
    return low, high
