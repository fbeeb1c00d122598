"""Bootstrap of units: exact resamples of few, their normal limit for many.

A patient whose cases are in several groups (age may differ between visits) is drawn as a whole:
patients are resampled within strata of equal group membership, so that every resample has as many
units per group as the data.

A stratum of at most 1,000 units is resampled. Of a larger one only the sums over the resample are
drawn, from the normal distribution that they have to all that matters, with their covariances and
their skewness; medians follow from how many of the resampled units are below the data's median.
"""

from collections.abc import Iterator, Sequence

import numpy as np

from nnunetv2_fair.evaluation.estimation.exact_resamples import ExactResamples
from nnunetv2_fair.evaluation.estimation.large_samples import LinearParts
from nnunetv2_fair.evaluation.estimation.replicates import Replicates
from nnunetv2_fair.evaluation.estimation.streams import Stratum, Streams
from nnunetv2_fair.evaluation.estimation.units import Units

#: Numbers drawn at once, so that memory does not grow with the number of patients.
_CHUNK = 2 << 20

#: Strata with more units are not resampled one by one; counts of a unit fit into 16 bits.
_LARGE = 1000


def bootstrap(
    units: Units,
    n_replicates: int,
    streams: Streams,
    pairs: Sequence[tuple[int, int]] = (),
) -> Replicates:
    """Resample units with replacement; all models get the same units in every resample.

    Args:
        units: What to resample.
        n_replicates: Number of resamples; 0 gives empty arrays.
        streams: Sources of randomness: one per stratum.
        pairs: Groups, none of them without units, to compute Cliff's delta of.

    Source: Efron and Tibshirani, An Introduction to the Bootstrap, 1993, chapters 6 and 13.
    """
    n_models, n_units, n_groups = units.values.shape
    means = np.full((n_replicates, n_models, n_groups), np.nan)
    medians = means.copy()
    overall_mean = np.full((n_replicates, n_models), np.nan)
    overall_median = overall_mean.copy()
    made = Replicates(
        means, medians, overall_mean, overall_median, np.full((n_replicates, len(pairs)), np.nan)
    )
    if not n_units or not n_replicates:
        return made
    member = units.counts > 0
    patterns, stratum_of = np.unique(member, axis=0, return_inverse=True)
    strata = [
        Stratum(np.flatnonzero(stratum_of.ravel() == index), streams.of(np.flatnonzero(pattern)))
        for index, pattern in enumerate(patterns)
    ]
    small = [stratum for stratum in strata if len(stratum.units) <= _LARGE]
    large = [stratum for stratum in strata if len(stratum.units) > _LARGE]
    in_large = np.zeros(n_groups, dtype=bool)
    for stratum in large:
        in_large |= member[stratum.units[0]]
    exact = ExactResamples(
        units,
        small,
        groups=np.flatnonzero(member.any(axis=0) & ~in_large).tolist(),
        everything=not large,
        pairs=[None if in_large[list(pair)].any() else pair for pair in pairs],
    )
    groups = np.flatnonzero(in_large).tolist()
    linear = LinearParts.of(units, groups, pairs, large, n_replicates) if large else None
    for part in _chunks(n_replicates, max(exact.n_drawn, 1)):
        counts = exact.counts(part.stop - part.start)
        exact.write(counts, made, part)
        if linear is not None:
            linear.write(counts, exact.few, made, part)
    return made


def _chunks(n_replicates: int, n_units: int) -> Iterator[slice]:
    size = max(1, _CHUNK // n_units)
    for start in range(0, n_replicates, size):
        yield slice(start, min(start + size, n_replicates))
