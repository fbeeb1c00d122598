"""A shareable result as a manuscript may print it: without rounded numbers that contradict others.

A shareable result rounds every number by itself, and verdicts are decided before. Then an interval
can have no width, a gap lie outside its interval or point the other way than the verdict, and "a
gap of up to 0.00 would fit these data" would be false. Such numbers are hidden; nothing is added.
"""

import dataclasses
import math
from itertools import pairwise

from nnunetv2_fair.evaluation.findings.all_findings import headline
from nnunetv2_fair.evaluation.findings.wording import with_sentence
from nnunetv2_fair.evaluation.results.evaluation import EvaluationResult
from nnunetv2_fair.evaluation.results.findings import Finding
from nnunetv2_fair.evaluation.results.groups import Comparison, Gap, GroupStatistics, PairEffect
from nnunetv2_fair.evaluation.results.values import NO_INTERVAL, Interval, MetricInfo


def printable_numbers(result: EvaluationResult) -> EvaluationResult:
    """Return a shareable result without numbers that rounding made untrue; others as they are."""
    if not result.shareable:
        return result
    findings = []
    for found in result.findings:
        metric = result.metric(found.metric)
        kept = _finding(found, metric)
        findings.append(with_sentence(kept, headline(kept, metric)))
    return dataclasses.replace(
        result,
        comparisons=tuple(map(_comparison, result.comparisons)),
        findings=tuple(findings),
    )


def _finding(found: Finding, metric: MetricInfo) -> Finding:
    if found.verdict == "not_comparable":
        return found
    values, value = dict(found.values), found.value
    # worse first: the order was decided before rounding
    sign = 1 if metric.better == "higher" else -1
    ordered = [sign * v for v in values.values() if not math.isnan(v)]
    if any(first > second for first, second in pairwise(ordered)):
        values = dict.fromkeys(values, math.nan)
        value = math.nan
    if found.claims and value == 0:
        value = math.nan
    return dataclasses.replace(
        found,
        values=values,
        value=value,
        interval=_interval(found.interval, found.value),
        test="" if math.isnan(found.p_value) else found.test,
        # made of rounded ends, which may be nearer than the true ones
        numbers={**found.numbers, "fitting_gap": math.nan},
    )


def _comparison(made: Comparison) -> Comparison:
    return dataclasses.replace(
        made,
        overall=_statistics(made.overall),
        groups={name: _statistics(group) for name, group in made.groups.items()},
        gaps=tuple(map(_gap, made.gaps)),
        effects=tuple(map(_effect, made.effects)),
    )


def _statistics(group: GroupStatistics) -> GroupStatistics:
    ordered = group.q1 <= group.median <= group.q3 and group.q1 < group.q3
    q1, q3 = (group.q1, group.q3) if ordered else (math.nan, math.nan)
    return dataclasses.replace(
        group,
        q1=q1,
        q3=q3,
        mean_interval=_interval(group.mean_interval, group.mean),
        median_interval=_interval(group.median_interval, group.median),
    )


def _gap(gap: Gap) -> Gap:
    return dataclasses.replace(
        gap,
        interval=_interval(gap.interval, gap.value),
        simultaneous=_interval(gap.simultaneous, gap.value),
    )


def _effect(effect: PairEffect) -> PairEffect:
    return dataclasses.replace(effect, interval=_interval(effect.interval, effect.cliffs_delta))


def _interval(limits: Interval, value: float) -> Interval:
    """Return an interval; none if it has no width, or its value lies outside or is hidden."""
    holds = limits.low < limits.high and limits.low <= value <= limits.high
    return limits if holds else NO_INTERVAL
