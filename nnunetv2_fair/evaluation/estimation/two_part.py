"""Means of values that are good in most cases and as bad as can be in the others.

Where one segmentation in thirty fails, most groups of ten show no failure at all; the spread of
their values says nothing about what is missing, and intervals made from it miss the true mean in
one study of seven. Here the share of failures and the mean of the other values each have a
distribution of their own, and the mean of all values is made from both. A group without a failure
is not proof that there are none: if no group has any, all of them together bound their share.

Source: Zhou and Tu, Interval estimation for the mean of lognormally distributed data with zero
observations, Computational Statistics and Data Analysis 2000 (two parts); Brown, Cai and DasGupta,
Interval estimation for a binomial proportion, Statistical Science 2001 (Beta distributions); Hall,
On the removal of skewness by transformation, JRSS B 1992, and DiCiccio and Efron, More accurate
confidence intervals in exponential families, Biometrika 1992 (means of skewed values).
"""

import math
from dataclasses import dataclass

import numpy as np

from nnunetv2_fair.evaluation.estimation.quantiles import quantile
from nnunetv2_fair.evaluation.results.values import NO_INTERVAL, Interval, Scale

#: Half the way from Jeffreys' interval (0), which holds small shares in as few as 88% of studies
#: for some sizes of groups, to Clopper's and Pearson's (1/2), which is too long.
_LEAN = 0.25

#: Of distances without a failure among fewer units, means have no interval: where 3% of distances
#: are cut off at 300 mm, it would hold the true mean in half of all studies of twenty patients.
_FEWEST_OF_DISTANCES = 150

#: Least value of a denominator, so that t's farthest quantiles of few skewed values stay finite.
_LEAST = 0.4

#: A largest distance is a cap if it is this many times the next smaller one: of several cases, or
#: of a single one.
_CAP_OF_SEVERAL, _CAP_OF_ONE = 2.0, 5.0


@dataclass(frozen=True)
class TwoPart:
    """One group's values, taken apart into failures and others.

    A unit's value is its mean over m images: ``share * level + rest``.

    Attributes:
        share: (n,) share of each unit's images that failed, in 0..1.
        rest: (n,) sum over the unit's other images, divided by m.
        level: Value of a failure.
        lowest: Smallest possible value; may be minus infinity.
        highest: Largest possible value.
        none_in: Units of all groups together if no image of any of them failed, infinite if it is
            not known what a failure is; 0 otherwise.
        doubtful: Whether failures may be missing that would change the mean without limit: there
            is no interval.
    """

    share: np.ndarray
    rest: np.ndarray
    level: float
    lowest: float = -math.inf
    highest: float = math.inf
    none_in: float = 0.0
    doubtful: bool = False

    def draws(self, n_draws: int, generator: np.random.Generator, lean: float = 0.0) -> np.ndarray:
        """Draw means that the data are compatible with.

        The share of failures is drawn from Beta(x + 1/2 + lean, n - x + 1/2 - lean), x being the
        units' shares added up, and the mean of the others from Student's t around it, stretched
        towards the side to which they are skewed and kept within the possible values.

        Args:
            n_draws: Number of draws.
            generator: Source of randomness.
            lean: Above 0 towards more failures, below 0 towards fewer; in -1/2..1/2. Without
                effect if there is no failure.

        Returns:
            (n_draws,) means, whose quantiles are the ends of an interval; all NaN if fewer than two
            units have a value that is no failure, as their spread is then unknown.
        """
        n, failed = self.share.size, float(self.share.sum())
        kept = 1 - self.share
        n_kept = int((kept > 0).sum())
        if n_kept < 2:
            return np.full(n_draws, math.nan)
        if math.isinf(self.none_in):
            share = np.zeros(n_draws)
        elif self.none_in:
            share = generator.beta(0.5, self.none_in + 0.5, n_draws)
        else:
            least = 1e-9  # a Beta distribution needs positive parameters
            share = generator.beta(
                max(failed + 0.5 + lean, least), max(n - failed + 0.5 - lean, least), n_draws
            )
        mean = float(self.rest.sum() / kept.sum())
        away = self.rest - mean * kept
        squares = float((away**2).sum())
        error = math.sqrt(n_kept / (n_kept - 1) * squares) / float(kept.sum())
        skew = float((away**3).sum()) / (6 * squares**1.5) if squares > 0 else 0.0
        moved = skew + generator.standard_t(n_kept - 1, n_draws)
        others = mean + error * moved / np.maximum(1 - skew * moved, _LEAST) ** 2
        others = np.clip(others, self.lowest, self.highest)
        return np.asarray((1 - share) * others + share * self.level)

    def leaning(self, n_draws: int, generator: np.random.Generator) -> np.ndarray:
        """Draw half of the means with a lean towards more failures, half towards fewer.

        For intervals of measures that are made from several groups.
        """
        half = n_draws // 2
        drawn = [
            self.draws(half, generator, _LEAN),
            self.draws(n_draws - half, generator, -_LEAN),
        ]
        return generator.permutation(np.concatenate(drawn))

    def interval(self, n_draws: int, generator: np.random.Generator, confidence: float) -> Interval:
        """Return the interval of the mean; NaN if it cannot be said.

        Args:
            n_draws: Number of draws of each end.
            generator: Source of randomness.
            confidence: Coverage.
        """
        tail = (1 - confidence) / 2
        both = [self.draws(n_draws, generator, lean) for lean in (_LEAN, -_LEAN)]
        if not n_draws or self.doubtful or np.isnan(both[0][0]):
            return NO_INTERVAL
        return Interval(
            min(quantile(draws, tail) for draws in both),
            max(quantile(draws, 1 - tail) for draws in both),
        )


@dataclass(frozen=True)
class Parts:
    """The values of every group and of all units, taken apart.

    Attributes:
        groups: One per group.
        overall: All units of known group.
    """

    groups: tuple[TwoPart, ...]
    overall: TwoPart


def failed_cases(values: np.ndarray, replaced: np.ndarray, scale: Scale) -> np.ndarray | None:
    """Return which cases failed outright.

    Args:
        values: (cases,) values; not NaN.
        replaced: (cases,) whether an infinite distance was replaced.
        scale: Direction and range of the metric.

    Returns:
        (cases,) bool: the value is the worst possible one, or a replaced distance, or that at which
        distances are cut off: the largest one, if it is far beyond all others. None if it
        is not known what a failure is: infinite values, and distances none of which stands out.
    """
    if not values.size or not np.isfinite(values).all():
        return None
    if scale.better == "higher":
        return None if math.isinf(scale.lowest) else np.asarray(values <= scale.lowest)
    if math.isfinite(scale.highest):
        return np.asarray(values >= scale.highest)
    if replaced.any():
        return np.asarray(replaced, dtype=bool)
    top = values.max()
    at_top = values == top
    below = values[~at_top].max(initial=0.0)
    times = _CAP_OF_ONE if at_top.sum() == 1 else _CAP_OF_SEVERAL
    return at_top if below > 0 and top >= times * below else None


@dataclass(frozen=True)
class Cases:
    """Values per case.

    Attributes:
        values: (cases,) not NaN.
        replaced: (cases,) whether an infinite distance was replaced.
        units: (cases,) index of each case's unit.
        groups: (cases,) index of each case's group.
        n_groups: Number of groups.
    """

    values: np.ndarray
    replaced: np.ndarray
    units: np.ndarray
    groups: np.ndarray
    n_groups: int


def parts_of(cases: Cases, scale: Scale) -> Parts:
    """Take the values of every group apart.

    Args:
        cases: Finite values.
        scale: Direction and range of the metric.
    """
    values, units, groups, n_groups = cases.values, cases.units, cases.groups, cases.n_groups
    failed = failed_cases(values, cases.replaced, scale)
    known = failed is not None
    if failed is None:
        failed = np.zeros(len(values), dtype=bool)
    level = float(values[failed].mean()) if failed.any() else scale.worst if known else 0.0
    lowest, highest = min(scale.lowest, values.min()), max(scale.highest, values.max())
    n_units = int(units.max()) + 1
    none_in = 0.0 if failed.any() else float(n_units) if known else math.inf
    no_limit = scale.better == "lower" and math.isinf(scale.highest)
    doubtful = not known and no_limit and n_units < _FEWEST_OF_DISTANCES
    others = np.where(failed, 0.0, values)

    def part(places: np.ndarray, minlength: int, chosen: slice) -> TwoPart:
        counts = np.bincount(places, minlength=minlength)[chosen]
        of = counts > 0
        counts = counts[of]
        share = np.bincount(places, weights=failed, minlength=minlength)[chosen][of] / counts
        rest = np.bincount(places, weights=others, minlength=minlength)[chosen][of] / counts
        return TwoPart(share, rest, level, float(lowest), float(highest), none_in, doubtful)

    cells = groups * n_units + units
    return Parts(
        tuple(
            part(cells, n_groups * n_units, slice(group * n_units, (group + 1) * n_units))
            for group in range(n_groups)
        ),
        part(units, n_units, slice(None)),
    )
