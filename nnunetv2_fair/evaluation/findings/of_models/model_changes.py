"""How a model differs from the baseline: overall, in each group, its worst group, and its gap.

A change is ``shown`` if it is clear enough for the strongest of everything that is said about one
metric: all models, labels, attributes and groups, worst groups, gaps and ranks. In at most 5% of
comparisons of equal models does any metric show any change (at 95% confidence). There are
``signs`` of a change at twice that rate, and ``not_shown`` is never worded as "equal".
"""

import math
from collections.abc import Iterator

from nnunetv2_fair.evaluation.findings import numbers
from nnunetv2_fair.evaluation.findings.sentences import Data, Sentence
from nnunetv2_fair.evaluation.findings.wording import confidence, mean_of, with_sentence
from nnunetv2_fair.evaluation.results.comparison import (
    ABSOLUTE_GAP,
    BETWEEN_GROUP_VARIANCE,
    GROUP_MEAN,
    OVERALL_MEAN,
    WORST_GROUP_MEAN,
    Difference,
    ModelComparison,
    PairedComparison,
)
from nnunetv2_fair.evaluation.results.findings import Direction, Finding, Verdict
from nnunetv2_fair.evaluation.results.groups import NOT_CHOSEN
from nnunetv2_fair.evaluation.results.values import MetricInfo

GAPS = (ABSOLUTE_GAP, BETWEEN_GROUP_VARIANCE)

#: Why a smaller gap is no gain.
LEVELLING_DOWN = "levelling down"

_FEW_GROUPS = "fewer than two groups are large enough"
#: Why a change cannot be tested.
FEW = "too few patients, or undefined"

#: What limits signs of a change.
DOUBT = "The corrected p-value is above the level, but below twice the level."

#: The test of a change of a mean.
T_TEST = "paired t test"
_INTERSECTION = "intersection-union of t tests"


def model_changes(result: ModelComparison) -> Iterator[Finding]:
    """Yield what every model changes from the baseline, by every attribute, label and metric."""
    for entry in result.entries:
        for model in entry.differences:
            yield from changes_of(result, entry, model)


def changes_of(result: ModelComparison, entry: PairedComparison, model: str) -> list[Finding]:
    """Return what one model changes in one metric of one label, by one attribute."""
    make = _Maker(result, entry, model)
    differences = entry.differences[model]
    base, own = entry.per_model[result.baseline], entry.per_model[model]
    groups = [
        make.finding(GROUP_MEAN, (group,), found, own.group_means[group], base.group_means[group])
        for group, found in differences.groups.items()
    ]
    worst = make.finding(
        WORST_GROUP_MEAN,
        tuple(dict.fromkeys(name for name in (own.worst_group, base.worst_group) if name)),
        differences.worst_group,
        own.worst_group_mean,
        base.worst_group_mean,
    )
    measure = entry.gap_measure or BETWEEN_GROUP_VARIANCE
    reason = ""
    compared = [found for found in groups if found.who[0] not in entry.left_out]
    if any(_is(found, "worse") for found in compared):
        lifted = (worst, *(found for found in compared if base.worst_group in found.who))
        reason = "" if any(_is(found, "better") for found in lifted) else LEVELLING_DOWN
    gap = make.finding(
        measure, (), differences.between_groups, own.between_groups, base.between_groups, reason
    )
    overall = make.finding(
        OVERALL_MEAN, (), differences.overall, own.overall_mean, base.overall_mean
    )
    metric = result.metric(entry.metric)
    return [with_sentence(f, headline(f, metric)) for f in (gap, overall, worst, *groups)]


def headline(finding: Finding, metric: MetricInfo) -> Sentence:
    """Return the claim in a sentence."""
    return [*_claim(finding, metric), *_numbers(finding, metric), "."]


def brief(finding: Finding, metric: MetricInfo) -> Sentence:
    """Return the claim in a few words, without the model and the label."""
    if finding.verdict == "not_comparable":
        return ("cannot be compared",)
    words: list[str] = [finding.direction or "no change shown"]
    if finding.verdict == "signs":
        words.insert(0, "signs of being ")
    if finding.quantity == WORST_GROUP_MEAN:
        words += _worst(finding)
    return [*words, *_numbers(finding, metric)]


def amount(finding: Finding, metric: MetricInfo) -> Sentence:
    """Return who changes by how much: ``male loses 0.015 (-0.021 to -0.009)``."""
    limits = numbers.interval(finding.interval, metric.unit, signed=True)
    size = numbers.with_unit(abs(finding.value), metric.unit)
    within = f" ({limits})" if limits != numbers.UNDEFINED else ""
    verb = f"gets {finding.direction}"
    if metric.better == "higher":
        verb = "gains" if finding.direction == "better" else "loses"
    if math.isnan(finding.value):
        return [Data(finding.who[0]), f" {verb} (by how much is {numbers.HIDDEN})"]
    by = "" if metric.better == "higher" else "by "
    return [Data(finding.who[0]), f" {verb} {by}{size}{within}"]


class _Maker:
    """Makes the findings of one model in one metric, label and attribute."""

    def __init__(self, result: ModelComparison, entry: PairedComparison, model: str) -> None:
        self._result, self._entry, self._model = result, entry, model
        self._level = confidence(result.settings)
        self._metric = result.metric(entry.metric)
        by_case = result.settings.get("unit") == "case"
        self._counts = entry.group_cases if by_case else entry.group_patients

    def finding(
        self,
        quantity: str,
        who: tuple[str, ...],
        found: Difference,
        after: float,
        before: float,
        limit: str = "",
    ) -> Finding:
        """Return one finding, not yet in words.

        Args:
            quantity: What changes.
            who: Groups that it is about; empty for all.
            found: The difference.
            after: Value of the model.
            before: Value of the baseline.
            limit: What is to be said if the gap is smaller.
        """
        p_value = math.nan if found.p_value is None else found.p_value
        corrected = math.nan if found.corrected_p is None else found.corrected_p
        verdict = verdict_of(found.value, corrected, self._level)
        direction: Direction = ""
        if verdict in ("shown", "signs"):
            direction = self._direction(quantity, found.value)
        reason = limit if verdict == "shown" and direction == "smaller" else ""
        if verdict == "signs":
            reason = DOUBT
        elif verdict == "not_comparable":
            reason = _FEW_GROUPS if quantity in (*GAPS, WORST_GROUP_MEAN) else FEW
            if any(self._entry.left_out.get(name) == NOT_CHOSEN for name in who):
                reason = NOT_CHOSEN
        means = quantity in (OVERALL_MEAN, GROUP_MEAN)
        model, baseline = self._model, self._result.baseline
        return Finding(
            kind="model_change",
            verdict=verdict,
            attribute=self._entry.attribute,
            metric=self._entry.metric,
            label=self._entry.label,
            quantity=quantity,
            who=who,
            values={model: after, baseline: before},
            between=(model, baseline),
            direction=direction,
            value=found.value,
            interval=found.simultaneous,
            confidence=self._level,
            test=T_TEST if means else _INTERSECTION,
            p_value=p_value,
            corrected_p=corrected,
            family_size=self._entry.family_size,
            n={group: self._counts.get(group) for group in who or self._counts},
            model=model,
            baseline=baseline,
            reason=reason,
        )

    def _direction(self, quantity: str, value: float) -> Direction:
        if quantity in GAPS:
            return "smaller" if value < 0 else "larger"
        return "better" if (value > 0) == (self._metric.better == "higher") else "worse"


def verdict_of(value: float, corrected_p: float, level: float) -> Verdict:
    """Return what can be said of a change.

    Args:
        value: The change.
        corrected_p: Its corrected p-value.
        level: Confidence of the comparison.
    """
    if math.isnan(value) or math.isnan(corrected_p):
        return "not_comparable"
    # 0.05 is 1 - 0.95 give or take a rounding error
    if corrected_p <= 1 - level + 1e-9:
        return "shown"
    return "signs" if corrected_p <= 2 * (1 - level) + 1e-9 else "not_shown"


def _is(finding: Finding, direction: Direction) -> bool:
    return finding.verdict == "shown" and finding.direction == direction


def _claim(finding: Finding, metric: MetricInfo) -> list[str]:
    if finding.quantity in GAPS:
        return _gap_claim(finding, metric)
    start = ["With ", Data(finding.model), ", "]
    mean = mean_of(finding.label, metric)
    if finding.quantity == OVERALL_MEAN:
        start += ["the overall ", *mean]
    elif finding.quantity == GROUP_MEAN:
        start += ["the ", *mean, " for ", Data(finding.who[0])]
    else:
        start += ["the ", *mean, " for the worst group", *_worst(finding)]
    if finding.verdict == "not_comparable":
        return [*start, f" cannot be compared ({finding.reason})"]
    if finding.verdict == "not_shown":
        return [*start, " is not shown to change"]
    return [*start, f" {'is' if finding.verdict == 'shown' else 'shows signs of being'} "
            f"{finding.direction}"]  # fmt: skip


def _gap_claim(finding: Finding, metric: MetricInfo) -> list[str]:
    between = [" between the groups of ", Data(finding.attribute)]
    gap = ["gap in ", *mean_of(finding.label, metric), *between]
    model = Data(finding.model)
    if finding.verdict == "not_comparable":
        return ["With ", model, ", the ", *gap, f" cannot be compared ({finding.reason})"]
    if finding.verdict == "not_shown":
        return ["With ", model, ", no change of the ", *gap, " could be shown"]
    if finding.verdict == "signs":
        return ["There are signs that with ", model, ", the ", *gap, f" is {finding.direction}"]
    by = f" by {finding.reason}" if finding.reason == LEVELLING_DOWN else ""
    return ["With ", model, ", the ", *gap, f" is {finding.direction}{by}"]


def _worst(finding: Finding) -> list[str]:
    if len(finding.who) > 1:
        return [" (", Data(finding.who[1]), " before, ", Data(finding.who[0]), " now)"]
    return [" (", Data(finding.who[0]), ")"] if finding.who else []


def _numbers(finding: Finding, metric: MetricInfo) -> list[str]:
    """Return ``: 0.775 instead of 0.750 (change +0.025, ...)``; empty if there are none.

    NaN is hidden in a shareable result.
    """
    if finding.verdict == "not_comparable":
        return []
    after, before = finding.values[finding.model], finding.values[finding.baseline]
    if math.isnan(finding.value):
        return [f": numbers {numbers.HIDDEN}"]
    hidden = math.isnan(after) or math.isnan(before)
    corrected = f"corrected {numbers.p_value(finding.corrected_p)}"
    if finding.quantity == BETWEEN_GROUP_VARIANCE:
        if hidden:
            return [f": numbers {numbers.HIDDEN}"]
        # variances are hard to read; their roots have the unit of the metric
        new, old = (
            numbers.with_unit(math.sqrt(max(0.0, value)), metric.unit) for value in (after, before)
        )
        return [f": SD between the groups beyond chance {new} instead of {old} ({corrected})"]
    new, old = (numbers.with_unit(value, metric.unit) for value in (after, before))
    change = numbers.with_unit(finding.value, metric.unit, signed=True)
    text = f": {new} instead of {old} (change {change}"
    if hidden:
        text = f" ({change}"
    limits = numbers.interval(finding.interval, metric.unit, signed=True)
    if limits != numbers.UNDEFINED:
        text += f", simultaneous {numbers.percent(finding.confidence)} interval {limits}"
    return [f"{text}, {corrected})"]
