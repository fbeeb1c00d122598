"""How far the errors of two groups are distributed apart: the Jensen-Shannon divergence.

That of two samples of one distribution is not 0, and grows as samples shrink. It is told with what
chance alone gives, and without the part that comes from the sizes of the samples.

Source: Lin, Divergence measures based on the Shannon entropy, 1991; Efron and Tibshirani, An
introduction to the bootstrap, 1993, chapter 10 (estimate of the bias).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import ndtri, xlogy

from nnunetv2_fair.evaluation.results.values import NO_INTERVAL, Interval

#: Equal bins up to the 95th percentile of all errors; one more holds those above.
N_EQUAL_BINS = 9
_MOST_IN_EQUAL_BINS = 0.95
#: Exchanges of patients.
N_PERMUTATIONS = 9999
#: A group with fewer patients than this has no interval: it would hold the truth too seldom.
FEWEST_FOR_INTERVAL = 50


@dataclass(frozen=True)
class Divergence:
    """Jensen-Shannon divergence of two groups of patients.

    Attributes:
        value: Of the samples, in 0..1.
        corrected: Without the bias of the samples' sizes, in 0..1.
        interval: Around ``corrected``; NaN if a group is too small for one.
        by_chance: Mean of the value if patients are exchanged between the groups.
        p_value: Permutation p-value of no difference.
    """

    value: float
    corrected: float
    interval: Interval
    by_chance: float
    p_value: float


def bin_edges(errors: np.ndarray) -> tuple[float, ...]:
    """Return the limits of the bins in which all groups are compared.

    Args:
        errors: (n,) absolute errors of all groups together, at least one.

    Returns:
        The lower limits of ten bins, of which the last has no end; of two if all errors are 0.
    """
    top = float(np.quantile(errors, _MOST_IN_EQUAL_BINS)) or float(errors.max())
    if top == 0:
        return (0.0, float(np.nextafter(0.0, 1.0)))
    return tuple(float(edge) for edge in np.linspace(0, top, N_EQUAL_BINS + 1))


def counts_in_bins(errors: np.ndarray, edges: Sequence[float]) -> np.ndarray:
    """Return how many errors are in each bin; a limit belongs to the bin below it."""
    place = np.searchsorted(np.asarray(edges), errors, side="left") - 1
    return np.bincount(np.maximum(place, 0), minlength=len(edges))


def jensen_shannon(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Return the divergence of distributions along the last axis, in bits: 0..1.

    Args:
        first: (..., bins) shares that sum to 1.
        second: As ``first``.
    """
    middle = (first + second) / 2
    safe = np.where(middle > 0, middle, 1)
    parts = xlogy(first, first / safe) + xlogy(second, second / safe)
    return np.asarray(np.maximum(parts.sum(axis=-1) / 2 / np.log(2), 0))


def compare_counts(
    first: np.ndarray,
    second: np.ndarray,
    generator: np.random.Generator,
    *,
    n_bootstrap: int,
    confidence: float,
    n_permutations: int = N_PERMUTATIONS,
) -> Divergence:
    """Compare two groups by how many patients are in each bin.

    Exchanging patients between two groups whose patients are different draws from both together
    without replacement, so that counts are all it takes.

    Args:
        first: (bins,) patients of the first group.
        second: As ``first``; nobody is in both groups.
        generator: Source of randomness.
        n_bootstrap: Resamples of the patients of each group; 0 for no correction and no interval.
        confidence: Coverage of the interval.
        n_permutations: How often patients are exchanged.
    """
    n, m = int(first.sum()), int(second.sum())
    value = float(jensen_shannon(first / n, second / m))
    both = first + second
    drawn = generator.multivariate_hypergeometric(both, n, n_permutations, method="marginals")
    exchanged = jensen_shannon(drawn / n, (both - drawn) / m)
    as_large = int((exchanged >= value - 1e-12).sum())
    corrected, interval = float("nan"), NO_INTERVAL
    if n_bootstrap:
        ours = generator.multinomial(n, first / n, n_bootstrap) / n
        theirs = generator.multinomial(m, second / m, n_bootstrap) / m
        resampled = jensen_shannon(ours, theirs)
        bias = float(resampled.mean()) - value
        corrected = min(1.0, max(0.0, value - bias))
        if min(n, m) >= FEWEST_FOR_INTERVAL:
            reach = float(ndtri((1 + confidence) / 2)) * float(resampled.std(ddof=1))
            middle = value - bias
            interval = Interval(*(min(1.0, max(0.0, middle + s * reach)) for s in (-1, 1)))
    return Divergence(
        value,
        corrected,
        interval,
        float(exchanged.mean()),
        (as_large + 1) / (n_permutations + 1),
    )
