"""Kruskal-Wallis where most values are equal, as failures and detections are.

The chi-square distribution then describes the statistic badly: beside one large group, a single
failure in a group of five is taken for a difference in 8 to 14% of studies without any. Patients
are exchanged between the groups instead.

Source: Good, Permutation, Parametric, and Bootstrap Tests of Hypotheses, 2005; Phipson and Smyth,
Permutation p-values should never be zero, Statistical Applications in Genetics and Molecular
Biology 2010.
"""

from collections.abc import Sequence

import numpy as np

from nnunetv2_fair.evaluation.statistics.by_chance import N_PERMUTATIONS, chunks

#: Fewer values than these, in the smallest group and by chance, that differ from the most common
#: one: the usual limit of chi-square tests.
_EXPECTED = 5

#: With a larger share of such values, the chi-square distribution holds in groups of five.
_HALF = 0.5

#: Exchanges where p is small.
_MANY = 19_999

#: A p-value above this is not made more precise.
_CLEAR = 0.1

#: Numbers exchanged at most for one test, beyond the first 999 exchanges.
_AT_MOST = 10**8

_ROUNDING = 1e-9


def heavily_tied(sizes: Sequence[int], most_common: int) -> bool:
    """Return whether the chi-square distribution may be wrong.

    Args:
        sizes: Values of each group.
        most_common: How often the most common value occurs.
    """
    total = sum(sizes)
    different = (total - most_common) / total
    return different < _HALF and min(sizes) * different < _EXPECTED


def exchanged_p(
    ranks: Sequence[np.ndarray], most_common: float, generator: np.random.Generator
) -> float:
    """Return how often groups are at least as far apart when their members are exchanged.

    Only ranks other than the most common one move: how many of them each group gets is drawn first,
    then which.

    Args:
        ranks: (n,) ranks of each group among all values, ties averaged; not all of them equal.
        most_common: The rank that occurs most often.
        generator: Source of randomness.

    Returns:
        1 plus the number of exchanges with at least this Kruskal-Wallis statistic, divided by 1
        plus their number: 999, or 19,999 where p is at most 0.1 (fewer where far more than 5,000
        values differ from the most common one).
    """
    sizes = np.array([len(own) for own in ranks])
    middle = (sizes.sum() + 1) / 2
    pooled = np.concatenate(ranks)
    moved = pooled[pooled != most_common] - most_common

    def apart(extra: np.ndarray) -> np.ndarray:
        """Between-group sum of squares; ``extra``: (..., groups) sums of the moved ranks."""
        return np.asarray(((extra + sizes * (most_common - middle)) ** 2 / sizes).sum(axis=-1))

    observed = float(apart(np.array([(own - most_common).sum() for own in ranks])))
    least = observed * (1 - _ROUNDING)

    def share(n: int) -> float:
        as_far = 0
        for part in chunks(n, len(moved)):
            rows = part.stop - part.start
            counts = generator.multivariate_hypergeometric(
                sizes, len(moved), rows, method="marginals"
            )
            order = generator.permuted(np.tile(moved, (rows, 1)), axis=1)
            below = np.concatenate([np.zeros((rows, 1)), np.cumsum(order, axis=1)], axis=1)
            ends = np.concatenate([np.zeros((rows, 1), int), np.cumsum(counts, axis=1)], axis=1)
            extra = np.diff(np.take_along_axis(below, ends, axis=1), axis=1)
            as_far += int((apart(extra) >= least).sum())
        return (1 + as_far) / (1 + n)

    found = share(N_PERMUTATIONS)
    more = min(_MANY, _AT_MOST // len(moved))
    return found if found > _CLEAR or more <= N_PERMUTATIONS else share(more)
