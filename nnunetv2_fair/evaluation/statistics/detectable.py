"""Which gap the data would show: the rule of the verdict, tried on the data themselves.

A difference of medians is shown if the test rejects after correction and the interval of the gap
excludes zero. Both depend on the sizes of the groups, the shape of their values and their failures,
so that no formula for one test says how often both happen. Here the other group is given the
reference group's median, its values are made worse by a gap, and the rule is applied to what
resamples of the patients would show: the gap moves by as much as in the bootstrap, and Cliff's
delta, which the test rests on, by as much as its standard error at that gap. The width of the
interval varies from study to study as well. Where there are failures nothing is said.

Source: Efron and Tibshirani, An Introduction to the Bootstrap, 1993, chapter 25 (power from
resamples); Lehmann, Nonparametrics, 1975, chapter 2 (power of the Wilcoxon test); Hall and Martin,
Exact convergence rate of bootstrap quantile variance estimator, Probability Theory and Related
Fields 1988 (the relative error of such widths shrinks with the fourth root of n).
"""

import math
from dataclasses import dataclass

import numpy as np
import scipy.stats

#: Probabilities with which a gap is shown.
HALF, MOST = 0.5, 0.8

#: Larger groups are represented by as many quantiles.
_MANY = 500

_STEPS = 18

#: Standard deviation of the logarithm of an interval's width, times the fourth root of n.
_WIDTH = 0.5


@dataclass(frozen=True)
class Pair:
    """The reference group and another one, seen so that the other one is worse if values are lower.

    Attributes:
        first: (n,) values of the reference group, turned so that higher is better.
        second: (m,) values of the other group, turned alike.
        worst: Value of a failure, turned alike; infinite if there is none.
        gap_moves: (replicates,) gap (first minus second median) of resamples minus that of the
            data.
        delta_moves: (replicates,) the same of Cliff's delta.
        reach: How far below the gap its interval extends that decides.
    """

    first: np.ndarray
    second: np.ndarray
    worst: float
    gap_moves: np.ndarray
    delta_moves: np.ndarray
    reach: float


def detectable_gaps(
    pair: Pair, *, level: float, n_groups: int = 2, n_compared: int = 0
) -> tuple[float, float]:
    """Return the gaps that are shown with 50% and with 80% probability.

    Args:
        pair: The groups.
        level: Level of the test after correction for the number of tests.
        n_groups: Groups that the test compares.
        n_compared: Units in all of them; those of the two if 0.

    Returns:
        Gaps of the medians in the unit of the values, 0 or more; NaN if it cannot be said: fewer
        than two values, equal or infinite ones, no resamples, a gap that is never shown, or a
        failure: how many another study would have is not known well enough, and gaps said to be
        shown in 80% were shown in as few as 55%.
    """
    nothing = (math.nan, math.nan)
    values = np.concatenate([pair.first, pair.second])
    if min(pair.first.size, pair.second.size) < 2 or not np.isfinite(values).all():
        return nothing
    if (values <= pair.worst).any():
        return nothing
    moves = np.isfinite(pair.gap_moves).all() and np.isfinite(pair.delta_moves).all()
    if not pair.gap_moves.size or not moves or not np.isfinite(pair.reach):
        return nothing
    if np.ptp(pair.first) == 0 or np.ptp(pair.second) == 0:
        return nothing
    rule = _Rule(pair, level, n_groups, max(n_compared, values.size))
    most = float(values.max() - values.min())
    return _least(rule, most, HALF), _least(rule, most, MOST)


def _least(rule: "_Rule", most: float, power: float) -> float:
    """Return the smallest gap with this power, by halving."""
    low, high = 0.0, most
    if rule.power(high) < power:
        return math.nan
    for _ in range(_STEPS):
        middle = (low + high) / 2
        if rule.power(middle) < power:
            low = middle
        else:
            high = middle
    return (low + high) / 2


class _Rule:
    """The verdict's rule, as a function of the gap."""

    def __init__(self, pair: Pair, level: float, n_groups: int, n_compared: int) -> None:
        self.pair = pair
        self.size = pair.second.size
        self.others = n_compared - self.size
        self.first = _represented(pair.first)
        second = _represented(pair.second)
        self.second = second + np.median(pair.first) - np.median(pair.second)
        spread = float(pair.delta_moves.std())
        self.moves = pair.delta_moves / spread if spread > 0 else pair.delta_moves * 0
        _, counts = np.unique(np.concatenate([self.first, self.second]), return_counts=True)
        ties = 1 - float(((counts / counts.sum()) ** 3).sum())
        # variance of Cliff's delta if the groups are equal
        self.equal = ties * (n_compared + 1) / (3 * self.size * self.others)
        self.critical = float(scipy.stats.chi2.isf(level, n_groups - 1))
        generator = np.random.default_rng(0)
        self.noise = np.zeros(len(self.moves))
        if n_groups > 2:
            self.noise = generator.chisquare(n_groups - 2, len(self.moves))
        varies = _WIDTH * min(pair.first.size, self.size) ** -0.25
        self.reach = pair.reach * np.exp(varies * generator.standard_normal(len(self.moves)))

    def power(self, gap: float) -> float:
        """Return the probability that a gap is shown."""
        worse = np.maximum(self.second - gap, self.pair.worst)
        ours, theirs = np.sort(self.first), np.sort(worse)
        # how much of the other group each value is above, minus how much it is below
        above = _net(self.first, theirs)
        below = _net(worse, ours)
        delta = float(above.mean())
        error = math.sqrt(above.var() / self.others + below.var() / self.size)
        drawn = delta + self.moves * error
        rejects = (drawn > 0) & (drawn**2 / self.equal + self.noise > self.critical)
        excludes = gap + self.pair.gap_moves > self.reach
        return float((rejects & excludes).mean())


def _net(values: np.ndarray, ordered: np.ndarray) -> np.ndarray:
    lower = np.searchsorted(ordered, values, side="left")
    return (lower + np.searchsorted(ordered, values, side="right")) / len(ordered) - 1


def _represented(values: np.ndarray) -> np.ndarray:
    if values.size <= _MANY:
        return values
    return np.quantile(values, (np.arange(_MANY) + 0.5) / _MANY, method="inverted_cdf")
