import dataclasses
import math

import pytest

from nnunetv2_fair.evaluation.findings.all_findings import further_findings
from nnunetv2_fair.evaluation.findings.equivalence import brief, equivalences
from nnunetv2_fair.evaluation.results.groups import PairEffect
from nnunetv2_fair.evaluation.results.values import Interval
from tests.report import factories

#: By how much intervals that hold together are wider.
WIDER = 0.005


def found(*limits, margin=0.03, metric="dice"):
    """Return the findings of groups whose differences have these intervals."""
    result = factories.two_groups()
    comparison = next(c for c in result.comparisons if c.metric == metric)
    names = list(comparison.groups)
    effect = PairEffect((names[0], names[1]), 0.1, Interval(0, 0.2), 0.05)
    group = comparison.groups[effect.between[1]]
    effects, groups = [], dict(comparison.groups)
    for number, (low, high) in enumerate(limits):
        other = effect.between[1] if not number else f"group {number}"
        groups[other] = group
        effects.append(
            dataclasses.replace(
                effect,
                between=(effect.between[0], other),
                mean_difference=(low + high) / 2,
                mean_difference_interval=Interval(low, high),
                mean_difference_together=Interval(low - WIDER, high + WIDER),
            )
        )
    comparison = dataclasses.replace(comparison, effects=tuple(effects), groups=groups)
    result = dataclasses.replace(
        result, comparisons=(comparison,), settings={**result.settings, "margins": {metric: margin}}
    )
    return list(equivalences(result)), result.metric(metric)


@pytest.mark.parametrize(
    ("limits", "verdict", "words"),
    [
        ((-0.02, 0.0299), "excluded", "No gap larger than 0.030"),
        ((-0.02, 0.03), "unclear", "is neither shown nor excluded"),
        ((-0.05, 0.02), "unclear", "is neither shown nor excluded"),
        ((0.0301, 0.09), "shown", "is larger than 0.030"),
        ((-0.09, -0.031), "shown", "is larger than 0.030"),
        ((math.nan, math.nan), "not_comparable", "cannot be said"),
    ],
)
def test_verdicts_follow_from_the_interval_and_the_margin(limits, verdict, words):
    (finding,), metric = found(limits)
    assert finding.verdict == verdict
    assert words in finding.sentence
    assert finding.numbers == {"margin": 0.03, "coverage": pytest.approx(0.9)}
    assert brief(finding, metric)


def test_several_pairs_are_excluded_together_only_if_each_is():
    findings, _ = found((-0.01, 0.01), (-0.02, 0.02))
    assert [f.verdict for f in findings] == ["excluded"] * 3
    assert "each other group" in findings[-1].sentence
    findings, _ = found((-0.01, 0.01), (-0.02, 0.05))
    assert [f.verdict for f in findings] == ["excluded", "unclear", "unclear"]
    assert [f.numbers["coverage"] for f in findings] == pytest.approx([0.95] * 3)
    assert "95% interval \N{MINUS SIGN}0.015 to +0.015" in findings[0].sentence
    findings, _ = found((-0.01, 0.01), (0.04, 0.05))
    assert findings[-1].verdict == "shown"
    assert "another group of sex is larger than 0.030" in findings[-1].sentence
    # alone each interval would say so, together they do not
    findings, _ = found((-0.027, 0.027), (0.031, 0.05))
    assert [f.verdict for f in findings] == ["unclear"] * 3
    # what is excluded for all is excluded for each, by its own interval
    findings, _ = found((-0.027, 0.027), (-0.02, 0.02))
    assert [f.verdict for f in findings] == ["excluded"] * 3
    assert findings[0].numbers["coverage"] == pytest.approx(0.9)
    findings, _ = found((-0.01, 0.01), (0.04, 0.05))
    assert len({f.subject for f in findings}) == 3


def test_metrics_without_a_margin_are_left_alone():
    result = factories.two_groups()
    assert not list(equivalences(result))


@pytest.mark.parametrize(
    ("limits", "metric", "words"),
    [
        ((0.01, 0.05), "dice", "({other} worse by 0.030, 90% interval +0.010 to +0.050)."),
        (
            (-0.05, 0.01),
            "dice",
            "({reference} worse by 0.020, 90% interval \u22120.010 to +0.050).",
        ),
        ((-0.01, 0.01), "dice", "(difference 0.000, 90% interval \u22120.010 to +0.010)."),
        ((1.0, 5.0), "hd95", "({reference} worse by 3.00 mm, 90% interval +1.00 to +5.00)."),
        ((-5.0, -1.0), "hd95", "({other} worse by 3.00 mm, 90% interval +1.00 to +5.00)."),
    ],
)
def test_the_sentence_says_who_is_worse(limits, metric, words):
    (finding,), _ = found(limits, metric=metric)
    reference, other = finding.between
    assert finding.sentence.endswith(words.format(reference=reference, other=other))


def test_gaps_that_are_excluded_for_another_label_are_told():
    result = factories.two_groups()
    (excluded,), _ = found((-0.01, 0.01))
    (unclear,), _ = found((-0.01, 0.05))
    elsewhere = [dataclasses.replace(f, label="elsewhere") for f in (excluded, unclear)]
    result = dataclasses.replace(result, findings=tuple(elsewhere))
    assert further_findings(result, excluded.attribute, excluded.label) == elsewhere[:1]
