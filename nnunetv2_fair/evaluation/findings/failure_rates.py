"""Whether groups fail at different rates, in words that claim no more than the numbers.

A difference is ``shown`` if the exact test, corrected over all failure rates of the result, rejects
at 1 minus the confidence; there are ``signs`` if it would at twice that level. Measured on equal
rates of 3 to 20%, 2 to 12 groups, one to five images per patient: ``shown`` in 0.00 to 0.05 of
results, either in at most 0.11. Rates of 3% against 15%: shown in 0.53 with 50 patients in each
group, 0.83 with 100.
"""

import math
from collections.abc import Iterator

from nnunetv2_fair.evaluation.findings import numbers
from nnunetv2_fair.evaluation.findings.sentences import Data, Sentence
from nnunetv2_fair.evaluation.findings.wording import (
    confidence,
    groups_compared,
    segmentation,
    test_words,
    untested,
    with_sentence,
)
from nnunetv2_fair.evaluation.results.evaluation import EvaluationResult
from nnunetv2_fair.evaluation.results.failures import FailureComparison
from nnunetv2_fair.evaluation.results.findings import Finding, Verdict
from nnunetv2_fair.evaluation.results.groups import NOT_CHOSEN
from nnunetv2_fair.evaluation.results.values import MetricInfo

#: What the findings of this kind compare.
FAILURE_RATE = "failure_rate"

_DOUBT = "The corrected p-value is above the level, but below twice the level."


def failure_rates(result: EvaluationResult) -> Iterator[Finding]:
    """Yield what every comparison of failure rates shows; nothing where no case failed."""
    level = confidence(result.settings)
    for comparison in result.failures:
        if comparison.test is None or not any(g.n_failed for g in comparison.groups.values()):
            continue
        found = _finding(comparison, level)
        yield with_sentence(found, headline(found, result.metric(comparison.metric)))


def headline(finding: Finding, metric: MetricInfo) -> Sentence:
    """Return the claim in one sentence.

    Args:
        finding: A finding of this kind.
        metric: Its metric.
    """
    worst, best = (Data(name) for name in (finding.who[0], finding.who[-1]))
    threshold = finding.numbers["threshold"]
    limit = f"{threshold:g}{' ' if metric.unit else ''}{metric.unit}"
    words = "or less" if metric.better == "higher" else "or more"
    most, least = (_share(finding.values[name]) for name in (finding.who[0], finding.who[-1]))
    rates = [f": {metric.title} of {limit} {words} in {most} "]
    if len(finding.who) > 2:
        rates += ["of cases for ", worst, f" (most often) and {least} for ", best]
        rates += [" (least often); ", *_largest_difference(finding), "."]
    else:
        rates.append(f"against {least} of cases ({_evidence(finding)}).")
    limit_of_claim = [f" {finding.reason}"] if finding.reason else []
    return [*_claim(finding, worst, best), *rates, *limit_of_claim]


def brief(finding: Finding, metric: MetricInfo) -> Sentence:
    """Return the same in a few words, without the label."""
    worst = Data(finding.who[0])
    claims = {"shown": "fails more often for ", "signs": "signs of more failures for "}
    if finding.verdict in claims:
        return [claims[finding.verdict], worst, f" ({_evidence(finding)})"]
    return [f"no difference of failures in {metric.title} shown ({_evidence(finding)})"]


def _claim(finding: Finding, worst: Data, best: Data) -> Sentence:
    subject = segmentation(finding.label)
    if len(finding.who) > 2:
        # the test is one of all groups: it does not say which of them differ
        of = groups_compared(finding)
        often = ["how often ", *subject, " fails"]
        claims = {
            "shown": ["How often ", *subject, " fails differs between"],
            "signs": ["There are signs that ", *often, " differs between"],
        }
    else:
        of = [" ", worst, " and ", best]
        often = ["how often ", *subject, " fails"]
        more = [" fails more often for ", worst, " than for ", best]
        if finding.verdict == "shown":
            return [subject[0].capitalize(), *subject[1:], *more]
        if finding.verdict == "signs":
            return ["There are signs that ", *subject, *more]
        claims = {}
    none = ["No difference in ", *often, " could be shown between"]
    return [*claims.get(finding.verdict, none), *of]


def _finding(comparison: FailureComparison, level: float) -> Finding:
    """Return the finding, not yet in words."""
    test = comparison.test
    if test is None:
        raise ValueError("A comparison without a test says nothing.")
    compared = [name for name in comparison.groups if name not in comparison.left_out]
    # equal rates keep the dictionary's order
    worst_first = sorted(compared, key=lambda name: -comparison.groups[name].rate)
    largest = max(comparison.differences, key=lambda d: abs(d.value))
    verdict = _verdict(test.corrected_p, 1 - level)
    return Finding(
        kind="failure_rate",
        verdict=verdict,
        attribute=comparison.attribute,
        metric=comparison.metric,
        label=comparison.label,
        quantity=FAILURE_RATE,
        who=tuple(worst_first),
        values={name: comparison.groups[name].rate for name in worst_first},
        direction="worse" if verdict in ("shown", "signs") else "",
        between=largest.between,
        value=largest.value,
        interval=largest.interval,
        confidence=level,
        test=test.name,
        p_value=test.p_value,
        corrected_p=test.corrected_p,
        family_size=test.family_size,
        n={name: comparison.groups[name].n_patients for name in worst_first},
        numbers={"threshold": comparison.threshold},
        chosen=NOT_CHOSEN in comparison.left_out.values(),
        reason=_DOUBT if verdict == "signs" else untested(test),
    )


def _verdict(corrected_p: float, level: float) -> Verdict:
    if corrected_p < level:
        return "shown"
    return "signs" if corrected_p < 2 * level else "not_shown"


def _evidence(finding: Finding) -> str:
    return f"difference {_points(abs(finding.value))}{_interval_and_test(finding)}"


def _interval_and_test(finding: Finding) -> str:
    """Return both; the sign is turned so that the difference is not negative."""
    limits = finding.interval if finding.value >= 0 else finding.interval.mirrored
    text = ""
    if not math.isnan(limits.low):
        ends = f"{_points(limits.low, unit=False)} to {_points(limits.high, unit=False)}"
        text = f", {numbers.percent(finding.confidence)} interval {ends}"
    test = test_words(finding)
    return f"{text}; {test}" if test else text


def _largest_difference(finding: Finding) -> Sentence:
    """Return which difference from the reference group is the largest, and the test of all."""
    reference, other = finding.between
    first, second = (other, reference) if finding.value >= 0 else (reference, other)
    pair = [" (", Data(first), f" {numbers.MINUS} ", Data(second), ")"]
    size = _points(abs(finding.value))
    evidence = _interval_and_test(finding)
    return ["largest difference from ", Data(reference), f": {size}", *pair, evidence]


def _share(rate: float) -> str:
    return f"{rate * 100:.1f}%"


def _points(difference: float, *, unit: bool = True) -> str:
    text = f"{abs(difference) * 100:.1f}"
    sign = numbers.MINUS if difference < 0 and float(text) else ""
    return f"{sign}{text}{' percentage points' if unit else ''}"
