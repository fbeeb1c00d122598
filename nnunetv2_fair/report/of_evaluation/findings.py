"""What a comparison of groups shows, in words that claim no more than the numbers.

A difference counts as shown only if the interval of a gap excludes zero *and* the test
rejects after correction for the number of tests; if they disagree, the text says so; and "not
shown" is never written as "equal".
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any

from nnunetv2_fair.evaluation.findings import numbers
from nnunetv2_fair.evaluation.findings.sentences import Data, Sentence
from nnunetv2_fair.evaluation.results.evaluation import EvaluationResult
from nnunetv2_fair.evaluation.results.groups import Comparison, Gap, GroupTest
from nnunetv2_fair.evaluation.results.tables.per_case import AVERAGE
from nnunetv2_fair.evaluation.results.values import Interval, MetricInfo

FAIRNESS_GAP = "fairness_gap"

_DEFAULT_CONFIDENCE = 0.95


class Verdict(Enum):
    """What can be said about a difference; the value is shown to readers."""

    SHOWN = "difference shown"
    UNCLEAR = "unclear"
    NOT_SHOWN = "no difference shown"
    NOT_COMPARABLE = "cannot be compared"


@dataclass(frozen=True)
class Finding:
    """The outcome of one comparison.

    Attributes:
        verdict: What can be said.
        headline: One or two sentences, in pieces.
        brief: The same in a few words, without the label.
        gap: The gap that the text describes; None if there is none.
    """

    verdict: Verdict
    headline: Sentence
    brief: Sentence
    gap: Gap | None


def confidence(settings: Mapping[str, Any]) -> float:
    """Return the confidence level a result was computed with."""
    try:
        return float(settings.get("confidence", _DEFAULT_CONFIDENCE))
    except (TypeError, ValueError):
        return _DEFAULT_CONFIDENCE


def label_words(label: str) -> Sentence:
    """Return the name of a label in a title."""
    return ("mean of all labels",) if label == AVERAGE else (Data(label),)


def _segmentation(label: str) -> list[str]:
    """Return the subject of a sentence."""
    if label == AVERAGE:
        return ["segmentation, averaged over all labels,"]
    return ["segmentation of ", Data(label)]


def compared_groups(comparison: Comparison) -> list[str]:
    """Return the groups that are large enough and have a median."""
    return [
        name
        for name, group in comparison.groups.items()
        if name not in comparison.left_out and not math.isnan(group.median)
    ]


def main_gap(comparison: Comparison) -> Gap | None:
    """Return the largest fairness gap by size; None if none could be computed."""
    gaps = [g for g in comparison.gaps if g.name == FAIRNESS_GAP and not math.isnan(g.value)]
    return max(gaps, key=lambda gap: abs(gap.value), default=None)


def find(result: EvaluationResult, comparison: Comparison) -> Finding:
    """Return what a comparison shows."""
    metric = result.metric(comparison.metric)
    gap = main_gap(comparison)
    groups = compared_groups(comparison)
    if len(groups) < 2 or gap is None:
        return _not_comparable(comparison, metric, groups)
    level = confidence(result.settings)
    verdict = _verdict(comparison, level)
    if len(groups) == 2:
        return _two_groups(comparison, metric, gap, verdict, level)
    return _many_groups(comparison, metric, gap, groups, verdict, level)


def _verdict(comparison: Comparison, level: float) -> Verdict:
    gaps = [gap for gap in comparison.gaps if gap.name == FAIRNESS_GAP]
    by_interval = any(numbers.excludes_zero(gap.interval) for gap in gaps)
    by_test = comparison.test is not None and _deciding_p(comparison.test) < 1 - level
    if by_interval and by_test:
        return Verdict.SHOWN
    return Verdict.UNCLEAR if by_interval or by_test else Verdict.NOT_SHOWN


def _deciding_p(test: GroupTest) -> float:
    """Return the p-value that decides: the corrected one where there is one."""
    return test.p_value if math.isnan(test.corrected_p) else test.corrected_p


def _test_words(test: GroupTest) -> str:
    text = f"{test.name} {numbers.p_value(test.p_value)}"
    if test.family_size > 1 and not math.isnan(test.corrected_p):
        text += f", corrected {numbers.p_value(test.corrected_p)}"
    return text


def _not_comparable(comparison: Comparison, metric: MetricInfo, groups: list[str]) -> Finding:
    """Say why no comparison was made."""
    pieces: list[str] = ["The groups of ", Data(comparison.attribute), " cannot be compared"]
    if not groups:
        pieces.append(f": no group is large enough and has a defined {metric.title}.")
    elif len(groups) == 1:
        pieces += [": only ", Data(groups[0]), " is large enough."]
    else:
        pieces.append(f": the gap in {metric.title} could not be computed.")
    return Finding(Verdict.NOT_COMPARABLE, pieces, ("cannot be compared",), None)


def _two_groups(
    comparison: Comparison, metric: MetricInfo, gap: Gap, verdict: Verdict, level: float
) -> Finding:
    """Word the comparison of two groups; the gap's sign is turned so that it is not negative."""
    reference, other = gap.between
    reference_is_better = (gap.value > 0) == (metric.better == "higher")
    better, worse = (reference, other) if reference_is_better else (other, reference)
    value, limits = gap.value, gap.interval
    if value < 0:
        value, limits = -value, Interval(-limits.high, -limits.low)
    values = _values(comparison, metric, worse, better)
    evidence = _evidence(comparison, metric, value, limits, level)
    subject = _segmentation(comparison.label)
    if verdict is Verdict.SHOWN:
        start = [subject[0].capitalize(), *subject[1:], " is worse for ", Data(worse), " than for "]
        headline = [*start, Data(better), f": {values} ({evidence})."]
        brief = ["worse for ", Data(worse), f" ({evidence})"]
    elif verdict is Verdict.UNCLEAR:
        start = ["There are signs that ", *subject, " is worse for ", Data(worse)]
        headline = [*start, " than for ", Data(better), f": {values} ({evidence}). "]
        headline.append("Interval and test disagree: more patients are needed to decide.")
        brief = ["unclear, perhaps worse for ", Data(worse), f" ({evidence})"]
    else:
        start = ["No difference in ", *subject, " between ", Data(worse)]
        headline = [*start, " and ", Data(better), f" could be shown: {values} ({evidence})."]
        headline.append(_no_proof(metric, comparison))
        brief = [f"no difference shown ({evidence})"]
    return Finding(verdict, headline, brief, gap)


def _many_groups(
    comparison: Comparison,
    metric: MetricInfo,
    gap: Gap,
    groups: list[str],
    verdict: Verdict,
    level: float,
) -> Finding:
    """Word the comparison of three or more groups."""
    sign = 1 if metric.better == "higher" else -1
    ordered = sorted(groups, key=lambda name: sign * comparison.groups[name].median)
    worst, best = ordered[0], ordered[-1]
    values: list[str] = [
        f"median {metric.title} ",
        numbers.with_unit(comparison.groups[worst].median, metric.unit),
        " for ",
        Data(worst),
        " (worst) and ",
        numbers.with_unit(comparison.groups[best].median, metric.unit),
        " for ",
        Data(best),
        " (best)",
    ]
    reference, other = gap.between
    words = ["largest gap from ", Data(reference), ": "]
    words += [numbers.with_unit(gap.value, metric.unit, signed=True), " for ", Data(other)]
    words.append(_interval_words(metric, gap.interval, level, signed=True))
    if comparison.test is not None:
        words.append(f"; {_test_words(comparison.test)}")
    subject = _segmentation(comparison.label)
    attribute = Data(comparison.attribute)
    if verdict is Verdict.SHOWN:
        start = [
            subject[0].capitalize(),
            *subject[1:],
            " differs between the groups of ",
            attribute,
        ]
        headline = [*start, ": ", *values, "; ", *words, "."]
        brief: list[str] = ["worst for ", Data(worst), ", best for ", Data(best)]
    elif verdict is Verdict.UNCLEAR:
        start = ["There are signs that ", *subject, " differs between the groups"]
        headline = [*start, " of ", attribute, ": ", *values, "; ", *words, ". "]
        headline.append(
            "Intervals and the test over all groups disagree: more patients are needed to decide."
        )
        brief = ["unclear, perhaps worst for ", Data(worst)]
    else:
        start = ["No difference in ", *subject, " between the groups of "]
        headline = [*start, attribute, " could be shown: ", *values, "; ", *words, "."]
        headline.append(_no_proof(metric, comparison))
        brief = ["no difference shown"]
    return Finding(verdict, headline, [*brief, " (", *words, ")"], gap)


def _values(comparison: Comparison, metric: MetricInfo, worse: str, better: str) -> str:
    low = numbers.with_unit(comparison.groups[worse].median, metric.unit)
    high = numbers.with_unit(comparison.groups[better].median, metric.unit)
    return f"median {metric.title} {low} against {high}"


def _evidence(
    comparison: Comparison, metric: MetricInfo, value: float, limits: Interval, level: float
) -> str:
    text = f"gap {numbers.with_unit(value, metric.unit)}"
    text += _interval_words(metric, limits, level)
    if comparison.test is not None:
        text += f", {_test_words(comparison.test)}"
    return text


def _interval_words(
    metric: MetricInfo, limits: Interval, level: float, *, signed: bool = False
) -> str:
    text = numbers.interval(limits, metric.unit, signed=signed)
    if text == numbers.UNDEFINED:
        return ", no interval"
    return f", {numbers.percent(level)} interval {text}"


def _no_proof(metric: MetricInfo, comparison: Comparison) -> str:
    gaps = [gap.interval for gap in comparison.gaps if gap.name == FAIRNESS_GAP]
    ends = [abs(end) for limits in gaps for end in (limits.low, limits.high)]
    largest = math.nan if any(map(math.isnan, ends)) else max(ends, default=math.nan)
    if math.isnan(largest):
        return " This does not prove that there is none."
    size = numbers.with_unit(largest, metric.unit)
    return (
        " This does not prove that there is none: a gap in the median of up to "
        f"{size} would fit these data too.{_power(metric, comparison)}"
    )


def _power(metric: MetricInfo, comparison: Comparison) -> str:
    """Say which difference these groups are too small to show; empty if not known."""
    effects = [e for e in comparison.effects if not math.isnan(e.detectable_gap)]
    worst = max(effects, key=lambda effect: effect.detectable_gap, default=None)
    if worst is None:
        return ""
    sizes = [comparison.groups[group].n_patients for group in worst.between]
    if None in sizes:
        return ""
    size = numbers.with_unit(worst.detectable_gap, metric.unit)
    return (
        f" With groups of {sizes[0]:,} and {sizes[1]:,} patients, a difference of the means "
        f"under {size} will usually go undetected."
    )


def too_small(comparison: Comparison) -> Sentence:
    """Return a sentence that names the groups left out; empty if there are none."""
    names = list(comparison.left_out)
    if not names:
        return ()
    shown = names[:4]
    pieces: list[str] = ["Not compared, because of too few patients or no defined value: "]
    for position, name in enumerate(shown):
        patients = comparison.groups[name].n_patients if name in comparison.groups else 0
        pieces += [", "] * bool(position)
        size = numbers.HIDDEN if patients is None else numbers.count(patients, "patient")
        pieces += [Data(name), f" ({size})"]
    if len(names) > len(shown):
        pieces.append(f" and {len(names) - len(shown)} more")
    return [*pieces, "."]


__all__ = [
    "FAIRNESS_GAP",
    "Finding",
    "Verdict",
    "compared_groups",
    "confidence",
    "find",
    "label_words",
    "main_gap",
    "too_small",
]
