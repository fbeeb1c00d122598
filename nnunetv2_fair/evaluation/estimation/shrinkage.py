"""Means of small groups, drawn towards the mean of all groups as far as chance explains them.

The mean of five patients is off by more than most groups differ. A random-effects model takes the
groups' true means as drawn from a normal distribution, and each group's mean as a compromise
between its own patients and the other groups: the fewer patients, the more it takes from the
others. How much groups differ is not known either, so that the compromise is averaged over all
values that the data support.

The compromise is the better guess of a single group's mean, and the wrong one of how far groups are
apart: fairness measures are never made from it.

Source: Morris, Parametric empirical Bayes inference: theory and applications, JASA 1983; Gelman,
Prior distributions for variance parameters in hierarchical models, Bayesian Analysis 2006 (uniform
prior of the standard deviation between groups).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import stdtrit

from nnunetv2_fair.evaluation.results.values import NO_INTERVAL, Interval

#: With fewer groups there is nothing to learn how much groups differ from.
FEWEST_GROUPS = 3

#: Degrees of freedom that the spread within groups needs.
_LEAST_FREEDOM = 10

#: Degrees of freedom that intervals need.
_LEAST_FOR_INTERVALS = 100

_STEPS = 151


@dataclass(frozen=True)
class Shrunken:
    """Means after shrinkage.

    Attributes:
        means: (groups,); NaN for groups without units.
        errors: (groups,) standard errors; NaN as ``means``.
        freedom: Degrees of freedom of the spread within groups.
    """

    means: np.ndarray
    errors: np.ndarray
    freedom: int = 0

    def interval(self, group: int, confidence: float) -> Interval:
        """Return the interval of a group's mean.

        Returns:
            NaN if there is no mean, and with fewer than 100 degrees of freedom: where values fail
            now and then, fewer show their spread too badly (coverage 0.87 to 0.90 instead of 0.95).
        """
        if self.freedom < _LEAST_FOR_INTERVALS:
            return NO_INTERVAL
        reach = float(stdtrit(self.freedom, (1 + confidence) / 2) * self.errors[group])
        return Interval(float(self.means[group]) - reach, float(self.means[group]) + reach)


def shrunken_means(samples: Sequence[np.ndarray]) -> Shrunken:
    """Shrink the means of groups.

    The spread of values is taken as equal in all groups, since that of a few values is not known.

    Args:
        samples: Values of each group's units.

    Returns:
        Means and errors; all NaN if fewer than three groups have values, too few values show how
        much they vary (10 degrees of freedom), or one is infinite.
    """
    sizes = np.array([sample.size for sample in samples])
    nothing = np.full(len(samples), math.nan)
    some = sizes > 0
    freedom = int((sizes[some] - 1).sum())
    if some.sum() < FEWEST_GROUPS or freedom < _LEAST_FREEDOM:
        return Shrunken(nothing, nothing)
    pooled = [sample for sample in samples if sample.size]
    if not all(np.isfinite(sample).all() for sample in pooled):
        return Shrunken(nothing, nothing)
    means = np.array([sample.mean() for sample in pooled])
    within = sum(float(((sample - sample.mean()) ** 2).sum()) for sample in pooled) / freedom
    if not within > 0:
        return Shrunken(nothing, nothing)
    found, errors = _averaged(means, within / sizes[some], math.sqrt(within))
    made = Shrunken(nothing.copy(), nothing.copy(), freedom)
    made.means[some], made.errors[some] = found, errors
    return made


def _averaged(
    means: np.ndarray, variances: np.ndarray, spread: float
) -> tuple[np.ndarray, np.ndarray]:
    """Return means and errors, averaged over the standard deviation between groups."""
    most = max(spread, 2 * float(means.std(ddof=1)))
    between = np.linspace(0, most, _STEPS)[:, None] ** 2
    weights = 1 / (variances + between)
    centre = (weights * means).sum(axis=1) / weights.sum(axis=1)
    away = (weights * (means - centre[:, None]) ** 2).sum(axis=1)
    log = 0.5 * np.log(weights).sum(axis=1) - 0.5 * np.log(weights.sum(axis=1)) - 0.5 * away
    support = np.exp(log - log.max())
    support /= support.sum()
    pull = variances * weights
    each = pull * centre[:, None] + (1 - pull) * means
    error = (1 - pull) * variances + pull**2 / weights.sum(axis=1)[:, None]
    mean = support @ each
    return mean, np.sqrt(support @ (error + (each - mean) ** 2))
