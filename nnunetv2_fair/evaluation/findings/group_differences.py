"""Whether groups differ in a metric, in words that claim no more than the numbers.

A difference of medians is ``shown`` only if the interval of a gap excludes zero *and* the test
rejects after correction for the number of tests. If one of them does, or the test rejects only
before correction, there are ``signs``; and ``not_shown`` is never worded as "equal". With three or
more groups the intervals of all gaps hold together: of twelve equal groups, one of eleven separate
95% intervals would exclude zero in a quarter of all studies.
"""

import dataclasses
import math
from collections.abc import Iterator, Sequence

from nnunetv2_fair.evaluation.findings import numbers
from nnunetv2_fair.evaluation.findings.mean_differences import mean_difference
from nnunetv2_fair.evaluation.findings.sentences import Data, Sentence
from nnunetv2_fair.evaluation.findings.wording import (
    confidence,
    deciding_p,
    groups_compared,
    interval_words,
    segmentation,
    test_words,
    untested,
    with_sentence,
    worst_first,
)
from nnunetv2_fair.evaluation.results.evaluation import EvaluationResult
from nnunetv2_fair.evaluation.results.findings import Finding, Verdict
from nnunetv2_fair.evaluation.results.groups import NOT_CHOSEN, Comparison, Gap
from nnunetv2_fair.evaluation.results.values import Interval, MetricInfo

FAIRNESS_GAP = "fairness_gap"

#: Groups left out that a sentence names.
_MOST_LEFT_OUT = 4

#: What the findings of this kind compare.
MEDIAN = "median"

_FEW_GROUPS = "only one group is large enough"
_NO_GROUP = "no group is large enough and has a defined value"
_NO_GAP = "the gap could not be computed"
_WITHOUT_INTERVAL = "The test alone is not enough, and no interval could be computed."


def group_differences(result: EvaluationResult) -> Iterator[Finding]:
    """Yield what every comparison shows about the medians and the means of its groups."""
    level = confidence(result.settings)
    for comparison in result.comparisons:
        metric = result.metric(comparison.metric)
        found = _of_medians(comparison, metric, level)
        yield with_sentence(found, headline(found, metric))
        means = mean_difference(comparison, metric, level)
        if means is not None:
            yield with_sentence(means, headline(means, metric))


def fairness_gaps(comparison: Comparison) -> list[Gap]:
    """Return the gaps between the reference group and each other one."""
    return [gap for gap in comparison.gaps if gap.name == FAIRNESS_GAP]


def fitting_gap(gaps: Sequence[Gap]) -> float:
    """Return the largest gap that the deciding intervals hold; NaN if one of them is not known."""
    limits = [deciding_interval(gap) for gap in gaps]
    ends = [abs(end) for interval in limits for end in (interval.low, interval.high)]
    return math.nan if any(map(math.isnan, ends)) else max(ends, default=math.nan)


def main_gap(comparison: Comparison) -> Gap | None:
    """Return the largest fairness gap by size; None if none could be computed."""
    gaps = [gap for gap in fairness_gaps(comparison) if not math.isnan(gap.value)]
    return max(gaps, key=lambda gap: abs(gap.value), default=None)


def deciding_interval(gap: Gap) -> Interval:
    """Return the interval that decides: the simultaneous one where there are several gaps."""
    return gap.interval if math.isnan(gap.simultaneous.low) else gap.simultaneous


def left_out(comparison: Comparison) -> Sentence:
    """Return sentences that name the groups left out; empty if there are none."""
    reasons = comparison.left_out
    others: list[Sentence] = [[Data(n)] for n, reason in reasons.items() if reason == NOT_CHOSEN]
    small: list[Sentence] = [
        [Data(n), f" ({reason})"] for n, reason in reasons.items() if reason != NOT_CHOSEN
    ]
    made: list[str] = []
    for start, names in (("Shown, not compared: ", others), ("Not compared: ", small)):
        if names:
            made += [*[" "] * bool(made), start, *_first_few(names), "."]
    return made


def _first_few(names: Sequence[Sentence]) -> list[str]:
    pieces: list[str] = []
    for position, name in enumerate(names[:_MOST_LEFT_OUT]):
        pieces += [*[", "] * bool(position), *name]
    if len(names) > _MOST_LEFT_OUT:
        pieces.append(f" and {len(names) - _MOST_LEFT_OUT} more")
    return pieces


def headline(finding: Finding, metric: MetricInfo) -> Sentence:
    """Return the claim in one or two sentences.

    Args:
        finding: A finding of this kind.
        metric: Its metric.
    """
    if finding.verdict == "not_comparable":
        return _not_comparable(finding, metric)
    words = _two_groups if len(finding.who) == 2 else _many_groups
    limit = [f" {finding.reason}"] if finding.verdict == "shown" and finding.reason else []
    return [*words(finding, metric), *limit]


def brief(finding: Finding, metric: MetricInfo) -> Sentence:
    """Return the same in a few words, without the label."""
    if finding.verdict == "not_comparable":
        return ("cannot be compared",)
    worst, best = Data(finding.who[0]), Data(finding.who[-1])
    if len(finding.who) == 2:
        evidence = _evidence(finding, metric)
        evidence = f" ({evidence})" if evidence else ""
        if finding.verdict == "shown":
            return ["worse for ", worst, evidence]
        if finding.verdict == "signs":
            return ["signs of worse segmentation for ", worst, evidence]
        return [f"no difference shown{evidence}"]
    words = [" (", *_largest_gap(finding, metric), ")"]
    if finding.verdict == "shown":
        return ["worst for ", worst, ", best for ", best, *words]
    if finding.verdict == "signs":
        return ["signs of a difference, worst for ", worst, *words]
    return ["no difference shown", *words]


def _of_medians(comparison: Comparison, metric: MetricInfo, level: float) -> Finding:
    """Return the finding, not yet in words."""
    gap = main_gap(comparison)
    medians = worst_first(comparison, metric, lambda group: group.median)
    if len(medians) < 2 or gap is None:
        reason = _NO_GROUP if not medians else _FEW_GROUPS if len(medians) < 2 else _NO_GAP
        return Finding(
            "group_difference", "not_comparable", comparison.attribute, comparison.metric,
            comparison.label, MEDIAN, tuple(medians), medians, confidence=level, reason=reason,
        )  # fmt: skip
    test = comparison.test
    found = Finding(
        kind="group_difference",
        verdict="not_shown",
        attribute=comparison.attribute,
        metric=comparison.metric,
        label=comparison.label,
        quantity=MEDIAN,
        who=tuple(medians),
        values=medians,
        between=gap.between,
        value=gap.value,
        interval=deciding_interval(gap),
        confidence=level,
        test="" if test is None else test.name,
        p_value=math.nan if test is None else test.p_value,
        corrected_p=math.nan if test is None else test.corrected_p,
        family_size=0 if test is None else test.family_size,
        n={name: comparison.groups[name].n_units for name in medians},
        numbers=_further_numbers(comparison, gap),
        chosen=comparison.is_of_chosen,
    )
    return _decided(found, comparison)


def _decided(finding: Finding, comparison: Comparison) -> Finding:
    by_interval = any(
        numbers.excludes_zero(deciding_interval(gap)) for gap in fairness_gaps(comparison)
    )
    level = 1 - finding.confidence
    verdict: Verdict = "not_shown"
    if by_interval and deciding_p(finding) < level:
        verdict = "shown"
    elif by_interval or finding.p_value < level:
        verdict = "signs"
    if verdict == "not_shown":
        return dataclasses.replace(finding, reason=untested(comparison.test))
    reason = ""
    if verdict == "signs":
        reason = untested(comparison.test, "The interval excludes zero, but the")
        reason = reason or _doubt(by_interval, finding.p_value < level, deciding_p(finding) < level)
        if all(math.isnan(deciding_interval(gap).low) for gap in fairness_gaps(comparison)):
            reason = _WITHOUT_INTERVAL
    return dataclasses.replace(finding, verdict=verdict, direction="worse", reason=reason)


def _doubt(by_interval: bool, by_test: bool, by_corrected_test: bool) -> str:
    """Say what is missing for a claim."""
    if by_interval and by_test:
        return "After correction for the number of tests, the test does not reject."
    if by_interval:
        return "The interval excludes zero, but the test does not reject."
    if by_corrected_test:
        return "The test rejects, but the interval does not exclude zero."
    return "The test rejects only before correction, and the interval does not exclude zero."


def _further_numbers(comparison: Comparison, gap: Gap) -> dict[str, float]:
    """Return which gaps fit the data, and which would have been seen."""
    effect = next((e for e in comparison.effects if e.between == gap.between), None)
    return {
        "fitting_gap": fitting_gap(fairness_gaps(comparison)),
        "detectable_gap": math.nan if effect is None else effect.detectable_gap,
        "detectable_gap_half": math.nan if effect is None else effect.detectable_gap_half,
    }


def _not_comparable(finding: Finding, metric: MetricInfo) -> Sentence:
    pieces: list[str] = ["The groups of ", Data(finding.attribute), " cannot be compared"]
    if finding.reason == _NO_GROUP:
        return [*pieces, f": no group is large enough and has a defined {metric.title}."]
    if finding.reason == _FEW_GROUPS:
        return [*pieces, ": only ", Data(finding.who[0]), " is large enough."]
    if finding.reason == _NO_GAP:
        return [*pieces, f": the gap in {metric.title} could not be computed."]
    return [*pieces, f": {finding.reason}."]


def _two_groups(finding: Finding, metric: MetricInfo) -> Sentence:
    worse, better = (Data(name) for name in finding.who)
    subject = segmentation(finding.label)
    evidence = [f" ({words})" for words in [_evidence(finding, metric)] if words]
    values = [*_two_values(finding, metric), *evidence]
    if finding.verdict == "shown":
        start = [subject[0].capitalize(), *subject[1:], " is worse for ", worse, " than for "]
        return [*start, better, ": ", *values, "."]
    if finding.verdict == "signs":
        start = ["There are signs that ", *subject, " is worse for ", worse, " than for ", better]
        return [*start, ": ", *values, f". {finding.reason}"]
    start = ["No difference in ", *subject, " between ", worse, " and ", better]
    start += [" could be shown: ", *values, ".", *_missing(finding)]
    return [*start, *_no_proof(finding, metric)]


def _two_values(finding: Finding, metric: MetricInfo) -> list[str]:
    """Return the values of two groups, or which are hidden."""
    shown = [(n, finding.values[n]) for n in finding.who if not math.isnan(finding.values[n])]
    name = f"{finding.quantity} {metric.title}"
    if not shown:
        return [f"{name} {numbers.HIDDEN} of both"]
    words = [numbers.with_unit(value, metric.unit) for _, value in shown]
    if len(shown) == 2:
        return [f"{name} {words[0]} against {words[1]}"]
    hidden = next(n for n in finding.who if n != shown[0][0])
    return [f"{name} {words[0]} for ", Data(shown[0][0]), f", {numbers.HIDDEN} for ", Data(hidden)]


def _many_groups(finding: Finding, metric: MetricInfo) -> Sentence:
    worst, best = finding.who[0], finding.who[-1]
    values = [
        f"{finding.quantity} {metric.title} ",
        numbers.or_hidden(finding.values[worst], metric.unit),
        " for ",
        Data(worst),
        " (worst) and ",
        numbers.or_hidden(finding.values[best], metric.unit),
        " for ",
        Data(best),
        " (best); ",
        *_largest_gap(finding, metric),
        ".",
    ]
    if any(math.isnan(finding.values[name]) for name in (worst, best)):
        lowest, highest = (
            numbers.or_hidden(finding.values[name], metric.unit) for name in (worst, best)
        )
        values = [
            "worst for ", Data(worst), f" ({finding.quantity} {metric.title} {lowest}), best for ",
            Data(best), f" ({highest}); ", *_largest_gap(finding, metric), ".",
        ]  # fmt: skip
    subject, groups = segmentation(finding.label), groups_compared(finding)
    if finding.verdict == "shown":
        start = [subject[0].capitalize(), *subject[1:], " differs between"]
        return [*start, *groups, ": ", *values]
    if finding.verdict == "signs":
        start = ["There are signs that ", *subject, " differs between", *groups]
        return [*start, ": ", *values, f" {finding.reason}"]
    start = ["No difference in ", *subject, " between", *groups]
    start += [" could be shown: ", *values, *_missing(finding)]
    return [*start, *_no_proof(finding, metric)]


def _missing(finding: Finding) -> list[str]:
    """Say why there is no test, where there is none."""
    return [f" {finding.reason}"] if finding.reason else []


def _evidence(finding: Finding, metric: MetricInfo) -> str:
    """Return gap and test of two groups; empty if both are hidden."""
    value, limits = _not_negative(finding)
    test = test_words(finding)
    if math.isnan(value) and math.isnan(limits.low):
        return test
    text = f"gap {numbers.or_hidden(value, metric.unit)}"
    text += interval_words(metric, limits, finding.confidence)
    return f"{text}, {test}" if test else text


def _not_negative(finding: Finding) -> tuple[float, Interval]:
    """Return gap and interval with the sign turned so that the gap is not negative."""
    value, limits = finding.value, finding.interval
    hidden_negative = math.isnan(value) and limits.high < 0
    return (-value, limits.mirrored) if value < 0 or hidden_negative else (value, limits)


def _largest_gap(finding: Finding, metric: MetricInfo) -> list[str]:
    """Return the gap that decides; the sign is turned so that it is not negative."""
    one, other = finding.between
    value, limits = _not_negative(finding)
    words = ["largest gap between ", Data(one), " and ", Data(other), ": "]
    if {one, other} != {finding.who[0], finding.who[-1]}:  # worst and best are further apart
        words = ["largest gap from the reference group ", Data(one), ", to ", Data(other), ": "]
    words.append(numbers.or_hidden(value, metric.unit))
    together = finding.quantity == MEDIAN
    words.append(interval_words(metric, limits, finding.confidence, together=together))
    test = test_words(finding)
    return [*words, f"; {test}"] if test else words


def _no_proof(finding: Finding, metric: MetricInfo) -> Sentence:
    """Say what the data do not rule out, and what they were too few to show."""
    largest = finding.numbers["fitting_gap"]
    # "up to 0.000" would be no bound: where medians are ties, an interval may have no width
    if math.isnan(largest) or numbers.is_zero(largest, metric.unit):
        return (" This does not prove that there is none.",)
    size = numbers.with_unit(largest, metric.unit)
    words: list[str] = [
        " This does not prove that there is none: a gap in the "
        f"{finding.quantity} of up to {size} would fit these data too."
    ]
    detectable = finding.numbers["detectable_gap"]
    # in the order in which the sentence names them
    pair = finding.who if len(finding.who) == 2 else finding.between
    sizes = [finding.n[name] for name in pair]
    if not math.isnan(detectable) and None not in sizes:
        size = numbers.with_unit(detectable, metric.unit)
        # of patients, or of cases where these are counted
        words += [f" With {numbers.count(sizes[0], 'value')} of ", Data(pair[0])]
        words += [f" and {numbers.whole(sizes[1])} of ", Data(pair[1])]
        words.append(f", a gap of {size} would be shown in 80% of studies")
        half = finding.numbers["detectable_gap_half"]
        if not math.isnan(half):
            words.append(f", one of {numbers.with_unit(half, metric.unit)} in 50%")
        words.append(".")
    return words
