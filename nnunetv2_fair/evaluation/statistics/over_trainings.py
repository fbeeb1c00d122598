"""Comparisons of groups that hold for a method: the variation between its trainings enters.

The method's values are means over its trainings; what is compared, by patients, are these. How far
another set of trainings could move each statistic is seen from the same statistic of each training.
Measures of the spread over groups, which are never negative, take the spread of the groups'
deviations instead, which bounds their error (see :func:`.intervals.spread_interval`).
"""

import dataclasses
import math
from collections.abc import Callable, Mapping, Sequence
from functools import partial

import numpy as np

from nnunetv2_fair.evaluation.estimation.gaps import group_std_along, max_min_gap_along
from nnunetv2_fair.evaluation.estimation.trainings import (
    TrainingError,
    p_with_trainings,
    training_error,
    widened,
)
from nnunetv2_fair.evaluation.results.groups import (
    Comparison,
    Gap,
    GroupStatistics,
    GroupTest,
    PairEffect,
)
from nnunetv2_fair.evaluation.results.trainings import TrainingKind
from nnunetv2_fair.evaluation.results.values import Interval
from nnunetv2_fair.evaluation.statistics.effects import POWER

#: Statistic of a group -> value of one training.
_Read = Callable[[GroupStatistics], float]

#: Measures of the spread over groups -> (statistic of a group, spread of (..., groups) deviations).
_SPREADS: Mapping[str, tuple[_Read, Callable[[np.ndarray], np.ndarray]]] = {
    "delta": (lambda group: group.mean, max_min_gap_along),
    "std": (lambda group: group.mean, group_std_along),
    "skew": (lambda group: _log_error(group.mean), max_min_gap_along),
    "ser": (lambda group: _log_error(group.median), max_min_gap_along),
    "es_std": (lambda group: group.mean, group_std_along),
    "es_absolute": (lambda group: group.mean, lambda away: np.abs(away).sum(axis=-1)),
}
#: Those of ratios, whose logarithm is widened.
_RATIOS = frozenset({"skew", "ser", "es_std", "es_absolute"})
#: An overall score divided by 1 plus a spread: the error of the overall score adds to it.
_SCALED = frozenset({"es_std", "es_absolute"})


def with_training_errors(
    comparison: Comparison,
    by_training: Sequence[Comparison],
    kind: TrainingKind,
    confidence: float,
) -> Comparison:
    """Return a comparison of the method's mean values, widened for the variation of trainings.

    Args:
        comparison: Of values that are averaged over the trainings.
        by_training: The same of each training, two or more.
        kind: How the trainings differ.
        confidence: Coverage of the intervals.

    Returns:
        The same values, with wider intervals and larger p-values; its test is named after the
        trainings too.
    """
    return _OverTrainings(comparison, by_training, kind, confidence).widened()


class _OverTrainings:
    def __init__(
        self,
        comparison: Comparison,
        by_training: Sequence[Comparison],
        kind: TrainingKind,
        confidence: float,
    ) -> None:
        self._whole = comparison
        self._each = by_training
        self._error: Callable[[np.ndarray], TrainingError] = partial(training_error, kind=kind)
        self._confidence = confidence

    def widened(self) -> Comparison:
        return dataclasses.replace(
            self._whole,
            overall=self._statistics(self._whole.overall, [c.overall for c in self._each]),
            groups={
                name: self._statistics(group, [c.groups[name] for c in self._each])
                for name, group in self._whole.groups.items()
            },
            gaps=tuple(self._gap(gap) for gap in self._whole.gaps),
            test=None if self._whole.test is None else self._test(self._whole.test),
            effects=tuple(self._effect(effect) for effect in self._whole.effects),
        )

    def _statistics(
        self, group: GroupStatistics, each: Sequence[GroupStatistics]
    ) -> GroupStatistics:
        means = self._error(_away([found.mean for found in each]))
        medians = self._error(_away([found.median for found in each]))
        level = self._confidence
        return dataclasses.replace(
            group,
            mean_interval=widened(group.mean, group.mean_interval, means, level),
            median_interval=widened(group.median, group.median_interval, medians, level),
        )

    def _gap(self, gap: Gap) -> Gap:
        if gap.name == "fairness_gap":
            if len(gap.between) != 2:
                return gap
            error = self._error(self._away_between(gap.between, lambda group: group.median))
            count = sum(other.name == gap.name for other in self._whole.gaps)
            together = 1 - (1 - self._confidence) / count
            return dataclasses.replace(
                gap,
                interval=widened(gap.value, gap.interval, error, self._confidence),
                simultaneous=widened(gap.value, gap.simultaneous, error, together),
            )
        if gap.name not in _SPREADS:
            return gap
        read, spread = _SPREADS[gap.name]
        groups = np.array([[read(c.groups[name]) for name in gap.between] for c in self._each])
        distances = spread(_away(groups))
        if gap.name in _SCALED:
            overall = np.array([c.overall.mean for c in self._each])
            distances = distances + np.abs(_away(_log(overall)))
        error = self._error(distances)
        if gap.name not in _RATIOS:
            found = widened(gap.value, gap.interval, error, self._confidence)
            return dataclasses.replace(gap, interval=Interval(max(0.0, found.low), found.high))
        ends = _log(np.array([gap.value, gap.interval.low, gap.interval.high]))
        found = widened(ends[0], Interval(ends[1], ends[2]), error, self._confidence)
        low = math.exp(found.low)
        least = low if gap.name in _SCALED else max(1.0, low)
        return dataclasses.replace(gap, interval=Interval(least, _exp(found.high)))

    def _effect(self, effect: PairEffect) -> PairEffect:
        deltas = [_effects_of(c).get(effect.between, math.nan) for c in self._each]
        found = widened(
            effect.cliffs_delta, effect.interval, self._error(_away(deltas)), self._confidence
        )
        means = self._error(self._away_between(effect.between, lambda group: group.mean))
        # what is shown with that probability is farther away by both quantiles
        farther = means.reach((1 - self._confidence) / 2) + means.reach(1 - POWER)
        return dataclasses.replace(
            effect,
            interval=Interval(max(-1.0, found.low), min(1.0, found.high)),
            detectable_gap=math.hypot(effect.detectable_gap, farther),
        )

    def _test(self, test: GroupTest) -> GroupTest:
        """Return the test with the variation of Cliff's deltas, as of groups of their sizes."""
        pairs = [effect.between for effect in self._whole.effects]
        sizes = [self._whole.groups[name].n_units or 0 for pair in pairs[:1] for name in pair]
        sizes += [self._whole.groups[pair[1]].n_units or 0 for pair in pairs[1:]]
        each = np.array([[_effects_of(c).get(p, math.nan) for p in pairs] for c in self._each])
        whole = np.array([_effects_of(self._whole)[pair] for pair in pairs])
        p_value = p_with_trainings(
            test.p_value,
            float(_distance(whole, sizes)),
            self._error(_distance(_away(each), sizes)),
            len(sizes),
        )
        return dataclasses.replace(
            test,
            name=f"{test.name} over {len(self._each)} trainings",
            p_value=p_value,
            corrected_p=math.nan,
        )

    def _away_between(self, between: Sequence[str], read: _Read) -> np.ndarray:
        first, second = between
        return _away([read(c.groups[first]) - read(c.groups[second]) for c in self._each])


def _away(values: Sequence[float] | np.ndarray) -> np.ndarray:
    """Return how far the value of each training (along the first axis) is from their mean."""
    found = np.asarray(values, dtype=float)
    with np.errstate(invalid="ignore"):  # two infinite values have no difference
        return np.asarray(found - found.mean(axis=0))


def _effects_of(comparison: Comparison) -> dict[tuple[str, str], float]:
    return {effect.between: effect.cliffs_delta for effect in comparison.effects}


def _distance(deltas: np.ndarray, sizes: Sequence[int]) -> np.ndarray:
    """Return how far groups are apart, as their test weighs them.

    Args:
        deltas: (..., groups - 1) Cliff's delta of the reference and each other group.
        sizes: (groups,) units of the reference and of the others.
    """
    places = np.concatenate([np.zeros((*deltas.shape[:-1], 1)), deltas], axis=-1)
    weights = np.array(sizes, dtype=float)
    centre = (places * weights).sum(axis=-1, keepdims=True) / weights.sum()
    return np.asarray(np.sqrt((weights * (places - centre) ** 2).sum(axis=-1)))


def _log(values: np.ndarray) -> np.ndarray:
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(np.log(values))


def _log_error(score: float) -> float:
    return float(_log(np.asarray(1.0 - score)))


def _exp(value: float) -> float:
    return math.exp(value) if value < 700 else math.inf
