"""Welch's test of many subgroups against all other units at once."""

import numpy as np
import scipy.stats

from nnunetv2_fair.subgroups.divergence import Divergences


def welch_tests(found: Divergences, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Test each subgroup against all other units, two-sidedly.

    Args:
        found: Subgroups of ``values``.
        values: (n,) all values.

    Returns:
        Welch's t and p-value of each; NaN where a side has fewer than two units, or no value
        differs from another within the sides.

    Source: Welch, The generalization of Student's problem, 1947.
    """
    total, n = len(values), found.n_cases
    rest = total - n
    squares = ((values - values.mean()) ** 2).sum()
    with np.errstate(divide="ignore", invalid="ignore"):
        # the deviations from the overall mean add up to 0, and so do their squares to the total
        rest_divergence = -found.divergence * n / rest
        rest_squares = squares - (found.variance * (n - 1) + n * found.divergence**2)
        rest_variance = (rest_squares - rest * rest_divergence**2) / (rest - 1)
        errors = np.stack([found.variance / n, np.maximum(rest_variance, 0.0) / rest])
        summed = errors.sum(axis=0)
        t = (found.divergence - rest_divergence) / np.sqrt(summed)
        share = errors / summed
        freedom = 1 / (share[0] ** 2 / (n - 1) + share[1] ** 2 / (rest - 1))
        # what rounding leaves of equal values is not variance
        testable = (n > 1) & (rest > 1) & (summed > 1e-13 * squares)
        t = np.where(testable, t, np.nan)
        p_values = 2 * scipy.stats.t.sf(np.abs(t), np.where(testable, freedom, 1.0))
    return t, np.where(testable, p_values, np.nan)
