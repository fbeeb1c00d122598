"""Whether the groups of one model are further apart than those of another.

Chance drives the means of equal groups apart, the more so the noisier they are: Delta, SD and
equity scaling call a model fairer because it is less noisy. So of more than two groups the variance
between them is taken, with the part that noise contributes taken off:

    V = variance over the groups of their means - mean over the groups of squared standard errors

It may be negative where the groups are closer than chance makes them. The difference of two
models is a covariance over the groups: V_ours - V_theirs = cov(d, s), where d is the difference of
a group's two means and s their sum, both nearly normal. Two tests have to agree, as each holds
where the other does not. The first divides the difference by its standard error, which is right
where groups clearly differ. The second keeps s fixed, apart from the part that shares its noise
with d, and asks whether d goes along with it; it is right wherever the models differ by the same
in all groups, whatever the noise of each.

Of two groups the absolute difference is taken. It shrinks exactly if the signed gaps' difference
and their sum have opposite signs, so that both have to be shown.

Source: Berger, Multiparameter hypothesis testing and acceptance sampling, Technometrics 1982
(intersection-union test).
"""

import math

import numpy as np

from nnunetv2_fair.evaluation.model_comparison.standard_errors import Estimates, Means, freedom_of
from nnunetv2_fair.evaluation.results.values import NO_INTERVAL, Interval


def distance_of(means: Means, model: int, groups: list[int]) -> float:
    """Return how far the groups of one model are apart.

    Args:
        means: Means of all models.
        model: Position of the model.
        groups: Columns of the groups that are large enough.

    Returns:
        Of two groups the absolute difference of their means, in the unit of the metric. Of more
        the variance of their means (ddof 1) minus the mean of their squared standard errors, in
        its square. NaN for fewer than two groups, or a group of one unit.
    """
    if len(groups) < 2:
        return math.nan
    values = means.values[model, groups]
    with np.errstate(invalid="ignore"):
        if len(groups) == 2:
            return float(abs(values[0] - values[1]))
        errors = means.errors[model][:, groups] @ _centre(len(groups))
        return float(values.var(ddof=1) - (errors**2).sum() / (len(groups) - 1))


class TwoGroups:
    """Absolute difference of two groups under one model minus that under another.

    Attributes:
        value: In the unit of the metric.
        errors: (rows,) share of each unit and training in the error of the change of the signed
            difference.
    """

    def __init__(self, means: Means, ours: int, theirs: int, groups: list[int]) -> None:
        """Compute the difference; arguments as of :class:`SeveralGroups`."""
        contrast = np.array([1.0, -1.0])
        gaps = means.values[:, groups] @ contrast
        by_group = means.errors[:, :, groups] * contrast
        self.value = float(abs(gaps[ours]) - abs(gaps[theirs]))
        sizes = means.sizes[groups]
        self._change = _estimate(
            means, gaps[ours] - gaps[theirs], by_group[ours] - by_group[theirs], sizes
        )
        self._sum = _estimate(
            means, gaps[ours] + gaps[theirs], by_group[ours] + by_group[theirs], sizes
        )
        self.errors = (by_group[ours] - by_group[theirs]).sum(axis=1)

    @property
    def p_value(self) -> float:
        """Two-sided p-value of equal absolute differences; NaN if there is no standard error."""
        return float(np.maximum(self._change.p_values, self._sum.p_values))

    def interval(self, confidence: float) -> Interval:
        """Return the interval of that coverage; it excludes 0 where the test rejects."""
        tail = np.asarray((1 - confidence) / 2)
        a, b = self._change, self._sum
        # with a = change and b = sum, the difference is max(min(a, b), min(-a, -b))
        a_low, a_high = a.values - a.reach(tail), a.values + a.reach(tail)
        b_low, b_high = b.values - b.reach(tail), b.values + b.reach(tail)
        low = np.maximum(np.minimum(a_low, b_low), np.minimum(-a_high, -b_high))
        high = np.maximum(np.minimum(a_high, b_high), np.minimum(-a_low, -b_low))
        return Interval(float(low), float(high))


class SeveralGroups:
    """Variance between the groups under one model minus that under another, noise taken off.

    Attributes:
        value: In the squared unit of the metric.
        errors: (rows,) share of each unit and training in its error.
    """

    def __init__(self, means: Means, ours: int, theirs: int, groups: list[int]) -> None:
        """Compute the difference and both tests.

        Args:
            means: Means of all models; finite in these groups, with errors.
            ours: Position of the model.
            theirs: Position of the one that it is compared with.
            groups: Columns of the groups that are large enough, three or more.
        """
        scale, centre = 1 / (len(groups) - 1), _centre(len(groups))
        sizes = means.sizes[groups]
        first, second = means.errors[ours][:, groups], means.errors[theirs][:, groups]
        d = centre @ (means.values[ours, groups] - means.values[theirs, groups])
        s = centre @ (means.values[ours, groups] + means.values[theirs, groups])
        d_errors, s_errors = (first - second) @ centre, (first + second) @ centre
        within, shared = d_errors.T @ d_errors, d_errors.T @ s_errors
        self.value = scale * float(d @ s - np.trace(shared))
        by_group = scale * ((first - second) * s + (first + second) * d)
        self.errors = by_group.sum(axis=1)
        self._plain = _estimate(means, self.value, by_group, sizes)
        fixed = s - shared.T @ np.linalg.pinv(within, rcond=1e-9, hermitian=True) @ d
        self._given_sum = _estimate(
            means, scale * float(d @ fixed), scale * (first - second) * fixed, sizes
        )

    @property
    def p_value(self) -> float:
        """Two-sided p-value of equal variances; NaN if there is no standard error."""
        tests = (self._plain, self._given_sum)
        above, below = max(t.p_above for t in tests), max(t.p_below for t in tests)
        return float(np.minimum(1.0, 2 * np.minimum(above, below)))

    def interval(self, confidence: float) -> Interval:
        """Return the interval of that coverage; it excludes 0 only where both tests reject."""
        far = float(self._plain.reach(np.asarray((1 - confidence) / 2)))
        if math.isnan(far):
            return NO_INTERVAL
        low, high = self.value - far, self.value + far
        if not self.p_value < 1 - confidence:
            low, high = min(low, 0.0), max(high, 0.0)
        return Interval(low, high)


def _centre(count: int) -> np.ndarray:
    """Return the matrix that takes the mean off."""
    return np.eye(count) - 1.0 / count


def _estimate(means: Means, value: float, by_group: np.ndarray, sizes: np.ndarray) -> Estimates:
    """Return a value with the error that its groups' shares add up to."""
    freedom = freedom_of(means.split(by_group)[0], sizes)
    parts = means.split(by_group.sum(axis=1))
    return means.estimates(np.asarray(value), parts, np.asarray(freedom), sizes.min())
