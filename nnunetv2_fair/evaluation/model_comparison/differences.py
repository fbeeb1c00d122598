"""A model against the baseline: differences of scores and of fairness measures."""

import math

import numpy as np

from nnunetv2_fair.evaluation.estimation.estimates import Estimates
from nnunetv2_fair.evaluation.estimation.intervals import NO_INTERVAL, Sources, expanded_interval
from nnunetv2_fair.evaluation.model_comparison.paired import Paired, minus
from nnunetv2_fair.evaluation.results.comparison import Difference, ModelDifferences
from nnunetv2_fair.evaluation.results.values import Interval
from nnunetv2_fair.evaluation.statistics.signed_rank import signed_rank


def differences_of(paired: Paired, model: int) -> ModelDifferences:
    """Return the differences of one model from the baseline."""
    ours, theirs = paired.estimates[model], paired.estimates[0]
    means = minus(ours.drawn.means, theirs.drawn.means)
    intervals = _Intervals(paired, ours, means)
    return ModelDifferences(
        overall=_overall(paired, model, intervals),
        groups=_groups(paired, model, means, intervals),
        worst_group=Difference(
            float(minus(paired.worst(ours.data.means), paired.worst(theirs.data.means))),
            intervals.of_groups(
                minus(paired.worst(ours.drawn.means), paired.worst(theirs.drawn.means)),
                paired.enough,
            ),
        ),
        gaps=_gaps(paired, model, intervals),
    )


class _Intervals:
    """Paired bootstrap intervals, widened for small groups."""

    def __init__(self, paired: Paired, ours: Estimates, means: np.ndarray) -> None:
        """Compute how much intervals are widened.

        Args:
            paired: All models.
            ours: Estimates of the model.
            means: (resamples, groups) differences of the means.
        """
        self._confidence = paired.settings.confidence
        self._ours = ours
        with np.errstate(invalid="ignore"):  # infinite values have no variance
            self._variances = (
                means.var(axis=0) if len(means) else np.full(len(paired.names), np.nan)
            )

    def of_groups(self, draws: np.ndarray, groups: list[int]) -> Interval:
        """Return the interval of something made of these groups."""
        if not draws.size or not groups:
            return NO_INTERVAL
        sources = Sources(self._variances[groups], self._ours.sizes[groups])
        return expanded_interval(draws, self._confidence, sources)

    def of_all(self, draws: np.ndarray) -> Interval:
        """Return the interval of something made of all units together."""
        if not draws.size:
            return NO_INTERVAL
        sources = Sources(np.ones(1), np.array([self._ours.overall.size]))
        return expanded_interval(draws, self._confidence, sources)


def _overall(paired: Paired, model: int, intervals: _Intervals) -> Difference:
    ours, theirs = paired.estimates[model], paired.estimates[0]
    found = Difference(
        float(minus(ours.data.overall_mean, theirs.data.overall_mean)),
        intervals.of_all(minus(ours.drawn.overall_mean, theirs.drawn.overall_mean)),
    )
    values = paired.units.overall
    return _tested(found, values[model], values[0], paired.is_sizeable)


def _groups(
    paired: Paired, model: int, means: np.ndarray, intervals: _Intervals
) -> dict[str, Difference]:
    units = paired.units
    change = minus(paired.estimates[model].data.means, paired.estimates[0].data.means)
    return {
        name: _tested(
            Difference(float(change[index]), intervals.of_groups(means[:, index], [index])),
            units.of_group(index, model),
            units.of_group(index, 0),
            paired.patients[index] >= paired.sizeable,
        )
        for index, name in enumerate(paired.names)
    }


def _gaps(paired: Paired, model: int, intervals: _Intervals) -> dict[str, Difference]:
    ours, theirs = paired.estimates[model], paired.estimates[0]
    gaps, base = paired.gaps(model, ours.data), paired.gaps(0, theirs.data)
    gap_draws, base_draws = paired.gaps(model, ours.drawn), paired.gaps(0, theirs.drawn)
    return {
        name: Difference(
            float(minus(gaps[name], base[name])),
            intervals.of_groups(minus(gap_draws[name], base_draws[name]), paired.enough),
        )
        for name in gaps
    }


def _tested(
    found: Difference, ours: np.ndarray, theirs: np.ndarray, is_sizeable: bool
) -> Difference:
    """Return a difference with its test; without interval and test if patients are too few."""
    if not is_sizeable:
        return Difference(found.value, NO_INTERVAL, math.nan)
    return Difference(found.value, found.interval, signed_rank(minus(ours, theirs)))
