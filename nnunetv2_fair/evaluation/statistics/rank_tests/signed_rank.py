"""Wilcoxon's signed-rank test, exact for few pairs also with ties."""

import math

import numpy as np
import scipy.stats

#: Up to this many changes the test is exact.
_MOST_EXACT = 50


def positive_ranks(changes: np.ndarray) -> float:
    """Return the sum of the ranks of the positive changes among all that are not zero."""
    changes = changes[changes != 0]
    if not changes.size:
        return 0.0
    return float(scipy.stats.rankdata(np.abs(changes))[changes > 0].sum())


def signed_rank(changes: np.ndarray) -> float:
    """Return the p-value of the two-sided Wilcoxon signed-rank test; 1 if nothing changed.

    Zeros are dropped. Up to 50 changes the test is exact, also with ties; beyond it uses the normal
    approximation.

    Args:
        changes: One difference per unit.

    Returns:
        The p-value; NaN if a difference is undefined or there are none.

    Source: Wilcoxon, Individual comparisons by ranking methods, 1945.
    """
    if not changes.size or np.isnan(changes).any():
        return math.nan
    changes = changes[changes != 0]
    if not changes.size:
        return 1.0
    if changes.size > _MOST_EXACT:
        return float(scipy.stats.wilcoxon(changes, method="approx").pvalue)
    # scipy's exact test enumerates all signs if there are ties; sums of ranks are few. Twice the
    # ranks are whole numbers: sums[k] counts the sign patterns with positive rank sum k / 2.
    ranks = np.rint(2 * scipy.stats.rankdata(np.abs(changes))).astype(int)
    sums = np.zeros(ranks.sum() + 1)
    sums[0] = 1
    for rank in ranks:
        sums[rank:] += sums[:-rank].copy()
    positive = ranks[changes > 0].sum()
    tail = min(sums[: positive + 1].sum(), sums[positive:].sum())
    return min(1.0, float(2 * tail / sums.sum()))
