"""Whether decisions at a threshold change more often for one group than for another.

A difference is ``shown`` if the exact test of equal rates, corrected by Holm's method over all
thresholds, labels and attributes of the result, rejects.
"""

from collections.abc import Iterator

from nnunetv2_fair.evaluation.findings.downstream.amounts import amount, of_label
from nnunetv2_fair.evaluation.findings.sentences import Data, Sentence
from nnunetv2_fair.evaluation.findings.wording import (
    confidence,
    test_words,
    untested,
    with_sentence,
)
from nnunetv2_fair.evaluation.results.downstream.comparison import Decisions, DownstreamComparison
from nnunetv2_fair.evaluation.results.evaluation import EvaluationResult
from nnunetv2_fair.evaluation.results.findings import Finding
from nnunetv2_fair.evaluation.results.values import MetricInfo

#: What the findings of this kind compare.
RECLASSIFIED = "reclassified"


def downstream_decisions(result: EvaluationResult) -> Iterator[Finding]:
    """Yield what every threshold shows where at least two groups are compared."""
    level = confidence(result.settings)
    for compared in result.downstream:
        for decisions in compared.decisions:
            if decisions.test is not None:
                found = _finding(compared, decisions, level)
                yield with_sentence(found, headline(found, compared.measure))


def headline(finding: Finding, metric: MetricInfo) -> Sentence:
    """Return the claim in one sentence.

    Args:
        finding: A finding of this quantity.
        metric: The measure.
    """
    limit = amount(finding.numbers["threshold"], metric.unit)
    subject = [f" at {limit} in {metric.title}", *of_label(finding.label)]
    worst, best = Data(finding.who[0]), Data(finding.who[-1])
    if len(finding.who) == 2:
        claim = (
            ["Decisions", *subject, " change more often for ", worst, " than for ", best]
            if finding.verdict == "shown"
            else ["No difference in how often decisions", *subject,
                  " change could be shown between ", worst, " and ", best]
        )  # fmt: skip
    else:
        of = [" between the groups of ", Data(finding.attribute)]
        claim = (
            ["How often decisions", *subject, " change differs", *of]
            if finding.verdict == "shown"
            else ["No difference in how often decisions", *subject, " change could be shown", *of]
        )
    counts: list[str] = []
    for name in finding.who:
        up, down = (f"{finding.numbers[f'{way}:{name}']:.0f}" for way in ("upward", "downward"))
        counts += ["; " if counts else ": ", Data(name), f" {finding.values[name] * 100:.1f}% of "
                   f"{finding.n[name]} (upward {up}, downward {down})"]  # fmt: skip
    test = test_words(finding)
    told = f" ({test})." if test else "."
    return [*claim, *counts, told, *([f" {finding.reason}"] if finding.reason else [])]


def brief(finding: Finding, metric: MetricInfo) -> Sentence:
    """Return the same in a few words, without the label."""
    limit = amount(finding.numbers["threshold"], metric.unit)
    at = f"at {limit} in {metric.title}"
    if finding.verdict != "shown":
        return [f"no difference shown in how often decisions {at} change ({test_words(finding)})"]
    if len(finding.who) > 2:
        return [f"how often decisions {at} change differs ({test_words(finding)})"]
    return [f"decisions {at} change more often for ", Data(finding.who[0]),
            f" ({test_words(finding)})"]  # fmt: skip


def _finding(compared: DownstreamComparison, decisions: Decisions, level: float) -> Finding:
    """Return the finding, not yet in words."""
    test = decisions.test
    if test is None:
        raise ValueError("Decisions without a test say nothing.")
    names = [name for name in decisions.groups if name not in compared.left_out]
    worst_first = sorted(names, key=lambda name: -decisions.groups[name].rate)
    groups = {name: decisions.groups[name] for name in worst_first}
    return Finding(
        kind="downstream",
        verdict="shown" if test.corrected_p < 1 - level else "not_shown",
        attribute=compared.attribute,
        metric=compared.measure.name,
        label=compared.label,
        quantity=f"{RECLASSIFIED}:{decisions.threshold:g}",
        who=tuple(worst_first),
        values={name: group.rate for name, group in groups.items()},
        confidence=level,
        test=test.name,
        p_value=test.p_value,
        corrected_p=test.corrected_p,
        family_size=test.family_size,
        n={name: group.n for name, group in groups.items()},
        numbers={
            "threshold": decisions.threshold,
            **{f"upward:{name}": float(group.upward) for name, group in groups.items()},
            **{f"downward:{name}": float(group.downward) for name, group in groups.items()},
        },
        reason=untested(test),
    )
