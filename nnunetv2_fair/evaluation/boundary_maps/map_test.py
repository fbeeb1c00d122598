"""Whether the boundary errors of two groups differ anywhere: a permutation test over patients.

The statistic of a cell is the p-value of Welch's t test; patients are exchanged between the groups,
and the smallest p-value of all cells is kept (minP), so that a cell's p-value is corrected for all
cells and for how they hang together. Where a small group varies more than a large one, t itself
would be compared with exchanges that have more degrees of freedom, and reject too often.

Source: Westfall and Young, Resampling-Based Multiple Testing, 1993 (minP); Janssen, Statistics and
Probability Letters 36, 1997 (permuting Welch's test where variances differ).
"""

from dataclasses import dataclass

import numpy as np
from scipy.special import stdtr

#: Exchanges of patients.
N_PERMUTATIONS = 2000
#: A cell that fewer patients of a group have is not compared.
FEWEST_PATIENTS = 5
#: Numbers in memory together.
_MOST_NUMBERS = 20_000_000


@dataclass(frozen=True)
class MapTest:
    """Difference of two groups, cell by cell.

    Attributes:
        difference: (cells,) mean of the first group minus mean of the second; NaN where a cell is
            not compared.
        p_values: (cells,) corrected for all cells; NaN as ``difference``.
    """

    difference: np.ndarray
    p_values: np.ndarray

    @property
    def p_value(self) -> float:
        """Whether the groups differ in any cell; NaN if none is compared."""
        compared = self.p_values[~np.isnan(self.p_values)]
        return float(compared.min()) if len(compared) else float("nan")


def compare_maps(
    first: np.ndarray,
    second: np.ndarray,
    generator: np.random.Generator,
    n_permutations: int = N_PERMUTATIONS,
) -> MapTest:
    """Compare the errors of two groups of patients.

    Args:
        first: (patients, cells) errors of the first group; NaN where a patient has none.
        second: As ``first``, of the second group.
        generator: Source of randomness.
        n_permutations: How often patients are exchanged.
    """
    compared = (np.sum(~np.isnan(first), axis=0) >= FEWEST_PATIENTS) & (
        np.sum(~np.isnan(second), axis=0) >= FEWEST_PATIENTS
    )
    difference = np.full(first.shape[1], np.nan)
    p_values = difference.copy()
    if not compared.any():
        return MapTest(difference, p_values)
    values = np.concatenate([first, second])[:, compared]
    known = ~np.isnan(values)
    # around the mean, so that sums of squares of errors far from 0 lose no digits
    values = np.where(known, values - np.nanmean(values, axis=0), 0)
    sums = _Sums(values, known)
    in_first = np.zeros((1, len(values)))
    in_first[0, : len(first)] = 1
    means, observed = sums.welch(in_first)
    as_small = np.zeros(int(compared.sum()))
    chunk = max(1, _MOST_NUMBERS // (len(values) + 8 * values.shape[1]))
    for start in range(0, n_permutations, chunk):
        drawn = np.repeat(in_first, min(chunk, n_permutations - start), axis=0)
        _, exchanged = sums.welch(generator.permuted(drawn, axis=1))
        smallest = exchanged.min(axis=1)
        as_small += (smallest[:, None] <= observed * (1 + 1e-9)).sum(axis=0)
    difference[compared] = means[0]
    p_values[compared] = (as_small + 1) / (n_permutations + 1)
    return MapTest(difference, p_values)


class _Sums:
    """Sums over patients, from which Welch's test of any division into two groups follows."""

    def __init__(self, values: np.ndarray, known: np.ndarray) -> None:
        self._parts = [known.astype(float), values, values**2]
        self._totals = [part.sum(axis=0) for part in self._parts]

    def welch(self, in_first: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return differences of means and Welch's p-values, both (divisions, cells).

        Args:
            in_first: (divisions, patients) 1 for patients of the first group, else 0.
        """
        ours = [in_first @ part for part in self._parts]
        others = [total - own for total, own in zip(self._totals, ours, strict=True)]
        (mean, error, freedom), (other_mean, other_error, other_freedom) = (
            _moments(*ours), _moments(*others)
        )  # fmt: skip
        difference = mean - other_mean
        spread = error + other_error
        varies = spread > 1e-24
        t = np.divide(difference, np.sqrt(spread), out=np.zeros_like(difference), where=varies)
        parts = error**2 / freedom + other_error**2 / other_freedom
        degrees = np.divide(spread**2, parts, out=np.ones_like(spread), where=varies & (parts > 0))
        return difference, 2 * stdtr(degrees, -np.abs(t))


def _moments(
    number: np.ndarray, total: np.ndarray, squares: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the mean, its squared standard error, and the degrees of freedom of that."""
    mean = np.divide(total, number, out=np.zeros_like(total), where=number > 0)
    spread = np.maximum(squares - number * mean**2, 0)
    freedom = np.maximum(number - 1, 1)
    return mean, spread / (freedom * np.maximum(number, 1)), freedom
