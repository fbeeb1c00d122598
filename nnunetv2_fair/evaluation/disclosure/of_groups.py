"""What may be shown of one comparison of groups: statistics, fairness measures, tests, effects.

Fairness measures are computed anew from the medians and means as they are shown, so that they
tell nothing more about them.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np

from nnunetv2_fair.evaluation.disclosure.precision import (
    Sample,
    beside,
    difference_limits,
    dominance_step,
    holding,
    limits_to_step,
    quantile_limits,
    ratio_step,
    rounded_in_order,
    shown_p,
    significant,
    significant_up,
    step_for,
    to_step,
)
from nnunetv2_fair.evaluation.disclosure.redaction import CLOSED, SMALL, reasons
from nnunetv2_fair.evaluation.disclosure.samples import EVERYONE
from nnunetv2_fair.evaluation.disclosure.suppression import Suppression
from nnunetv2_fair.evaluation.estimation import gaps
from nnunetv2_fair.evaluation.results.groups import (
    Comparison,
    Gap,
    GroupStatistics,
    GroupTest,
    PairEffect,
    PairTest,
)
from nnunetv2_fair.evaluation.results.values import NO_INTERVAL, Interval, MetricInfo

_FAIRNESS_GAP = "fairness_gap"
_NO_VALUE = math.nan
_NO_VALUES = Sample(np.empty(0), np.empty(0))

_NOTHING = GroupStatistics(
    n_cases=None,
    n_patients=None,
    n_undefined=None,
    n_replaced=None,
    mean=_NO_VALUE,
    median=_NO_VALUE,
    q1=_NO_VALUE,
    q3=_NO_VALUE,
    std=_NO_VALUE,
    mean_interval=NO_INTERVAL,
    median_interval=NO_INTERVAL,
    n_units=None,
)


@dataclass(frozen=True)
class Values:
    """The values behind a comparison, and what must be hidden of them.

    Attributes:
        pattern: What must be hidden because of who has a value; None: everything.
        counts: What must be hidden of the counts of all cases.
        samples: Group, or :data:`EVERYONE`, -> its values.
        secret: Groups, or :data:`EVERYONE`, whose means tell of fewer than five patients.
        blended: Groups, or :data:`EVERYONE`, that contain patients of a group that is hidden.
        level: Level of the tests.
    """

    pattern: Suppression | None
    counts: Suppression
    samples: Mapping[str, Sample]
    secret: frozenset[str]
    blended: frozenset[str]
    level: float


@dataclass(frozen=True)
class _Told:
    """What may be shown of the groups of one comparison.

    Attributes:
        compared: Groups that are large enough to be compared.
        gone: Groups of which neither counts nor values may be shown.
        partly: Groups of which medians may be shown, but neither means nor what is made of them.
        total: Whether means of all groups together may be shown.
        counted: Groups whose counts may be shown.
        total_counted: Whether counts of all groups together may be shown.
        complete: Whether no value is undefined and none was replaced.
        level: Level of the tests.
        samples: Group, or :data:`EVERYONE`, -> its values.
        secret: Groups, or :data:`EVERYONE`, whose means tell of fewer than five patients.
        blended: Groups, or :data:`EVERYONE`, that contain patients of a group that is hidden.
    """

    compared: frozenset[str]
    gone: frozenset[str]
    partly: frozenset[str]
    total: bool
    counted: frozenset[str]
    total_counted: bool
    complete: bool
    level: float
    samples: Mapping[str, Sample]
    secret: frozenset[str]
    blended: frozenset[str]

    def sample(self, group: str) -> Sample:
        """Return the values of a group."""
        return self.samples.get(group, _NO_VALUES)


def shown_comparison(
    comparison: Comparison, metric: MetricInfo, values: Values, least: int
) -> Comparison:
    """Return what may be shown of a comparison.

    Args:
        comparison: As it was made.
        metric: Its metric.
        values: The values behind it, and what must be hidden of them.
        least: Patients that a group needs to be compared.
    """
    pattern = values.pattern
    if pattern is None:
        return _without_groups(comparison, SMALL, _NOTHING)
    told = _told(comparison, pattern, values)
    overall = _all_statistics({EVERYONE: comparison.overall}, metric, told)[EVERYONE]
    if comparison.attribute in pattern.closed:
        known = pattern.tells_total_of(comparison.attribute)
        return _without_groups(comparison, CLOSED, overall if known else _NOTHING)
    groups = _all_statistics(comparison.groups, metric, told)
    shown = replace(
        comparison,
        overall=overall,
        groups=groups,
        left_out=reasons(comparison.groups, told.gone, comparison.left_out, least=least),
        test=_test(comparison.test, told),
        effects=tuple(
            _effect(effect, told)
            for effect in comparison.effects
            if not (told.gone | told.partly) & set(effect.between)
        ),
        pairs=tuple(_pairs(comparison, told)),
        # beside all groups together it would tell of the others
        of_chosen=None,
    )
    return replace(shown, gaps=tuple(_gaps(comparison, shown, told)))


def is_gone(comparison: Comparison, group: str) -> bool:
    """Return whether neither counts nor values of a group are shown."""
    return comparison.left_out.get(group) in (SMALL, CLOSED)


def _told(comparison: Comparison, pattern: Suppression, values: Values) -> _Told:
    attribute, groups = comparison.attribute, comparison.groups
    gone = frozenset(g for g in groups if pattern.tells_nothing_of(attribute, g))
    every = (*groups.values(), comparison.overall)
    counts, secret = values.counts, values.secret
    partly = {g for g in groups if not pattern.tells_counts_of(attribute, g)} | secret
    compared = frozenset(groups) - set(comparison.left_out)
    return _Told(
        compared=compared,
        gone=gone,
        partly=frozenset(partly) - gone,
        total=pattern.tells_total_of(attribute) and EVERYONE not in secret,
        counted=frozenset(g for g in groups if counts.tells_counts_of(attribute, g)),
        total_counted=counts.tells_total_of(attribute),
        complete=not any(g.n_undefined or g.n_replaced for g in every),
        level=values.level,
        samples=values.samples,
        secret=values.secret,
        blended=values.blended,
    )


def _without_groups(comparison: Comparison, reason: str, total: GroupStatistics) -> Comparison:
    return replace(
        comparison,
        overall=total,
        groups=dict.fromkeys(comparison.groups, _NOTHING),
        left_out=dict.fromkeys(comparison.groups, reason),
        gaps=(),
        test=None,
        effects=(),
        by_image=False,
        pairs=(),
        of_chosen=None,
    )


def _all_statistics(
    groups: Mapping[str, GroupStatistics], metric: MetricInfo, told: _Told
) -> dict[str, GroupStatistics]:
    """Return what may be shown of each group; medians and means keep their order."""
    shown = {name: group for name, group in groups.items() if name not in told.gone}
    medians = rounded_in_order(
        {name: group.median for name, group in shown.items()},
        lambda name, least: _median_step(shown[name], told, name, least),
    )
    means = rounded_in_order(
        {name: group.mean for name, group in shown.items()},
        lambda name, least: (
            step_for(max(least, told.sample(name).mean_step))
            if _tells_mean(told, name)
            else _NO_VALUE
        ),
    )
    return {
        name: _statistics(group, metric, told, name, medians[name], means[name])
        if name in shown
        else _NOTHING
        for name, group in groups.items()
    }


def _tells_mean(told: _Told, name: str) -> bool:
    tells = told.total if name == EVERYONE else name not in told.partly
    return tells and told.sample(name).tells_mean


def _median_step(group: GroupStatistics, told: _Told, name: str, least: float) -> float:
    sample = told.sample(name)
    if name in told.secret and sample.tells_shares and not sample.is_few_valued:
        return _NO_VALUE
    if name == EVERYONE and name in told.blended:
        return _NO_VALUE
    return sample.quantile_step(group.median, least)


def _statistics(
    group: GroupStatistics,
    metric: MetricInfo,
    told: _Told,
    name: str,
    median: float,
    mean: float,
) -> GroupStatistics:
    """Return what may be shown of one group.

    Args:
        group: As it was computed.
        metric: Its metric.
        told: What may be shown.
        name: The group.
        median: Its median as it is shown.
        mean: Its mean as it is shown.
    """
    sample = told.sample(name)
    tell_counts = told.total_counted if name == EVERYONE else name in told.counted
    # a hidden patient far from all others would show in it
    tell_spread = _tells_mean(told, name) and not sample.is_small and name not in told.blended
    end_step = sample.end_step if tell_spread else _NO_VALUE
    q1, q3, worst = (
        to_step(value, sample.quantile_step(value))
        for value in (group.q1, group.q3, group.worst_decile)
    )
    tell_others = sample.tells_quartiles and not sample.tells_shares and name not in told.blended
    both = tell_others and q1 <= median <= q3 and (q1 < q3 or group.q1 == group.q3)
    inner = q1 if metric.better == "higher" else q3
    beyond = worst <= inner if metric.better == "higher" else worst >= inner
    median_limits = quantile_limits(
        group.median_interval, sample, _median_step(group, told, name, 0.0)
    )
    return GroupStatistics(
        n_cases=group.n_cases if tell_counts else None,
        n_patients=group.n_patients if tell_counts else None,
        n_undefined=0 if told.complete else None,
        n_replaced=0 if told.complete else None,
        mean=_possible(mean, metric),
        median=_possible(median, metric),
        q1=_possible(q1, metric) if both else _NO_VALUE,
        q3=_possible(q3, metric) if both else _NO_VALUE,
        std=to_step(group.std, sample.spread_step if tell_spread else _NO_VALUE),
        mean_interval=_possible_limits(
            holding(limits_to_step(group.mean_interval, end_step, end_step), mean), metric
        ),
        median_interval=_possible_limits(holding(median_limits, median), metric)
        if tell_others
        else NO_INTERVAL,
        # beside the number of patients it would tell how many have no value
        n_units=group.n_units if tell_counts and told.complete else None,
        worst_decile=_possible(worst, metric)
        if tell_others and (beyond or not both)
        else _NO_VALUE,
    )


def _possible_limits(limits: Interval, metric: MetricInfo) -> Interval:
    return Interval(_possible(limits.low, metric), _possible(limits.high, metric))


def _possible(value: float, metric: MetricInfo) -> float:
    """Return a value that rounding has not driven out of what the metric can be."""
    return value if math.isnan(value) else min(max(value, metric.lowest), metric.highest)


def _test(test: GroupTest | None, told: _Told) -> GroupTest | None:
    if test is None or told.gone & told.compared:
        return None
    if any(told.sample(group).is_few_valued for group in told.compared):
        return None
    return _rounded(test, told.level)


def _rounded(test: GroupTest, level: float) -> GroupTest:
    return replace(
        test,
        # it is a sum of ranks, and reveals the sizes of the groups
        statistic=_NO_VALUE,
        p_value=shown_p(test.p_value, level),
        corrected_p=shown_p(test.corrected_p, level),
    )


def _pairs(comparison: Comparison, told: _Told) -> Iterator[PairTest]:
    """Yield the tests of pairs none of whose groups is hidden, even in part."""
    for pair in comparison.pairs:
        if (told.gone | told.partly) & set(pair.between):
            continue
        if any(told.sample(group).is_few_valued for group in pair.between):
            continue
        delta = min(max(to_step(pair.cliffs_delta, _delta_step(pair.between, told)), -1.0), 1.0)
        yield replace(pair, cliffs_delta=delta, test=_rounded(pair.test, told.level))


def _delta_step(between: tuple[str, str], told: _Told) -> float:
    first, second = (told.sample(group) for group in between)
    return dominance_step(first.n_patients, second.n_patients)


def _effect(effect: PairEffect, told: _Told) -> PairEffect:
    first, second = (told.sample(group) for group in effect.between)
    step = _delta_step(effect.between, told)
    delta = to_step(effect.cliffs_delta, step)
    limits = holding(limits_to_step(effect.interval, 2 * step, 2 * step), delta)
    enough = first.tells_quartiles and second.tells_quartiles
    return replace(
        effect,
        cliffs_delta=min(max(delta, -1.0), 1.0),
        interval=Interval(max(limits.low, -1.0), min(limits.high, 1.0))
        if not math.isnan(limits.low)
        else NO_INTERVAL,
        # they would tell the spread of a small group
        detectable_gap=significant_up(effect.detectable_gap) if enough else _NO_VALUE,
        detectable_gap_half=significant_up(effect.detectable_gap_half) if enough else _NO_VALUE,
        mean_difference=_NO_VALUE,
        mean_difference_interval=NO_INTERVAL,
        mean_difference_together=NO_INTERVAL,
    )


def _gaps(comparison: Comparison, shown: Comparison, told: _Told) -> Iterator[Gap]:
    for gap in comparison.gaps:
        if math.isnan(gap.value) or told.gone & set(gap.between):
            continue
        if gap.name == _FAIRNESS_GAP:
            found = _fairness_gap(gap, shown, told)
        elif gap.name == "ser":
            found = _ratio(gap, *_of_medians(gap, comparison, shown, told), told.level)
        else:
            found = _of_means(gap, comparison, shown, told)
        if not (math.isnan(found.value) and math.isnan(found.interval.low)):
            yield found


def _fairness_gap(gap: Gap, shown: Comparison, told: _Told) -> Gap:
    if len(gap.between) != 2:
        return _without_value(gap)
    first, second = gap.between
    interval, simultaneous = (
        difference_limits(limits, told.sample(first), told.sample(second))
        for limits in (gap.interval, gap.simultaneous)
    )
    value = _difference(shown.groups[first].median, shown.groups[second].median)
    decides = math.isnan(gap.simultaneous.low)
    found, interval = beside(value, interval, gap.interval)
    if not decides:
        found, simultaneous = beside(value, simultaneous, gap.simultaneous)
    # the one of the two that decides must not be missing where the other is shown
    if not decides and math.isnan(simultaneous.low):
        interval = NO_INTERVAL
    return replace(gap, value=found, interval=interval, simultaneous=simultaneous)


def _difference(first: float, second: float) -> float:
    return round(first - second, 6) if first != second else 0.0


def _of_medians(
    gap: Gap, comparison: Comparison, shown: Comparison, told: _Told
) -> tuple[np.ndarray, np.ndarray]:
    """Return the groups' medians, and the steps of the ends of their intervals."""
    medians = np.array([shown.groups[group].median for group in gap.between])
    steps = [
        [told.sample(group).quantile_step(end) for end in (limits.low, limits.high)]
        for group in gap.between
        for limits in [comparison.groups[group].median_interval]
    ]
    return medians, np.array(steps).max(axis=1)


def _of_means(gap: Gap, comparison: Comparison, shown: Comparison, told: _Told) -> Gap:
    means = np.array([shown.groups[group].mean for group in gap.between])
    samples = [told.sample(group) for group in gap.between]
    steps = np.array([_NO_VALUE if s.is_small else s.end_step for s in samples])
    if np.isnan(means).any():
        return _without_value(gap)
    step = float(steps.max())
    if gap.name == "skew":
        return _ratio(gap, means, steps, told.level)
    if gap.name == "delta":
        return _measured(gap, float(gaps.max_min_gap_along(means)), step, told.level)
    if gap.name == "std":
        return _measured(gap, float(gaps.group_std_along(means)), step, told.level)
    if gap.name in ("es_std", "es_absolute"):
        if comparison.is_of_chosen:
            return _without_value(gap)  # the mean of the chosen groups together is not shown
        form: gaps.Deviation = "std" if gap.name == "es_std" else "absolute"
        value = float(gaps.equity_scaled_along(np.array(shown.overall.mean), means, form))
        return _measured(gap, value, max(step, told.sample(EVERYONE).end_step), told.level)
    return _without_value(gap)


def _ratio(gap: Gap, scores: np.ndarray, steps: np.ndarray, level: float) -> Gap:
    """Return the largest error divided by the smallest; hidden if rounding leaves no error."""
    errors = 1 - scores
    if not (errors > 0).all():
        return _without_value(gap)
    value = float(gaps.skewed_error_ratio_along(scores))
    found = _measured(gap, value, ratio_step(value, errors, steps), level)
    # rounded ends may lie below 1, where no ratio of the largest to the smallest is
    low, high = np.maximum([found.interval.low, found.interval.high], 1).tolist()
    return replace(found, interval=Interval(low, high))


def _measured(gap: Gap, value: float, step: float, level: float) -> Gap:
    return replace(
        gap,
        value=round(value, 6),
        interval=holding(limits_to_step(gap.interval, step, step), value),
        by_chance=significant(gap.by_chance),
        p_value=shown_p(gap.p_value, level),
        corrected_p=shown_p(gap.corrected_p, level),
    )


def _without_value(gap: Gap) -> Gap:
    return Gap(gap.name, _NO_VALUE, NO_INTERVAL, gap.between)
