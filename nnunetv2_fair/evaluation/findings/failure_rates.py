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
    segmentation,
    test_words,
    untested,
    with_sentence,
)
from nnunetv2_fair.evaluation.results.evaluation import EvaluationResult
from nnunetv2_fair.evaluation.results.failures import FailureComparison
from nnunetv2_fair.evaluation.results.findings import Finding, Verdict
from nnunetv2_fair.evaluation.results.values import MetricInfo

#: What the findings of this kind compare.
FAILURE_RATE = "failure_rate"


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
    rates = f"{metric.title} of {limit} {words} in {_share(finding.values[finding.who[0]])} against"
    rates += f" {_share(finding.values[finding.who[-1]])} of cases"
    evidence = f" ({_evidence(finding)})."
    subject = segmentation(finding.label)
    if len(finding.who) > 2:
        of = ["most often for ", worst, " and least often for ", best]
    else:
        of = ["more often for ", worst, " than for ", best]
    if finding.verdict == "shown":
        start = [subject[0].capitalize(), *subject[1:], " fails ", *of]
    elif finding.verdict == "signs":
        start = ["There are signs that ", *subject, " fails ", *of]
    else:
        pair = ["no difference in how often ", *subject, " fails could be shown between "]
        found = [pair[0].capitalize(), *pair[1:], worst, " and ", best, ": ", rates, evidence]
        return [*found, f" {finding.reason}"] if finding.reason else found
    return [*start, ": ", rates, evidence]


def brief(finding: Finding, metric: MetricInfo) -> Sentence:
    """Return the same in a few words, without the label."""
    worst = Data(finding.who[0])
    claims = {"shown": "fails more often for ", "signs": "signs of more failures for "}
    if finding.verdict in claims:
        return [claims[finding.verdict], worst, f" ({_evidence(finding)})"]
    return [f"no difference of failures in {metric.title} shown ({_evidence(finding)})"]


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
        reason=untested(test),
    )


def _verdict(corrected_p: float, level: float) -> Verdict:
    if corrected_p < level:
        return "shown"
    return "signs" if corrected_p < 2 * level else "not_shown"


def _evidence(finding: Finding) -> str:
    value, limits = finding.value, finding.interval
    if value < 0:
        value, limits = -value, limits.mirrored
    text = f"difference {_points(value)}"
    if not math.isnan(limits.low):
        ends = f"{_points(limits.low, unit=False)} to {_points(limits.high, unit=False)}"
        text += f", {numbers.percent(finding.confidence)} interval {ends}"
    return f"{text}; {test_words(finding)}"


def _share(rate: float) -> str:
    return f"{rate * 100:.1f}%"


def _points(difference: float, *, unit: bool = True) -> str:
    text = f"{abs(difference) * 100:.1f}"
    sign = numbers.MINUS if difference < 0 and float(text) else ""
    return f"{sign}{text}{' percentage points' if unit else ''}"
