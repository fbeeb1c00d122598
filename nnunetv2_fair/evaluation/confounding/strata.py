"""Groups compared within strata of confounders.

Source: van Elteren (1960), On the combination of independent two sample tests of Wilcoxon, Bulletin
of the International Statistical Institute 37.
"""

import math
from collections.abc import Sequence

import numpy as np
from scipy.special import ndtr
from scipy.stats import rankdata

#: Strata that a number is cut into, with as many patients each.
N_BINS = 5


def strata_of(columns: Sequence[np.ndarray]) -> np.ndarray:
    """Return the stratum of each unit: numbers from 0.

    Args:
        columns: One or more confounders, (n,) each; numbers are cut at their quintiles, all
            else counts as it is.
    """
    codes = []
    for column in columns:
        if column.dtype.kind == "f":
            codes.append(np.searchsorted(cuts_of(column), column, side="left"))
        else:
            codes.append(np.unique(column, return_inverse=True)[1])
    return np.unique(np.column_stack(codes), axis=0, return_inverse=True)[1].ravel()


def cuts_of(column: np.ndarray, n_bins: int = N_BINS) -> np.ndarray:
    """Return where numbers are cut into strata with as many of them each: (n_bins - 1,).

    A number that equals a cut belongs to the stratum below it.

    Args:
        column: (n,) numbers.
        n_bins: How many strata.
    """
    return np.quantile(column, np.arange(1, n_bins) / n_bins)


def van_elteren(values: np.ndarray, second: np.ndarray, strata: np.ndarray) -> float:
    """Return the two-sided p-value of van Elteren's test; NaN if no stratum has both groups.

    Args:
        values: (n,) values, infinity allowed.
        second: (n,) bool, whether a unit is of the second group.
        strata: (n,) stratum of each unit.
    """
    away = variance = 0.0
    informative = False
    for stratum in np.unique(strata):
        inside = strata == stratum
        x, of_second = values[inside], second[inside]
        n, n2 = len(x), int(of_second.sum())
        n1 = n - n2
        if not n1 or not n2:
            continue
        informative = True
        _, ties = np.unique(x, return_counts=True)
        tied = float((ties.astype(float) ** 3 - ties).sum()) / (n * (n - 1))
        away += (rankdata(x)[of_second].sum() - n2 * (n + 1) / 2) / (n + 1)
        variance += n1 * n2 / 12 * (n + 1 - tied) / (n + 1) ** 2
    if not informative:
        return math.nan
    return float(2 * ndtr(-abs(away) / math.sqrt(variance))) if variance > 1e-12 else 1.0
