"""The one place where a difference between models gets its standard error.

Means of the same patients under several models are correlated. Each unit's share in the error of
each mean is kept, so that any difference of means, whichever models and groups it is made of, has
the standard error of a paired comparison, and any two differences have their covariance.

Source: Student 1908; Welch 1947 and Satterthwaite 1946 (degrees of freedom of several groups).
"""

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.special import stdtr, stdtrit

from nnunetv2_fair.evaluation.estimation.units import Units
from nnunetv2_fair.evaluation.results.values import Interval

NO_INTERVAL = Interval(math.nan, math.nan)

#: Smaller differences, as a share of the values, are rounding errors and count as none.
_ROUNDING = 1e-12


@dataclass(frozen=True)
class Estimates:
    """Values whose errors follow Student's distribution; arrays of one shape, or numbers.

    Attributes:
        values: What is estimated.
        standard_errors: NaN if unknown, 0 for a value that is the same in every unit.
        freedom: Degrees of freedom of the standard errors.
        sizes: Units that they rest on: n units that do not vary at all are no better evidence
            than n tosses of a coin, so that p is at least 2 ** (1 - n).
    """

    values: np.ndarray
    standard_errors: np.ndarray
    freedom: np.ndarray
    sizes: np.ndarray

    @property
    def p_above(self) -> np.ndarray:
        """One-sided p-values of the claim that the truth is above 0; NaN without an error."""
        with np.errstate(divide="ignore", invalid="ignore"):
            found = stdtr(self.freedom, -self.values / self.standard_errors)
        least = 2.0**-self.sizes
        constant = np.where(self.values > 0, least, np.where(self.values < 0, 1 - least, 0.5))
        return np.asarray(np.where(self.standard_errors == 0, constant, found))

    @property
    def p_below(self) -> np.ndarray:
        """As :attr:`p_above`, of the claim that the truth is below 0."""
        return 1 - self.p_above

    @property
    def p_values(self) -> np.ndarray:
        """Two-sided p-values of no difference; NaN without a standard error."""
        return np.minimum(1.0, 2 * np.minimum(self.p_above, self.p_below))

    def reach(self, tails: np.ndarray) -> np.ndarray:
        """Return how far intervals reach that leave out ``tails`` on each side; NaN: unknown."""
        known = (self.values == 0) | (2.0**-self.sizes <= tails)
        constant = np.where(known, 0.0, np.inf)
        far = -stdtrit(self.freedom, tails) * self.standard_errors
        return np.asarray(np.where(self.standard_errors == 0, constant, far))


@dataclass(frozen=True)
class Means:
    """Mean of every model in every group and overall, with the errors that they share.

    Columns are the groups, and last all units together.

    Attributes:
        values: (models, columns); NaN for groups without units.
        errors: (models, units, columns) share of each unit in the error of the mean: sums of
            products over the units are the variances and covariances of the means. NaN for groups
            of fewer than two units and where values are infinite.
        sizes: (columns,) units.
    """

    values: np.ndarray
    errors: np.ndarray
    sizes: np.ndarray

    @classmethod
    def of(cls, units: Units) -> "Means":
        """Compute the means of units."""
        values = np.concatenate([units.values, units.overall[..., None]], axis=2)
        present = np.concatenate(
            [units.counts > 0, np.ones((len(units.counts), 1), dtype=bool)], axis=1
        )
        sizes = present.sum(axis=0)
        with np.errstate(invalid="ignore", divide="ignore"):
            filled = np.where(present, values, 0.0)
            means = filled.sum(axis=1) / sizes
            scale = 1 / np.sqrt(sizes * (sizes - 1.0))
            errors = np.where(present, (filled - means[:, None]) * scale, 0.0)
        errors[:, :, sizes < 2] = np.nan
        return cls(means, errors, sizes)

    @property
    def overall(self) -> int:
        """Column of all units together."""
        return self.values.shape[1] - 1

    @cached_property
    def least(self) -> float:
        """Size of a difference that is no more than rounding."""
        finite = np.abs(self.values[np.isfinite(self.values)])
        return _ROUNDING * float(finite.max(initial=0.0))

    def paired(self, ours: int, theirs: int, column: int) -> Estimates:
        """Return the difference of two models' means in one column."""
        with np.errstate(invalid="ignore"):
            value = self.values[ours, column] - self.values[theirs, column]
            error = self.errors[ours, :, column] - self.errors[theirs, :, column]
        size = self.sizes[column]
        return self.estimates(value, (error**2).sum(), np.maximum(size - 1, 1), size)

    def every_pair(self, ours: int, theirs: int, groups: list[int]) -> Estimates:
        """Return each group's mean under one model minus each group's under another.

        Returns:
            Arrays of (groups of ours, groups of theirs); those on the diagonal are paired.
        """
        first, second = self.errors[ours][:, groups], self.errors[theirs][:, groups]
        left, right = (first**2).sum(axis=0)[:, None], (second**2).sum(axis=0)[None, :]
        sizes = self.sizes[groups]
        with np.errstate(invalid="ignore", divide="ignore"):
            values = self.values[ours, groups][:, None] - self.values[theirs, groups][None, :]
            ends = np.maximum(sizes - 1.0, 1.0)
            freedom = (left + right) ** 2 / (left**2 / ends[:, None] + right**2 / ends[None, :])
        own = np.eye(len(groups), dtype=bool)
        freedom = np.where(own | ~np.isfinite(freedom), np.minimum.outer(ends, ends), freedom)
        variances = left + right - 2 * first.T @ second
        return self.estimates(values, variances, freedom, np.minimum.outer(sizes, sizes))

    def estimates(
        self, values: np.ndarray, variances: np.ndarray, freedom: np.ndarray, sizes: np.ndarray
    ) -> Estimates:
        """Return differences of means with standard errors; rounding errors become 0."""
        errors = np.sqrt(np.maximum(variances, 0.0))  # NaN stays
        # the difference of two nearly equal numbers is rounded to far fewer digits than they are
        errors = np.where(errors <= max(self.least, 1e-8 * _largest(errors)), 0.0, errors)
        values = np.where(np.abs(values) <= self.least, 0.0, values)
        return Estimates(values, errors, np.asarray(freedom, dtype=float), np.asarray(sizes))


def freedom_of(variances: np.ndarray, sizes: np.ndarray) -> float:
    """Return the degrees of freedom of a sum of independent parts.

    Args:
        variances: (parts,) variance of each.
        sizes: (parts,) units that it was estimated from.
    """
    total = variances.sum()
    if not np.isfinite(total) or not total > 0:
        return float(max(1, sizes.min() - 1))
    share = variances / total  # relative, as the squares of tiny variances vanish
    return float(1 / (share**2 / np.maximum(sizes - 1, 1)).sum())


def _largest(errors: np.ndarray) -> float:
    return float(np.max(errors, initial=0.0, where=~np.isnan(errors)))
