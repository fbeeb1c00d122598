"""From values per case to values per unit (patient or case), and their bootstrap.

Images of one patient resemble each other, so the unit that is counted and resampled is the
patient. A patient whose cases are in several groups (age may differ between visits) is drawn as a
whole: patients are resampled within strata of equal group membership, so that every resample has
as many units per group as the data.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

#: Numbers drawn at once, so that memory does not grow with the number of patients.
_CHUNK = 2 << 20


@dataclass(frozen=True)
class Units:
    """Values per unit, of one or more models on the same cases.

    Attributes:
        values: (models, units, groups); mean over the unit's cases in that group, NaN if it has
            none. All models are NaN in the same places.
        overall: (models, units); mean over all of the unit's cases, never NaN.
    """

    values: np.ndarray
    overall: np.ndarray

    @classmethod
    def from_cases(
        cls, values: np.ndarray, units: Sequence[str], groups: np.ndarray, n_groups: int
    ) -> "Units":
        """Average cases.

        Args:
            values: (models, cases); not NaN, infinity allowed.
            units: Unit of each case.
            groups: (cases,) index of each case's group.
            n_groups: Number of groups, also counting those without cases.
        """
        names, unit = np.unique(np.asarray(units, dtype=object).astype(str), return_inverse=True)
        n_units = len(names)
        cell = unit * n_groups + groups
        counts = np.bincount(cell, minlength=n_units * n_groups)
        unit_counts = np.bincount(unit, minlength=n_units)
        per_group, overall = [], []
        with np.errstate(invalid="ignore"):
            for row in values:
                sums = np.bincount(cell, weights=row, minlength=n_units * n_groups)
                per_group.append((sums / counts).reshape(n_units, n_groups))
                overall.append(np.bincount(unit, weights=row, minlength=n_units) / unit_counts)
        shape = (len(values), n_units)
        return cls(np.array(per_group).reshape(*shape, n_groups), np.array(overall).reshape(shape))

    @property
    def n_groups(self) -> int:
        """Number of groups, also counting those without units."""
        return int(self.values.shape[2])

    def of_group(self, group: int, model: int = 0) -> np.ndarray:
        """Return one model's values of one group, one per unit that has any."""
        column = self.values[model, :, group]
        return np.asarray(column[~np.isnan(column)])


@dataclass(frozen=True)
class Replicates:
    """Statistics of bootstrap resamples.

    Attributes:
        means: (replicates, models, groups); NaN for groups without units.
        medians: As ``means``.
        overall_mean: (replicates, models).
        overall_median: (replicates, models).
        dominance: (replicates, pairs): Cliff's delta of each pair of groups, first model.
    """

    means: np.ndarray
    medians: np.ndarray
    overall_mean: np.ndarray
    overall_median: np.ndarray
    dominance: np.ndarray


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
    dominance = np.full((n_replicates, len(pairs)), np.nan)
    if n_units:
        member = ~np.isnan(units.values[0])
        patterns, stratum_of = np.unique(member, axis=0, return_inverse=True)
        strata = [np.flatnonzero(stratum_of.ravel() == index) for index in range(len(patterns))]
        compared = sorted({group for pair in pairs for group in pair})
        order, levels = _places(units.values[0], compared)
        for part in _chunks(n_replicates, n_units):
            size = part.stop - part.start
            drawn = [s[generator.integers(0, len(s), size=(size, len(s)))] for s in strata]
            everyone = np.concatenate(drawn, axis=1)
            for model in range(n_models):
                sample = units.overall[model][everyone]
                overall_mean[part, model] = sample.mean(axis=1)
                overall_median[part, model] = np.median(sample, axis=1)
            counts = {}
            for group in range(n_groups):
                within = [d for d, pattern in zip(drawn, patterns, strict=True) if pattern[group]]
                if within:
                    chosen = np.concatenate(within, axis=1)
                    for model in range(n_models):
                        sample = units.values[model, :, group][chosen]
                        means[part, model, group] = sample.mean(axis=1)
                        medians[part, model, group] = np.median(sample, axis=1)
                    if group in compared:
                        counts[group] = _histograms(order[:, group][chosen], levels)
            for index, (first, second) in enumerate(pairs):
                dominance[part, index] = _dominance(counts[first], counts[second])
    return Replicates(means, medians, overall_mean, overall_median, dominance)


def _places(values: np.ndarray, compared: Sequence[int]) -> tuple[np.ndarray, int]:
    """Return each value's place among the different values of the groups, and their number."""
    places = np.zeros(values.shape, dtype=int)
    known = ~np.isnan(values)
    known[:, [group for group in range(values.shape[1]) if group not in compared]] = False
    different, place = np.unique(values[known], return_inverse=True)
    places[known] = place
    return places, len(different)


def _histograms(places: np.ndarray, levels: int) -> np.ndarray:
    """Return how often each place occurs: (resamples, units) -> (resamples, levels)."""
    rows = np.arange(len(places))[:, None] * levels
    return np.bincount((places + rows).ravel(), minlength=len(places) * levels).reshape(-1, levels)


def _dominance(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Return Cliff's delta of each row of two (resamples, levels) histograms."""
    # pairs won minus pairs lost
    below, above = np.cumsum(second, axis=1), np.cumsum(first, axis=1)
    won = (first[:, 1:] * below[:, :-1]).sum(axis=1)
    lost = (second[:, 1:] * above[:, :-1]).sum(axis=1)
    return np.asarray((won - lost) / (below[:, -1] * above[:, -1]))


def _chunks(n_replicates: int, n_units: int) -> Iterator[slice]:
    size = max(1, _CHUNK // n_units)
    for start in range(0, n_replicates, size):
        yield slice(start, min(start + size, n_replicates))


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
