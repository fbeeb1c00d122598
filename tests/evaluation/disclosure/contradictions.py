"""Somebody who reads a shareable report carefully and finds numbers that contradict each other."""

import itertools
import math
import re
from collections.abc import Iterator, Mapping

from nnunetv2_fair.evaluation.results.comparison import ModelComparison
from nnunetv2_fair.evaluation.results.evaluation import EvaluationResult
from nnunetv2_fair.evaluation.results.findings import Finding
from nnunetv2_fair.evaluation.results.groups import GroupStatistics
from nnunetv2_fair.evaluation.results.values import Interval

_ROUNDING = 2e-6
_SENTENCES = (
    r"hidden against hidden",
    r"hidden (for [^()]* )?\(worst\)",
    r"p \N{EN DASH}",
    r"\(\N{EN DASH}\)",
    r"\(\)",
    r"up to (0\.0+(?!\d)|\N{EN DASH}|hidden)",
)


def in_evaluation(private: EvaluationResult, told: EvaluationResult) -> list[str]:
    """Return what contradicts itself, or what is true of the patients."""
    found = []
    for true, shown in zip(private.comparisons, told.comparisons, strict=True):
        better = 1 if told.metric(shown.metric).better == "higher" else -1
        for name in ("median", "mean"):
            found += _order(
                {g: getattr(s, name) for g, s in true.groups.items()},
                {g: getattr(s, name) for g, s in shown.groups.items()},
                name,
            )
        for group, statistics in shown.groups.items():
            found += _group(true.groups[group], statistics, better, group)
        for gap in shown.gaps:
            private_gap = next(
                g for g in true.gaps if (g.name, g.between) == (gap.name, gap.between)
            )
            found += _holds(private_gap.interval, gap.interval, gap.value, gap.name)
        for effect in shown.effects:
            private_effect = next(e for e in true.effects if e.between == effect.between)
            found += _holds(
                private_effect.interval, effect.interval, effect.cliffs_delta, "Cliff's delta"
            )
    return [*found, *_findings(told.findings, lambda f: told.metric(f.metric).better)]


def in_comparison(private: ModelComparison, told: ModelComparison) -> list[str]:
    """Return what contradicts itself, or what is true of the patients."""
    found = []
    for true, shown in zip(private.entries, told.entries, strict=True):
        for model, scores in shown.per_model.items():
            found += _order(true.per_model[model].group_means, scores.group_means, "mean")
        for model, changes in shown.differences.items():
            before = true.differences[model]
            for group, change in changes.groups.items():
                found += _holds(
                    before.groups[group].simultaneous, change.simultaneous, change.value, group
                )
            found += _holds(
                before.overall.simultaneous, changes.overall.simultaneous, changes.overall.value,
                "overall",
            )  # fmt: skip
    for finding in told.findings:
        if finding.kind == "model_change":
            after, start = (finding.values[m] for m in (finding.model, finding.baseline))
            if finding.value * (after - start) < 0:
                found.append(f"{finding.value} from {start} to {after}")
    return [*found, *_findings(told.findings, None)]


def _order(true: Mapping[str, float], shown: Mapping[str, float], what: str) -> Iterator[str]:
    for one, other in itertools.permutations(shown, 2):
        if true[one] < true[other] and shown[one] > shown[other]:
            yield f"{what} of {one} looks larger than of {other}"


def _group(true: GroupStatistics, shown: GroupStatistics, better: int, group: str) -> Iterator[str]:
    if not math.isnan(shown.q1):
        if not shown.q1 <= shown.median <= shown.q3:
            yield f"{group}: quartiles {shown.q1}, {shown.median}, {shown.q3}"
        inner = shown.q1 if better > 0 else shown.q3
        if better * shown.worst_decile > better * inner:
            yield f"{group}: worst decile {shown.worst_decile}, quartile {inner}"
    yield from _holds(true.median_interval, shown.median_interval, shown.median, f"{group} median")
    yield from _holds(true.mean_interval, shown.mean_interval, shown.mean, f"{group} mean")


def _holds(true: Interval, shown: Interval, value: float, what: str) -> Iterator[str]:
    if math.isnan(shown.low):
        return
    inside = shown.low <= true.low + _ROUNDING and true.high <= shown.high + _ROUNDING
    # a measure cannot be beyond its own range
    if not inside:
        yield f"{what}: {shown} does not hold {true}"
    if shown.low == shown.high and true.high - true.low > _ROUNDING:
        yield f"{what}: {shown} has no width"
    if not math.isnan(value) and not shown.low - 1e-9 <= value <= shown.high + 1e-9:
        yield f"{what}: {value} is not in {shown}"


def _findings(findings, better_of) -> Iterator[str]:
    for finding in findings:
        yield from _finding(finding, better_of)


def _finding(finding: Finding, better_of) -> Iterator[str]:
    if finding.claims and finding.value == 0:
        yield f"{finding.sentence} claims a difference of 0"
    if finding.test and math.isnan(finding.p_value):
        yield f"{finding.sentence} names a test without p"
    if finding.kind == "group_difference":
        sign = 1 if better_of(finding) == "higher" else -1
        values = [sign * finding.values[w] for w in finding.who]
        known = [v for v in values if not math.isnan(v)]
        if known != sorted(known):
            yield f"{finding.sentence}: worst first, but {known}"
    for pattern in _SENTENCES:
        if re.search(pattern, finding.sentence):
            yield finding.sentence
