"""Resamples of very many units without drawing each: sums and their normal limit.

Every statistic of a bootstrap resample is, but for terms that vanish with 1 over the number of
units, the value in the data plus a sum over units of (times drawn - 1) x (what the unit adds):
for a mean its value, for a median whether it is below the median, for Cliff's delta its placement
in the other group. Over a stratum of many units such sums are normal, with the covariances of what
the units add; their third moment is kept as well.

Source: Serfling, Approximation theorems of mathematical statistics, 1980, chapter 6; Francisco and
Fuller, Quantile estimation with a complex survey design, Annals of Statistics 1991 (quantiles);
Hall, The bootstrap and Edgeworth expansion, 1992, section 2.5 (skewness).
"""

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from nnunetv2_fair.evaluation.estimation.replicates import Replicates
from nnunetv2_fair.evaluation.estimation.streams import Stratum
from nnunetv2_fair.evaluation.estimation.units import Units

#: What is left of a variance of 1 that the statistics before it explain, to be taken for none.
_SINGULAR = 1e-10


@dataclass(frozen=True)
class LinearParts:
    """What every unit adds to the statistics of a resample.

    Attributes:
        units: What is resampled.
        groups: Groups with a stratum of many units.
        pairs: All pairs of groups whose Cliff's delta is wanted.
        wanted: Positions of the pairs that have such a group.
        parts: (units, statistics) what a unit adds if it is drawn once more: to the mean and to
            the share below the median of each group, for every model, to Cliff's delta of the
            wanted pairs, and to mean and share of all units.
        deltas: Cliff's delta of the wanted pairs.
        strata: Those of many units.
        sums: (resamples, statistics) what the strata of many units add to every resample.
    """

    units: Units
    groups: list[int]
    pairs: Sequence[tuple[int, int]]
    wanted: list[int]
    parts: np.ndarray
    deltas: list[float]
    strata: Sequence[Stratum]
    sums: np.ndarray

    @classmethod
    def of(
        cls,
        units: Units,
        groups: list[int],
        pairs: Sequence[tuple[int, int]],
        strata: Sequence[Stratum],
        n_replicates: int,
    ) -> "LinearParts":
        """Work out what every unit adds, and draw the sums.

        Args:
            units: What is resampled.
            groups: Groups with a stratum of many units.
            pairs: All pairs of groups whose Cliff's delta is wanted.
            strata: Those of many units.
            n_replicates: Number of resamples.
        """
        columns = []
        for group, model in _each(units, groups):
            columns += [_of_mean(units, group, model), _below_median(units, group, model)]
        wanted = [k for k, pair in enumerate(pairs) if set(pair) & set(groups)]
        deltas = []
        for k in wanted:
            first, second = pairs[k]
            ours, net = _placements(units, first, second)
            theirs, _ = _placements(units, second, first)
            deltas.append(net)
            columns.append(ours - theirs)
        # last, as they depend on all groups: see _normal_sums
        for group, model in _each(units, [None]):
            columns += [_of_mean(units, group, model), _below_median(units, group, model)]
        parts = np.stack(columns, axis=1)
        sums = np.zeros((n_replicates, parts.shape[1]))
        for stratum, generator in strata:
            sums += _normal_sums(generator, parts[stratum], n_replicates)
        return cls(units, groups, pairs, wanted, parts, deltas, strata, sums)

    def write(self, counts: np.ndarray, few: np.ndarray, made: Replicates, part: slice) -> None:
        """Write the statistics of some resamples.

        Args:
            counts: (resamples, few) how often each of the units that are drawn one by one was.
            few: These units.
            made: Where the statistics of all resamples are.
            part: Which of the resamples.
        """
        away = self.sums[part] + (counts - 1) @ self.parts[few]
        columns = iter(away.T)
        for group, model in _each(self.units, self.groups):
            made.means[part, model, group] = self._mean(counts, few, (group, model)) + next(columns)
            made.medians[part, model, group] = self._at(group, model, 0.5 - next(columns))
        for k, delta in zip(self.wanted, self.deltas, strict=True):
            made.dominance[part, k] = np.clip(delta + next(columns), -1, 1)
        for _, model in _each(self.units, [None]):
            made.overall_mean[part, model] = self._mean(counts, few, (None, model)) + next(columns)
            made.overall_median[part, model] = self._at(None, model, 0.5 - next(columns))

    def _mean(
        self,
        counts: np.ndarray,
        few: np.ndarray,
        which: tuple[int | None, int],
    ) -> np.ndarray:
        """Return the mean of the finite values; infinite if a resample has an infinite one."""
        values = _values(self.units, *which)
        infinite = np.isinf(values)
        start = np.full(len(counts), np.nanmean(np.where(infinite, 0.0, values)))
        for sign in np.unique(values[infinite]):
            hits = (counts * (values[few] == sign)).sum(axis=1)
            for stratum, generator in self.strata:
                # the number of times that a few of many are drawn
                hits = hits + generator.poisson((values[stratum] == sign).sum(), len(counts))
            with np.errstate(invalid="ignore"):
                start = np.where(hits > 0, start + sign, start)
        return start

    def _at(self, group: int | None, model: int, shares: np.ndarray) -> np.ndarray:
        """Return the values that some shares of a group are below."""
        values, weights = self.units.spread_out(group, model)
        order = np.argsort(values, kind="stable")
        below = np.cumsum(weights[order])
        place = np.searchsorted(below, shares * below[-1])
        return np.asarray(values[order[np.clip(place, 0, len(values) - 1)]])


def _values(units: Units, group: int | None, model: int) -> np.ndarray:
    """Return (units,) values; NaN for units that are not in the group."""
    return units.overall[model] if group is None else units.values[model, :, group]


def _of_mean(units: Units, group: int | None, model: int) -> np.ndarray:
    values = _values(units, group, model)
    finite = np.where(np.isfinite(values), values, 0.0)
    return np.asarray(finite / (~np.isnan(values)).sum())


def _below_median(units: Units, group: int | None, model: int) -> np.ndarray:
    """Return (units,) shares of the unit that are below the group's median, over all units."""
    values, weights = units.spread_out(group, model)
    _, level = np.unique(values, return_inverse=True)
    mass = np.bincount(level, weights=weights)
    below = np.cumsum(mass) - mass
    # of values tied at the median only as many as make up half
    share = np.clip((0.5 * mass.sum() - below) / mass, 0.0, 1.0)
    return units.summed(share[level] * weights, group)


def _placements(units: Units, group: int, other: int) -> tuple[np.ndarray, float]:
    """Return what each unit adds to P(group > other) - P(group < other), and this difference."""
    values, weights = units.spread_out(group)
    theirs, their_weights = units.spread_out(other)
    order = np.argsort(theirs, kind="stable")
    below = np.r_[0.0, np.cumsum(their_weights[order])]
    ascending = theirs[order]
    won = below[np.searchsorted(ascending, values, side="left")]
    not_lost = below[np.searchsorted(ascending, values, side="right")]
    net = (won + not_lost - below[-1]) * weights
    return units.summed(net, group), float(net.sum())


def _normal_sums(generator: np.random.Generator, parts: np.ndarray, n: int) -> np.ndarray:
    """Draw sums over resamples of (times drawn - 1) x part: (n, statistics).

    A statistic's sums depend on those before it, but not on those after it.
    """
    away = parts - parts.mean(axis=0)
    covariance = away.T @ away
    scale = np.sqrt(np.diag(covariance))
    safe = np.where(scale > 0, scale, 1.0)
    root = _triangular_root(covariance / np.outer(safe, safe))
    normal = (root @ generator.standard_normal((len(scale), n))).T
    skewness = (away**3).sum(axis=0) / safe**3
    return np.asarray(scale * (normal + skewness / 6 * (normal**2 - 1)))


def _triangular_root(covariance: np.ndarray) -> np.ndarray:
    """Return the lower triangular L of L L' = covariance, which may be singular (Cholesky)."""
    root = np.zeros_like(covariance)
    for k in range(len(covariance)):
        rest = covariance[k:, k] - root[k:, :k] @ root[k, :k]
        if rest[0] > _SINGULAR:
            root[k:, k] = rest / np.sqrt(rest[0])
    return root


def _each(units: Units, groups: Sequence[int | None]) -> Iterator[tuple[int | None, int]]:
    """Yield every group with every model."""
    return itertools.product(groups, range(len(units.values)))
