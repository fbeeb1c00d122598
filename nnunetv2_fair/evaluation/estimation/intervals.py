"""Confidence intervals from bootstrap replicates, widened for small groups.

A percentile interval of a mean of ten values covers the truth in 90% instead of 95% of all
studies: the resamples vary too little, by a factor of sqrt((n - 1) / n), and the normal quantile
ignores that the spread is itself estimated. Both are corrected by taking quantiles further out;
means, which skewed values pull to one side, are corrected for bias and acceleration as well.

Source: Hesterberg, What teachers should know about the bootstrap, The American Statistician 2015
(expanded percentile interval); Welch 1947 (degrees of freedom of several groups); Efron, Better
bootstrap confidence intervals, JASA 1987 (BCa).
"""

import math
from dataclasses import dataclass

import numpy as np
from scipy.special import ndtr, ndtri, stdtrit

from nnunetv2_fair.evaluation.estimation.quantiles import quantile
from nnunetv2_fair.evaluation.results.values import NO_INTERVAL, Interval


@dataclass(frozen=True)
class Sources:
    """What a statistic is made from.

    Attributes:
        variances: (groups,) variance over the replicates of each group's mean or median.
        sizes: (groups,) units of each group; single units do not vary and are ignored.
        of_means: Whether the statistic is made from means. The median of a resample varies no
            less than that of a sample, so that only the quantile is widened.
    """

    variances: np.ndarray
    sizes: np.ndarray
    of_means: bool = True

    def tail(self, confidence: float) -> float:
        """Return the share of the replicates that is beyond each end of an interval.

        Args:
            confidence: Coverage of the interval, such as 0.95.

        Returns:
            (1 - confidence) / 2 for very large groups, less for small ones.
        """
        plain = (1 - confidence) / 2
        several = self.sizes > 1
        if not several.any():
            return plain
        v, n = self.variances[several], self.sizes[several].astype(float)
        if not np.isfinite(v).all() or not v.sum() > 0:
            # infinite or equal values have no spread to weigh the groups by: the smallest decides
            v, n = np.ones(1), np.array([n.min()])
        # relative, as the squares of tiny variances vanish
        share = v / v.sum()
        scale = math.sqrt((share * n / (n - 1)).sum()) if self.of_means else 1.0
        freedom = 1 / (share**2 / (n - 1)).sum()
        return float(ndtr(-scale * stdtrit(freedom, 1 - plain)))


def expanded_interval(replicates: np.ndarray, confidence: float, sources: Sources) -> Interval:
    """Return the expanded percentile interval of a statistic.

    Args:
        replicates: (replicates,) values of the statistic in the resamples.
        confidence: Coverage of the interval.
        sources: What the statistic is made from.

    Returns:
        The interval; NaN if there are no replicates or one of them is NaN.
    """
    tail = sources.tail(confidence)
    return Interval(quantile(replicates, tail), quantile(replicates, 1 - tail))


def simultaneous_interval(
    value: float, replicates: np.ndarray, confidence: float, n_intervals: int, sources: Sources
) -> Interval:
    """Return one of several intervals of differences of medians that hold together.

    Each gets an equal part of the error rate (Bonferroni). Maxima of studentised differences,
    which lose less, are not used: a resample in which failures reach the median of one small group
    is so far out that it sets the width of all others.

    The median of n values is beyond all of them with probability 2 ** (1 - n), and resamples never
    are. Where the error rate of one interval is smaller than that, the interval also extends as far
    as t's quantile reaches.

    Args:
        value: The difference in the data.
        replicates: (replicates,) the difference in the resamples.
        confidence: Coverage of all intervals together.
        n_intervals: Number of intervals, 1 or more.
        sources: What the difference is made from.

    Returns:
        The interval; that of :func:`expanded_interval` if it is the only one. NaN if there are no
        replicates or one of them is NaN.
    """
    each = 1 - (1 - confidence) / n_intervals
    found = expanded_interval(replicates, each, sources)
    beyond_all = 2.0 ** (1 - sources.sizes.min())
    if n_intervals == 1 or not 1 - each < beyond_all or math.isnan(found.low):
        return found
    with np.errstate(invalid="ignore"):  # a resample may have an infinite median
        spread = float(replicates.std())
    if spread == 0:
        return found
    reach = -float(ndtri(sources.tail(each))) * spread
    if math.isnan(reach) or math.isnan(value):
        return Interval(-math.inf, math.inf)
    return Interval(min(found.low, value - reach), max(found.high, value + reach))


def mean_interval(
    replicates: np.ndarray, sample: np.ndarray, confidence: float, sources: Sources
) -> Interval:
    """Return the expanded BCa interval of a mean.

    Args:
        replicates: (replicates,) means of the resamples.
        sample: (n,) values that were resampled.
        confidence: Coverage of the interval.
        sources: What the mean is made from.

    Returns:
        The interval; NaN if there are no replicates or one of them is NaN.
    """
    if not replicates.size or not sample.size:
        return NO_INTERVAL
    with np.errstate(invalid="ignore"):  # infinite distances have no moments
        away = sample - sample.mean()
        squares = float((away**2).sum())
    if not math.isfinite(squares) or squares == 0:
        return expanded_interval(replicates, confidence, sources)
    acceleration = float((away**3).sum()) / (6 * squares**1.5)
    value = sample.mean()
    below = ((replicates < value).mean() + (replicates <= value).mean()) / 2
    bias = ndtri(min(max(below, 0.01), 0.99))
    reach = ndtri(sources.tail(confidence))
    ends = []
    for side in (reach, -reach):
        moved = bias + side
        share = ndtr(bias + moved / (1 - acceleration * moved))
        ends.append(quantile(replicates, float(share)))
    return Interval(*ends)


def spread_interval(
    value: float, deviations: np.ndarray, confidence: float, sources: Sources
) -> Interval:
    """Return an interval of a measure of spread over groups, such as their range.

    Such a measure N is never negative and too large on average, as chance drives groups apart:
    percentiles of its replicates would never reach 0 and miss equal groups every time. But
    ``|N(a) - N(b)| <= N(a - b)`` for ranges and standard deviations, so that N of the groups'
    deviations from the data bounds the error. The coverage is at least the nominal one.

    Args:
        value: N of the data, 0 or more.
        deviations: (replicates,) N of the resampled group values minus those of the data.
        confidence: Coverage of the interval.
        sources: What the measure is made from.
    """
    far = quantile(deviations, 1 - 2 * sources.tail(confidence))
    return Interval(max(0.0, value - far) if not math.isnan(far) else math.nan, value + far)


def least_range(values: np.ndarray, confidence: float, sources: Sources) -> float:
    """Return the lower end of an interval of a range over groups that is infinite in the data.

    The range is at least the difference of any two groups. The ends of all differences hold
    together (Bonferroni).

    Args:
        values: (replicates, groups) resampled values of the groups; may be minus infinity.
        confidence: Coverage of the interval.
        sources: What the range is made from.

    Returns:
        0 or more.
    """
    n_pairs = values.shape[1] * (values.shape[1] - 1)
    tail = sources.tail(1 - 2 * (1 - confidence) / n_pairs)
    least = 0.0
    for first in range(values.shape[1]):
        for second in range(values.shape[1]):
            if first != second:
                with np.errstate(invalid="ignore"):
                    apart = values[:, first] - values[:, second]
                # two groups without any error are equal
                least = max(
                    least,
                    quantile(np.nan_to_num(apart, nan=0.0, posinf=np.inf, neginf=-np.inf), tail),
                )
    return least


def scaled_interval(
    value: float,
    overall: np.ndarray,
    deviations: np.ndarray,
    confidence: float,
    sources: Sources,
) -> Interval:
    """Return an interval of an overall score divided by 1 plus a measure of spread.

    For the reason that :func:`spread_interval` gives, percentiles miss equal groups nearly every
    time. The logarithm of 1 plus the spread is off by at most N of the deviations, in either
    direction; the error of the overall score adds to it.

    Args:
        value: The scaled score of the data, above 0 and at most 1.
        overall: (replicates,) logarithm of the overall score, minus that of the data.
        deviations: (replicates,) as in :func:`spread_interval`.
        confidence: Coverage of the interval.
        sources: What the score is made from.
    """
    tail = sources.tail(confidence)
    low, high = quantile(overall - deviations, tail), quantile(overall + deviations, 1 - tail)
    return Interval(value * math.exp(low), min(1.0, value * math.exp(high)))
