"""Quantiles: of infinite values, and of weighted ones."""

import numpy as np

_ROUNDING = 1e-9


def weighted_quantile(values: np.ndarray, weights: np.ndarray, share: float) -> float:
    """Return the value that a share of the weight is below.

    The mean of the two neighbours where the share falls between them, so that the median of
    equal weights is the usual one.

    Args:
        values: (n,), infinity allowed.
        weights: (n,) positive.
        share: In 0..1.

    Returns:
        The quantile; NaN if there are no values.

    Source: Hyndman and Fan, Sample quantiles in statistical packages, 1996 (definition 2).
    """
    if not values.size:
        return float("nan")
    order = np.argsort(values, kind="stable")
    below = np.cumsum(weights[order])
    aim = share * below[-1]
    slack = _ROUNDING * below[-1]
    last = len(values) - 1
    low = values[order[min(int(np.searchsorted(below, aim - slack)), last)]]
    high = values[order[min(int(np.searchsorted(below, aim + slack, side="right")), last)]]
    return float(low if low == high else (low + high) / 2)


def quantile(values: np.ndarray, share: float) -> float:
    """Return a quantile by linear interpolation that also copes with infinite values.

    Args:
        values: One-dimensional.
        share: In 0..1.

    Returns:
        The quantile; infinite where it lies beyond the last finite value; NaN if there are no
        values or one is NaN.
    """
    ordered = np.sort(values)
    if not ordered.size or np.isnan(ordered[-1]):
        return float("nan")
    position = share * (ordered.size - 1)
    # 0.975 * 40 must be 39, not a hair above it
    nearest = round(position)
    if abs(position - nearest) < 1e-9:
        return float(ordered[nearest])
    low, high = ordered[int(position)], ordered[int(position) + 1]
    if low == high or np.isinf(low):  # infinities have no difference to interpolate
        return float(low)
    return float(low + (high - low) * (position - int(position)))
