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

from nnunetv2_fair.evaluation.estimation.large_samples import LinearParts
from nnunetv2_fair.evaluation.estimation.replicates import Replicates
from nnunetv2_fair.evaluation.estimation.units import Units

#: Numbers drawn at once, so that memory does not grow with the number of patients.
_CHUNK = 2 << 20

#: Strata with more units are not resampled one by one.
_LARGE = 1000

_ROUNDING = 1e-9


def bootstrap(
    units: Units,
    n_replicates: int,
    generator: np.random.Generator,
    pairs: Sequence[tuple[int, int]] = (),
) -> Replicates:
    """Resample units with replacement; all models get the same units in every resample.

    Args:
        units: What to resample.
        n_replicates: Number of resamples; 0 gives empty arrays.
        generator: Source of randomness.
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
    strata = [np.flatnonzero(stratum_of.ravel() == index) for index in range(len(patterns))]
    small = [stratum for stratum in strata if len(stratum) <= _LARGE]
    large = [stratum for stratum in strata if len(stratum) > _LARGE]
    few = np.concatenate(small) if small else np.empty(0, dtype=int)
    in_large = np.zeros(n_groups, dtype=bool)
    for stratum in large:
        in_large |= member[stratum[0]]
    resampled = _Resampled(units, few)
    exact = [g for g in np.flatnonzero(member.any(axis=0)).tolist() if not in_large[g]]
    exact_pairs = [k for k, pair in enumerate(pairs) if not in_large[list(pair)].any()]
    linear = LinearParts.of(units, np.flatnonzero(in_large).tolist(), pairs) if large else None
    for part in _chunks(n_replicates, max(resampled.n_images, 1)):
        size = part.stop - part.start
        counts = np.concatenate(
            [_counts(generator, size, len(stratum)) for stratum in small]
            or [np.empty((size, 0), dtype=int)],
            axis=1,
        )
        for model in range(n_models):
            for group in exact:
                means[part, model, group], medians[part, model, group] = resampled.centre(
                    counts, group, model
                )
            if not large:
                overall_mean[part, model], overall_median[part, model] = resampled.centre(
                    counts, None, model
                )
        for k in exact_pairs:
            made.dominance[part, k] = resampled.dominance(counts, *pairs[k])
        if linear is not None:
            linear.draw(generator, counts, few, large, made, part)
    return made


#: Ascending values, the counts' column of each, and its weight; None if all are 1.
_Ascending = tuple[np.ndarray, np.ndarray, np.ndarray | None]


class _Resampled:
    """Statistics of resamples, from how often each unit was drawn."""

    def __init__(self, units: Units, few: np.ndarray) -> None:
        """Sort the values of every group once.

        Args:
            units: What is resampled.
            few: Units that are resampled one by one, in the order of the counts.
        """
        self._units = units
        self._place = np.full(len(units.counts), -1)
        self._place[few] = np.arange(len(few))
        self._sorted: dict[tuple[int | None, int], _Ascending] = {}
        images = (
            few if units.images is None else np.flatnonzero(self._place[units.images.units] >= 0)
        )
        self.n_images = len(images)

    def centre(
        self, counts: np.ndarray, group: int | None, model: int
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return mean and median of a group, or of all units, in each resample."""
        values, columns, weights = self._in_order(group, model)
        drawn = counts[:, columns] if weights is None else counts[:, columns] * weights
        below = np.cumsum(drawn, axis=1)
        half = below[:, -1:] / 2
        last = len(values) - 1
        low = np.minimum((below < half - _ROUNDING * last).sum(axis=1), last)
        high = np.minimum((below <= half + _ROUNDING * last).sum(axis=1), last)
        with np.errstate(invalid="ignore"):
            medians = np.where(low == high, values[low], (values[low] + values[high]) / 2)
        finite = np.isfinite(values)
        sums = drawn[:, finite] @ values[finite] if not finite.all() else drawn @ values
        for infinite in np.unique(values[~finite]):
            hit = drawn[:, values == infinite].any(axis=1)
            with np.errstate(invalid="ignore"):
                sums = np.where(hit, sums + infinite, sums)
        return sums / below[:, -1], medians

    def dominance(self, counts: np.ndarray, first: int, second: int) -> np.ndarray:
        """Return Cliff's delta of two groups in each resample, of the first model."""
        (ours, our_columns, our_weights) = self._in_order(first, 0)
        (theirs, their_columns, their_weights) = self._in_order(second, 0)
        drawn, others = counts[:, our_columns], counts[:, their_columns]
        if our_weights is not None and their_weights is not None:
            drawn, others = drawn * our_weights, others * their_weights
        below = np.zeros((len(counts), len(theirs) + 1))
        np.cumsum(others, axis=1, out=below[:, 1:])
        # pairs won minus pairs lost
        won = below[:, np.searchsorted(theirs, ours, side="left")]
        not_lost = below[:, np.searchsorted(theirs, ours, side="right")]
        total = below[:, -1]
        net = np.einsum("ij,ij->i", drawn, won + not_lost) - drawn.sum(axis=1) * total
        return np.asarray(net / (drawn.sum(axis=1) * total))

    def _in_order(self, group: int | None, model: int) -> _Ascending:
        """Return ascending values, the counts' column of each, and its weight if not 1."""
        key = (group, model)
        if key not in self._sorted:
            units = self._units
            if units.images is None:
                inside = (
                    (units.counts > 0).any(axis=1)
                    if group is None
                    else (units.counts[:, group] > 0)
                )
                values = units.overall[model] if group is None else units.values[model, :, group]
                chosen = np.flatnonzero(inside)
                columns, weights = self._place[chosen], None
                values = values[chosen]
            else:
                chosen, weights = units.image_weights(group)
                columns = self._place[units.images.units[chosen]]
                values = units.images.values[model, chosen]
            order = np.argsort(values, kind="stable")
            self._sorted[key] = (
                values[order],
                columns[order],
                None if weights is None else weights[order],
            )
        return self._sorted[key]


def _counts(generator: np.random.Generator, size: int, n: int) -> np.ndarray:
    """Return how often each of n units is drawn in each of some resamples."""
    drawn = generator.integers(0, n, size=(size, n))
    drawn += np.arange(size)[:, None] * n
    return np.bincount(drawn.ravel(), minlength=size * n).reshape(size, n)


def _chunks(n_replicates: int, n_units: int) -> Iterator[slice]:
    size = max(1, _CHUNK // n_units)
    for start in range(0, n_replicates, size):
        yield slice(start, min(start + size, n_replicates))
