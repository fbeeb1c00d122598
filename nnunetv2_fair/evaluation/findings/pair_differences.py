"""Which two of more than two groups differ.

A pair is claimed only if the test of all groups rejects and the pair's own test does. Both are
corrected for their number: the former over all attributes and labels by the same metric, the latter
over the pairs of all of them. Pairs without a claim have no finding; their tests are in the table
of pairs.
"""

import math
from collections.abc import Iterator

from nnunetv2_fair.evaluation.findings import numbers
from nnunetv2_fair.evaluation.findings.sentences import Data, Sentence
from nnunetv2_fair.evaluation.findings.wording import (
    confidence,
    deciding_p,
    segmentation,
    test_words,
    with_sentence,
)
from nnunetv2_fair.evaluation.results.evaluation import EvaluationResult
from nnunetv2_fair.evaluation.results.findings import Finding
from nnunetv2_fair.evaluation.results.groups import Comparison, PairTest
from nnunetv2_fair.evaluation.results.values import MetricInfo

#: What the findings of this kind compare.
CLIFFS_DELTA = "cliffs_delta"


def pair_differences(result: EvaluationResult) -> Iterator[Finding]:
    """Yield the pairs of groups that differ."""
    level = confidence(result.settings)
    for comparison in result.comparisons:
        test = comparison.test
        if test is None or not test.corrected_p < 1 - level:
            continue
        metric = result.metric(comparison.metric)
        for pair in comparison.pairs:
            found = _finding(comparison, pair, metric, level)
            if pair.cliffs_delta and deciding_p(found) < 1 - level:
                yield with_sentence(found, headline(found, metric))


def headline(finding: Finding, metric: MetricInfo) -> Sentence:
    """Return the claim in one sentence.

    Args:
        finding: A finding of this kind.
        metric: Its metric.
    """
    worse, better = (Data(name) for name in finding.who)
    subject = segmentation(finding.label)
    return [
        "Among the groups of ",
        Data(finding.attribute),
        ", ",
        *subject,
        " is worse for ",
        worse,
        " than for ",
        better,
        f" by {metric.title} ({_evidence(finding)}).",
    ]


def brief(finding: Finding, metric: MetricInfo) -> Sentence:
    """Return the same in a few words, without the label."""
    worse, better = (Data(name) for name in finding.who)
    return ["worse for ", worse, " than for ", better, f" ({_evidence(finding)})"]


def _evidence(finding: Finding) -> str:
    delta, test = abs(finding.value), test_words(finding)
    words = [] if math.isnan(delta) else [f"Cliff's delta {numbers.number(delta)}"]
    return "; ".join([*words, *([test] if test else [])])


def _finding(comparison: Comparison, pair: PairTest, metric: MetricInfo, level: float) -> Finding:
    first_is_worse = (pair.cliffs_delta < 0) == (metric.better == "higher")
    who = pair.between if first_is_worse else pair.between[::-1]
    return Finding(
        kind="pair_difference",
        verdict="shown",
        attribute=comparison.attribute,
        metric=comparison.metric,
        label=comparison.label,
        quantity=CLIFFS_DELTA,
        who=who,
        between=pair.between,
        direction="worse",
        value=pair.cliffs_delta,
        confidence=level,
        test=pair.test.name,
        p_value=pair.test.p_value,
        corrected_p=pair.test.corrected_p,
        family_size=pair.test.family_size,
        n={name: comparison.groups[name].n_units for name in who},
    )
