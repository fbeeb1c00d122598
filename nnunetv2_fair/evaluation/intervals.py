"""Confidence intervals from bootstrap replicates, widened for small groups.

A percentile interval of ten values covers the truth in 90% instead of 95% of all studies: the
resamples vary too little, by a factor of sqrt((n - 1) / n), and the normal quantile ignores that
the spread is itself estimated. Both are mended by taking quantiles further out.

Source: Hesterberg, What teachers should know about the bootstrap, The American Statistician 2015
(expanded percentile interval); Welch 1947 (degrees of freedom of several groups).
"""

import math

import numpy as np
from scipy.special import ndtr, stdtrit

from nnunetv2_fair.evaluation.result import Interval
from nnunetv2_fair.evaluation.units import quantile

NO_INTERVAL = Interval(math.nan, math.nan)


def tail_probability(confidence: float, variances: np.ndarray, sizes: np.ndarray) -> float:
    """Return which quantiles of the replicates an interval ends at.

    Args:
        confidence: Coverage of the interval, such as 0.95.
        variances: (groups,) variance over the replicates of each group that the statistic is
            made from.
        sizes: (groups,) units of each of them; single units do not vary and play no part.

    Returns:
        Share of the replicates beyond each end: (1 - confidence) / 2 for very large groups, less
        for small ones.
    """
    plain = (1 - confidence) / 2
    several = sizes > 1
    if not several.any():
        return plain
    v, n = variances[several], sizes[several].astype(float)
    if not np.isfinite(v).all() or not v.sum() > 0:
        # infinite or equal values have no spread to weigh the groups by: the smallest decides
        v, n = np.ones(1), np.array([n.min()])
    scale = math.sqrt((v * n / (n - 1)).sum() / v.sum())
    # relative, as the squares of tiny variances vanish
    share = v / v.sum()
    freedom = 1 / (share**2 / (n - 1)).sum()
    return float(ndtr(-scale * stdtrit(freedom, 1 - plain)))


def expanded_interval(
    replicates: np.ndarray, confidence: float, variances: np.ndarray, sizes: np.ndarray
) -> Interval:
    """Return the expanded percentile interval of a statistic.

    Args:
        replicates: (replicates,) values of the statistic in the resamples.
        confidence: See :func:`tail_probability`, as the other arguments.
        variances: See there.
        sizes: See there.

    Returns:
        The interval; NaN if there are no replicates or one of them is NaN.
    """
    tail = tail_probability(confidence, variances, sizes)
    return Interval(quantile(replicates, tail), quantile(replicates, 1 - tail))


def spread_interval(
    value: float,
    deviations: np.ndarray,
    confidence: float,
    variances: np.ndarray,
    sizes: np.ndarray,
) -> Interval:
    """Return an interval of a measure of spread over groups, such as their range.

    Such a measure N is never negative and too large on average, as chance drives groups apart:
    percentiles of its replicates would never reach 0 and miss equal groups every time. But
    ``|N(a) - N(b)| <= N(a - b)`` for ranges and standard deviations, so that N of the groups'
    deviations from the data bounds the error. The coverage is at least the nominal one.

    Args:
        value: N of the data, 0 or more.
        deviations: (replicates,) N of the resampled group values minus those of the data.
        confidence: See :func:`tail_probability`.
        variances: See there.
        sizes: See there.
    """
    tail = tail_probability(confidence, variances, sizes)
    far = quantile(deviations, 1 - 2 * tail)
    return Interval(max(0.0, value - far) if not math.isnan(far) else math.nan, value + far)
