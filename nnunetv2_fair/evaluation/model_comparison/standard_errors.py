"""The one place where a difference between models gets its standard error.

Means of the same patients under several models are correlated. Each unit's share in the error of
each mean is kept, so that any difference of means, whichever models and groups it is made of, has
the standard error of a paired comparison, and any two differences have their covariance. Where a
model is a method of several trainings, these are sources of error beside the units, with degrees
of freedom of their own (:mod:`nnunetv2_fair.evaluation.estimation.trainings`).

Source: Student 1908; Welch 1947 and Satterthwaite 1946 (degrees of freedom of several groups).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from scipy.special import stdtr, stdtrit

from nnunetv2_fair.evaluation.estimation.units import Units
from nnunetv2_fair.evaluation.model_comparison.method_trainings import Trained

#: Smaller differences, as a share of the values, are rounding errors and count as none.
_ROUNDING = 1e-12

#: p-values with trainings are looked for by halving their logarithm.
_LEAST_TAIL = 1e-100
_HALVINGS = 50


@dataclass(frozen=True)
class Estimates:
    """Values whose errors follow Student's distribution; arrays of one shape, or numbers.

    Attributes:
        values: What is estimated.
        standard_errors: NaN if unknown, 0 for a value that is the same in every unit.
        freedom: Degrees of freedom of the standard errors.
        sizes: Units that they rest on: n units that do not vary at all are no better evidence
            than n tosses of a coin, so that p is at least 2 ** (1 - n).
        by_trainings: (parts, ...) variance of the values by the trainings of each method.
        training_freedom: (parts,) degrees of freedom of these.
    """

    values: np.ndarray
    standard_errors: np.ndarray
    freedom: np.ndarray
    sizes: np.ndarray
    by_trainings: np.ndarray = field(default_factory=lambda: np.zeros(0))
    training_freedom: np.ndarray = field(default_factory=lambda: np.zeros(0))

    @property
    def p_above(self) -> np.ndarray:
        """One-sided p-values of the claim that the truth is above 0; NaN without an error."""
        if self.by_trainings.any():
            return self._p_above_with_trainings
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
        return np.asarray(
            np.hypot(
                np.where(self.standard_errors == 0, constant, far),
                np.sqrt(self._squares_by_trainings(tails)),
            )
        )

    def _squares_by_trainings(self, tails: np.ndarray) -> np.ndarray:
        """Return the squares of how far trainings alone reach."""
        found = np.zeros(np.shape(self.values))
        for variances, freedom in zip(self.by_trainings, self.training_freedom, strict=True):
            found = found + stdtrit(freedom, tails) ** 2 * variances
        return found

    @cached_property
    def _p_above_with_trainings(self) -> np.ndarray:
        """Return the tails whose intervals just reach 0."""
        low = np.full(np.shape(self.values), math.log(_LEAST_TAIL))
        high = np.full(np.shape(self.values), math.log(0.5))
        for _ in range(_HALVINGS):
            middle = (low + high) / 2
            tails = np.exp(middle)
            by_units = stdtrit(self.freedom, tails) * self.standard_errors
            far = np.sqrt(by_units**2 + self._squares_by_trainings(tails)) > np.abs(self.values)
            low, high = np.where(far, middle, low), np.where(far, high, middle)
        tails = np.exp(high)
        tails = np.where(self.standard_errors == 0, np.maximum(tails, 2.0**-self.sizes), tails)
        found = np.where(self.values > 0, tails, np.where(self.values < 0, 1 - tails, 0.5))
        unknown = np.isnan(self.standard_errors) | np.isnan(self.by_trainings).any(axis=0)
        return np.where(unknown | np.isnan(self.values), np.nan, found)


@dataclass(frozen=True)
class Means:
    """Mean of every model in every group and overall, with the errors that they share.

    Columns are the groups, and last all units together.

    Attributes:
        values: (models, columns); NaN for groups without units.
        errors: (models, rows, columns) share of each unit in the error of the mean, and below of
            each training: sums of products over the rows are the variances and covariances of the
            means. NaN for groups of fewer than two units and where values are infinite.
        sizes: (columns,) units.
        n_units: Rows that are units.
        trainings: Names of the rows that are trainings, those of one source of error together.
    """

    values: np.ndarray
    errors: np.ndarray
    sizes: np.ndarray
    n_units: int
    trainings: tuple[tuple[str, ...], ...] = ()

    @classmethod
    def of(cls, units: Units, trainings: Sequence[Trained | None] = ()) -> "Means":
        """Compute the means of units.

        Args:
            units: Units of all models.
            trainings: Of each model that is a method, None for a trained model; none at all if no
                model is a method.
        """
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
        by_model = [(model, found) for model, found in enumerate(trainings) if found is not None]
        sources = tuple(dict.fromkeys(found.rows for _, found in by_model))
        places = {row: place for place, row in enumerate(row for rows in sources for row in rows)}
        further = np.zeros((len(errors), len(places), errors.shape[2]))
        for model, found in by_model:
            further[model, [places[row] for row in found.rows]] = found.errors
        errors = np.concatenate([errors, further], axis=1)
        errors[:, :, sizes < 2] = np.nan
        return cls(means, errors, sizes, values.shape[1], sources)

    def split(self, shares: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the variance by units, and (sources, ...) those by each method's trainings.

        Args:
            shares: (rows, ...) share of each unit and training in an error.
        """
        squares, start = shares**2, self.n_units
        found = np.zeros((len(self.trainings), *shares.shape[1:]))
        for index, rows in enumerate(self.trainings):
            found[index] = squares[start : start + len(rows)].sum(axis=0)
            start += len(rows)
        return squares[: self.n_units].sum(axis=0), found

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
        return self.estimates(value, self.split(error), np.maximum(size - 1, 1), size)

    def every_pair(self, ours: int, theirs: int, groups: list[int]) -> Estimates:
        """Return each group's mean under one model minus each group's under another.

        Returns:
            Arrays of (groups of ours, groups of theirs); those on the diagonal are paired.
        """
        first, second = self.errors[ours][:, groups], self.errors[theirs][:, groups]
        left, right = (self.split(shares)[0] for shares in (first[:, :, None], second[:, None, :]))
        sizes = self.sizes[groups]
        with np.errstate(invalid="ignore", divide="ignore"):
            values = self.values[ours, groups][:, None] - self.values[theirs, groups][None, :]
            ends = np.maximum(sizes - 1.0, 1.0)
            freedom = (left + right) ** 2 / (left**2 / ends[:, None] + right**2 / ends[None, :])
        own = np.eye(len(groups), dtype=bool)
        freedom = np.where(own | ~np.isfinite(freedom), np.minimum.outer(ends, ends), freedom)
        parts = self.split(first[:, :, None] - second[:, None, :])
        return self.estimates(values, parts, freedom, np.minimum.outer(sizes, sizes))

    def estimates(
        self,
        values: np.ndarray,
        parts: tuple[np.ndarray, np.ndarray],
        freedom: np.ndarray,
        sizes: np.ndarray,
    ) -> Estimates:
        """Return differences of means with standard errors; rounding errors become 0.

        Args:
            values: The differences.
            parts: Their variances, from :meth:`split`.
            freedom: Degrees of freedom of the variances by units.
            sizes: Units that they rest on.
        """
        variances, by_trainings = parts
        errors = np.sqrt(np.maximum(variances, 0.0))  # NaN stays
        # the difference of two nearly equal numbers is rounded to far fewer digits than they are
        errors = np.where(errors <= max(self.least, 1e-8 * _largest(errors)), 0.0, errors)
        values = np.where(np.abs(values) <= self.least, 0.0, values)
        return Estimates(
            values,
            errors,
            np.asarray(freedom, dtype=float),
            np.asarray(sizes),
            np.where(by_trainings <= self.least**2, 0.0, by_trainings),
            np.array([len(rows) - 1.0 for rows in self.trainings]),
        )


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
