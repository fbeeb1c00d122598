"""Whether the worst group of one model is better off than the worst group of another.

The worst of several means looks worse than the worst group is, and the more so the noisier the
means: a model with less noise would seem to lift it. But a model's worst mean is above that of the
baseline exactly if *each* of its groups is above *some* group of the baseline. This is shown by
comparing fixed groups, which noise does not pull to one side. Nothing needs correction for "each",
as all have to hold; "some" is corrected by Bonferroni's method, weighted so that half of the level
is spent on comparing a group with itself, which is paired.

Source: Berger, Multiparameter hypothesis testing and acceptance sampling, Technometrics 1982
(intersection-union test).
"""

import numpy as np

from nnunetv2_fair.evaluation.model_comparison.standard_errors import Means
from nnunetv2_fair.evaluation.results.values import NO_INTERVAL, Interval

#: Share of the level that is spent on comparing a group with itself; the others divide the rest.
_ITSELF = 0.5


class WorstGroup:
    """Mean of a model's worst group minus that of another model's worst group.

    Attributes:
        value: The difference.
        errors: (rows,) share of each unit and training in the error of the difference of the two
            worst groups.
    """

    def __init__(
        self, means: Means, ours: int, theirs: int, groups: list[int], *, higher_is_better: bool
    ) -> None:
        """Compare every group of one model with every group of the other.

        Args:
            means: Means of all models.
            ours: Position of the model.
            theirs: Position of the one that it is compared with.
            groups: Columns of the groups that are large enough; not empty.
            higher_is_better: Direction of the metric.
        """
        pick = np.argmin if higher_is_better else np.argmax
        left, right = means.values[ours, groups], means.values[theirs, groups]
        worst = groups[int(pick(left))], groups[int(pick(right))]
        with np.errstate(invalid="ignore"):
            self.value = float(means.values[ours, worst[0]] - means.values[theirs, worst[1]])
        self.errors = means.errors[ours, :, worst[0]] - means.errors[theirs, :, worst[1]]
        self._higher_is_better = higher_is_better
        self._pairs = means.every_pair(ours, theirs, groups)
        count = len(groups)
        others = (1 - _ITSELF) / (count - 1) if count > 1 else 1.0
        itself = _ITSELF if count > 1 else 1.0
        self._share = np.where(np.eye(count, dtype=bool), itself, others)

    @property
    def p_value(self) -> float:
        """Two-sided p-value of equally good worst groups; NaN if a mean has no standard error."""
        above, below = self._pairs.p_above / self._share, self._pairs.p_below / self._share
        if not self._higher_is_better:
            above, below = above.T, below.T
        # each group of ours above some of theirs; each group of theirs above some of ours
        one, other = above.min(axis=1).max(), below.min(axis=0).max()
        return float(np.minimum(1.0, 2 * np.minimum(one, other)))

    def interval(self, confidence: float) -> Interval:
        """Return the interval of that coverage; it excludes 0 where the test rejects."""
        reach = self._pairs.reach(self._share * (1 - confidence) / 2)
        low, high = self._pairs.values - reach, self._pairs.values + reach
        if np.isnan(reach).any() or np.isinf(reach).all():
            return NO_INTERVAL
        if self._higher_is_better:  # the worst is the smallest
            return Interval(float(low.max(axis=1).min()), float(high.min(axis=0).max()))
        return Interval(float(low.max(axis=0).min()), float(high.min(axis=1).max()))
