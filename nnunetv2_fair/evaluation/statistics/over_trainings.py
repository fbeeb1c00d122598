"""Comparisons of groups that hold for a method: the variation between its trainings enters.

The method's values are means over its trainings; what is compared, by patients, are these. How far
another set of trainings could move each statistic is seen from the same statistic of each training.
Measures of the spread over groups, which are never negative, take the spread of the groups'
deviations instead, which bounds their error (see :func:`.intervals.spread_interval`).
"""

import dataclasses
import math
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property, partial

import numpy as np

from nnunetv2_fair.evaluation.estimation.estimates import Summaries
from nnunetv2_fair.evaluation.estimation.gaps import group_std_along, max_min_gap_along
from nnunetv2_fair.evaluation.estimation.trainings import (
    TrainingError,
    no_p_reason,
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
    PairTest,
)
from nnunetv2_fair.evaluation.results.trainings import TrainingKind
from nnunetv2_fair.evaluation.results.values import Interval
from nnunetv2_fair.evaluation.statistics.detectable import MOST

_Groups = Callable[[Summaries, Sequence[int]], np.ndarray]

#: Measures of the spread over groups -> (group values, spread of (..., groups) deviations).
_SPREADS: Mapping[str, tuple[_Groups, Callable[[np.ndarray], np.ndarray]]] = {
    "delta": (lambda s, g: s.means[..., g], max_min_gap_along),
    "std": (lambda s, g: s.means[..., g], group_std_along),
    "skew": (lambda s, g: _log(1.0 - s.means[..., g]), max_min_gap_along),
    "ser": (lambda s, g: _log(1.0 - s.medians[..., g]), max_min_gap_along),
    "es_std": (lambda s, g: s.means[..., g], group_std_along),
    "es_absolute": (lambda s, g: s.means[..., g], lambda away: np.abs(away).sum(axis=-1)),
}
#: Those of ratios, whose logarithm is widened.
_RATIOS = frozenset({"skew", "ser", "es_std", "es_absolute"})
#: An overall score divided by 1 plus a spread: the error of the overall score adds to it.
_SCALED = frozenset({"es_std", "es_absolute"})


def error_of_measure(
    name: str, groups: Sequence[int], trainings: Summaries, kind: TrainingKind
) -> TrainingError:
    """Return the error of a fairness measure by trainings, on a logarithmic scale for ratios.

    Args:
        name: The measure.
        groups: Positions of the groups that it compares; of a fairness gap the reference first.
        trainings: Statistics of each training, along the first axis.
        kind: How the trainings differ.
    """
    if name == "fairness_gap":
        first, second = groups
        with np.errstate(invalid="ignore"):
            signed = trainings.medians[:, first] - trainings.medians[:, second]
        return training_error(away_from_mean(signed), kind)
    read, spread = _SPREADS[name]
    distances = spread(away_from_mean(read(trainings, list(groups))))
    if name in _SCALED:
        distances = distances + np.abs(away_from_mean(_log(trainings.overall_mean)))
    return training_error(distances, kind)


def widened_measure(
    name: str, value: float, interval: Interval, error: TrainingError, confidence: float
) -> Interval:
    """Return the interval of a fairness measure, widened within the measure's range.

    Args:
        name: The measure.
        value: Its value.
        interval: Its interval by patients.
        error: Its error by trainings, from :func:`error_of_measure`.
        confidence: Coverage of the interval.
    """
    if name not in _RATIOS:
        found = widened(value, interval, error, confidence)
        return found if name == "fairness_gap" else clipped(found, 0.0, math.inf)
    ends = _log(np.array([value, interval.low, interval.high]))
    found = widened(ends[0], Interval(ends[1], ends[2]), error, confidence)
    ratio = Interval(math.exp(found.low), _exp(found.high))
    return clipped(ratio, 0.0, 1.0) if name in _SCALED else clipped(ratio, 1.0, math.inf)


def clipped(interval: Interval, least: float, most: float) -> Interval:
    """Return an interval within the range of its value; NaN stays."""
    low, high = np.clip([interval.low, interval.high], least, most)
    return Interval(float(low), float(high))


def p_between_groups(
    p_value: float,
    whole: Sequence[float] | np.ndarray,
    by_training: Sequence[Sequence[float]] | np.ndarray,
    sizes: Sequence[float],
    kind: TrainingKind,
) -> float:
    """Return the p-value of a test of equal groups, with the error by trainings.

    How far groups are apart is the root of the sum of squares that a rank or chi-squared test is
    made of: each group's effect from their mean, weighted by its size.

    Args:
        p_value: By patients alone.
        whole: (groups - 1,) effect of the reference against each other group.
        by_training: (trainings, groups - 1) the same of each training.
        sizes: (groups,) units of the reference and of the others.
        kind: How the trainings differ.
    """
    away = away_from_mean(np.asarray(by_training, dtype=float))
    error = training_error(_distance(away, sizes), kind)
    distance = float(_distance(np.asarray(whole, dtype=float), sizes))
    return p_with_trainings(p_value, distance, error, len(sizes))


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
        self._kind = kind
        self._error: Callable[[np.ndarray], TrainingError] = partial(training_error, kind=kind)
        self._confidence = confidence

    def widened(self) -> Comparison:
        return dataclasses.replace(
            self._whole,
            overall=self._statistics(self._whole.overall, [c.overall for c in self._each]),
            of_chosen=self._of_chosen(),
            groups={
                name: self._statistics(group, [c.groups[name] for c in self._each])
                for name, group in self._whole.groups.items()
            },
            gaps=tuple(self._gap(gap) for gap in self._whole.gaps),
            test=None if self._whole.test is None else self._test(self._whole.test),
            effects=tuple(self._effect(effect) for effect in self._whole.effects),
            pairs=tuple(self._pair(pair) for pair in self._whole.pairs),
        )

    def _of_chosen(self) -> GroupStatistics | None:
        whole = self._whole.of_chosen
        if whole is None:
            return None
        return self._statistics(whole, [c.of_compared for c in self._each])

    def _statistics(
        self, group: GroupStatistics, each: Sequence[GroupStatistics]
    ) -> GroupStatistics:
        means = self._error(away_from_mean([found.mean for found in each]))
        medians = self._error(away_from_mean([found.median for found in each]))
        level = self._confidence
        return dataclasses.replace(
            group,
            mean_interval=widened(group.mean, group.mean_interval, means, level),
            median_interval=widened(group.median, group.median_interval, medians, level),
            # drawn towards the others, it varies no more than the mean
            shrunken_interval=widened(group.shrunken_mean, group.shrunken_interval, means, level),
        )

    def _gap(self, gap: Gap) -> Gap:
        if (gap.name == "fairness_gap" and len(gap.between) != 2) or (
            gap.name not in ("fairness_gap", *_SPREADS)
        ):
            return gap
        positions = [list(self._whole.groups).index(name) for name in gap.between]
        error = error_of_measure(gap.name, positions, self._summaries, self._kind)
        interval = widened_measure(gap.name, gap.value, gap.interval, error, self._confidence)
        if gap.name == "fairness_gap":
            count = sum(other.name == gap.name for other in self._whole.gaps)
            together = widened_measure(
                gap.name, gap.value, gap.simultaneous, error, 1 - (1 - self._confidence) / count
            )
            return dataclasses.replace(gap, interval=interval, simultaneous=together)
        return dataclasses.replace(
            gap,
            interval=interval,
            p_value=self._p_of_spread(gap, positions),
            corrected_p=math.nan,
        )

    def _p_of_spread(self, gap: Gap, positions: Sequence[int]) -> float:
        """Return the p-value of a measure of spread, of how far its groups' values are apart."""
        read, spread = _SPREADS[gap.name]
        whole = read(_summaries_of([self._whole]), positions)
        centre = self._whole.of_compared.mean if gap.name == "es_absolute" else 0.0
        error = self._error(spread(away_from_mean(read(self._summaries, positions))))
        value = float(spread(whole - centre)[0])
        return p_with_trainings(gap.p_value, value, error, len(positions))

    @cached_property
    def _summaries(self) -> Summaries:
        return _summaries_of(self._each)

    def _effect(self, effect: PairEffect) -> PairEffect:
        deltas = [_effects_of(c).get(effect.between, math.nan) for c in self._each]
        found = widened(
            effect.cliffs_delta,
            effect.interval,
            self._error(away_from_mean(deltas)),
            self._confidence,
        )
        first, second = (list(self._whole.groups).index(name) for name in effect.between)
        means, medians = self._summaries.means, self._summaries.medians
        by_means = self._error(away_from_mean(means[:, first] - means[:, second]))
        by_medians = self._error(away_from_mean(medians[:, first] - medians[:, second]))
        # what is shown in half of all studies is away by one quantile, in more by another as well
        level = 1 - self._confidence
        half = by_medians.reach(level / 2)
        more = half + by_medians.reach(1 - MOST)
        return dataclasses.replace(
            effect,
            interval=clipped(found, -1.0, 1.0),
            detectable_gap=math.hypot(effect.detectable_gap, more),
            detectable_gap_half=math.hypot(effect.detectable_gap_half, half),
            mean_difference_interval=widened(
                effect.mean_difference,
                effect.mean_difference_interval,
                by_means,
                1 - 2 * level,
            ),
            mean_difference_together=widened(
                effect.mean_difference,
                effect.mean_difference_together,
                by_means,
                1 - 2 * level / len(self._whole.effects),
            ),
        )

    def _pair(self, pair: PairTest) -> PairTest:
        """Return the test of two groups, with the variation of their Cliff's delta."""
        each = [
            [next((p.cliffs_delta for p in c.pairs if p.between == pair.between), math.nan)]
            for c in self._each
        ]
        sizes = [self._whole.groups[name].n_units or 0 for name in pair.between]
        test = self._named(pair.test, [pair.cliffs_delta], each, sizes)
        return dataclasses.replace(pair, test=test)

    def _test(self, test: GroupTest) -> GroupTest:
        """Return the test with the variation of Cliff's deltas, as of groups of their sizes."""
        pairs = [effect.between for effect in self._whole.effects]
        sizes = [self._whole.groups[name].n_units or 0 for pair in pairs[:1] for name in pair]
        sizes += [self._whole.groups[pair[1]].n_units or 0 for pair in pairs[1:]]
        each = [[_effects_of(c).get(p, math.nan) for p in pairs] for c in self._each]
        whole = [_effects_of(self._whole)[pair] for pair in pairs]
        return self._named(test, whole, each, sizes)

    def _named(
        self,
        test: GroupTest,
        whole: Sequence[float],
        each: Sequence[Sequence[float]],
        sizes: Sequence[float],
    ) -> GroupTest:
        """Return a test with the variation of its effects, named after the trainings too."""
        p_value = p_between_groups(test.p_value, whole, each, sizes, self._kind)
        return dataclasses.replace(
            test,
            name=f"{test.name} over {len(self._each)} trainings",
            p_value=p_value,
            corrected_p=math.nan,
            reason=test.reason or no_p_reason(np.array(each)),
        )


def _summaries_of(comparisons: Sequence[Comparison]) -> Summaries:
    """Return the statistics of several comparisons, along the first axis."""
    names = list(comparisons[0].groups)
    return Summaries(
        np.array([[c.groups[name].mean for name in names] for c in comparisons]),
        np.array([[c.groups[name].median for name in names] for c in comparisons]),
        np.array([c.of_compared.mean for c in comparisons]),
        np.array([c.of_compared.median for c in comparisons]),
    )


def away_from_mean(values: Sequence[float] | np.ndarray) -> np.ndarray:
    """Return how far the value of each training (along the first axis) is from their mean."""
    found = np.asarray(values, dtype=float)
    with np.errstate(invalid="ignore"):  # two infinite values have no difference
        return np.asarray(found - found.mean(axis=0))


def _effects_of(comparison: Comparison) -> dict[tuple[str, str], float]:
    return {effect.between: effect.cliffs_delta for effect in comparison.effects}


def _distance(deltas: np.ndarray, sizes: Sequence[float]) -> np.ndarray:
    """Return how far groups are apart, as their test weighs them.

    Args:
        deltas: (..., groups - 1) Cliff's delta of the reference and each other group.
        sizes: (groups,) units of the reference and of the others.
    """
    places = np.concatenate([np.zeros((*deltas.shape[:-1], 1)), deltas], axis=-1)
    weights = np.asarray(sizes, dtype=float)
    centre = (places * weights).sum(axis=-1, keepdims=True) / weights.sum()
    return np.asarray(np.sqrt((weights * (places - centre) ** 2).sum(axis=-1)))


def _log(values: np.ndarray) -> np.ndarray:
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(np.log(values))


def _exp(value: float) -> float:
    return math.exp(value) if value < 700 else math.inf
