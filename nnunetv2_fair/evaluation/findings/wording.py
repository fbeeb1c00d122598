"""Words that several kinds of findings share."""

import dataclasses
import math
from collections.abc import Callable, Mapping
from typing import Any

from nnunetv2_fair.evaluation.findings import numbers
from nnunetv2_fair.evaluation.findings.sentences import Data, Sentence, listed, plain
from nnunetv2_fair.evaluation.results.findings import Finding, Verdict
from nnunetv2_fair.evaluation.results.groups import Comparison, GroupStatistics, GroupTest
from nnunetv2_fair.evaluation.results.tables.per_case import AVERAGE, ONLY_LABEL
from nnunetv2_fair.evaluation.results.values import Interval, MetricInfo

#: Verdicts as readers see them.
VERDICTS: Mapping[Verdict, str] = {
    "shown": "difference shown",
    "signs": "signs of a difference",
    "not_shown": "no difference shown",
    "excluded": "excluded",
    "unclear": "unclear",
    "not_comparable": "cannot be compared",
}

_DEFAULT_CONFIDENCE = 0.95

#: Chosen groups that a sentence names.
_MOST_NAMED = 4


def confidence(settings: Mapping[str, Any]) -> float:
    """Return the confidence level a result was computed with."""
    try:
        return float(settings.get("confidence", _DEFAULT_CONFIDENCE))
    except (TypeError, ValueError):
        return _DEFAULT_CONFIDENCE


def label_words(label: str) -> Sentence:
    """Return the name of a label in a title."""
    return ("mean of all labels",) if label == AVERAGE else (Data(label),)


def segmentation(label: str) -> list[str]:
    """Return the subject of a sentence."""
    if label == AVERAGE:
        return ["segmentation, averaged over all labels,"]
    if label == ONLY_LABEL:
        return ["segmentation"]
    return ["segmentation of ", Data(label)]


def mean_of(label: str, metric: MetricInfo) -> list[str]:
    """Return what the means of a label are called."""
    if label == AVERAGE:
        return [f"mean {metric.title}, averaged over all labels,"]
    if label == ONLY_LABEL:
        return [f"mean {metric.title}"]
    return [f"mean {metric.title} of ", Data(label)]


def groups_compared(finding: Finding) -> list[str]:
    """Return `` the groups of sex``, or which ones where groups were chosen."""
    if not finding.chosen:
        return [" the groups of ", Data(finding.attribute)]
    if len(finding.who) > _MOST_NAMED:
        return [" the chosen groups of ", Data(finding.attribute)]
    return [" ", *listed(finding.who), " (groups of ", Data(finding.attribute), ")"]


def interval_words(
    metric: MetricInfo,
    limits: Interval,
    level: float,
    *,
    signed: bool = False,
    together: bool = False,
) -> str:
    """Return ``, 95% interval 0.010 to 0.020``, or that none is shown.

    Args:
        metric: Its metric.
        limits: The interval.
        level: Its coverage.
        signed: Whether positive ends have a sign.
        together: Whether several intervals hold at once with this coverage.
    """
    text = numbers.interval(limits, metric.unit, signed=signed)
    if text == numbers.UNDEFINED:
        return ", no interval shown"
    kind = "simultaneous " if together else ""
    return f", {kind}{numbers.percent(level)} interval {text}"


def test_words(finding: Finding) -> str:
    """Return the test with its p-values; empty if there is none, or if it is hidden."""
    if not finding.test or math.isnan(finding.p_value):
        return ""
    text = f"{finding.test} {numbers.p_value(finding.p_value)}"
    if finding.family_size > 1 and not math.isnan(finding.corrected_p):
        text += f", corrected {numbers.p_value(finding.corrected_p)}"
    return text


def untested(test: GroupTest | None, start: str = "The") -> str:
    """Return a sentence that says why there is no p-value; empty if there is one.

    Args:
        test: The test.
        start: How the sentence begins, before "test".
    """
    if test is None or not math.isnan(test.p_value):
        return ""
    reason = test.reason or "its statistic is not defined for these values"
    return f"{start} test cannot be computed: {reason}."


def deciding_p(finding: Finding) -> float:
    """Return the p-value that decides: the corrected one where there is one."""
    return finding.p_value if math.isnan(finding.corrected_p) else finding.corrected_p


def worst_first(
    comparison: Comparison, metric: MetricInfo, value_of: Callable[[GroupStatistics], float]
) -> dict[str, float]:
    """Return the groups that are compared and have a value, the worst first.

    Args:
        comparison: The comparison.
        metric: Its metric.
        value_of: Statistics of a group -> its value.
    """
    values = {
        name: value_of(group)
        for name, group in comparison.groups.items()
        if name not in comparison.left_out and not math.isnan(value_of(group))
    }
    sign = 1 if metric.better == "higher" else -1
    return {name: values[name] for name in sorted(values, key=lambda n: sign * values[n])}


def with_sentence(finding: Finding, words: Sentence) -> Finding:
    """Return the finding with its claim in plain words."""
    return dataclasses.replace(finding, sentence=plain(words))
