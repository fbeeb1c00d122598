"""Means are told of where failures or tails move them while the medians stay."""

import dataclasses
import math

import pytest

from nnunetv2_fair.evaluation.findings.all_findings import (
    further_findings,
    headline,
    main_findings,
    verdict_words,
    with_findings,
)
from nnunetv2_fair.evaluation.findings.mean_differences import TEST
from nnunetv2_fair.evaluation.findings.sentences import plain
from nnunetv2_fair.evaluation.results.groups import Comparison, Gap, GroupTest
from nnunetv2_fair.evaluation.results.values import Interval
from nnunetv2_fair.report.of_evaluation.page import render_report
from tests.report import factories
from tests.report.html_check import check_page


def result(p, corrected, *, metric="dice", means=(0.70, 0.82), median_p=0.5):
    """Two groups of equal medians; Delta has these p-values."""
    base = dataclasses.replace(factories.statistics([0.5] * 9), n_units=9)
    groups = {
        name: dataclasses.replace(base, mean=mean, median=0.85)
        for name, mean in zip(("female", "male"), means, strict=True)
    }
    size = abs(means[1] - means[0])
    gaps = (
        Gap("fairness_gap", 0.0, Interval(-0.02, 0.02), ("male", "female")),
        Gap("delta", size, Interval(0.01, 0.2), ("female", "male"), by_chance=0.03,
            p_value=p, corrected_p=corrected),
    )  # fmt: skip
    made = Comparison(
        "sex", metric, "nodule", base, groups, {}, gaps,
        GroupTest("Mann-Whitney U", 1.0, median_p, median_p, 4),
    )  # fmt: skip
    plain = factories.two_groups(size=6)
    return with_findings(dataclasses.replace(plain, comparisons=(made,)))


def of_means(found):
    return next(f for f in found.findings if f.quantity == "mean")


@pytest.mark.parametrize(
    ("p", "corrected", "verdict"),
    [(0.004, 0.016, "shown"), (0.02, 0.08, "signs"), (0.3, 1.0, "not_shown")],
)
def test_the_permutation_test_decides(p, corrected, verdict):
    found = of_means(result(p, corrected))
    assert (found.kind, found.verdict, found.test) == ("group_difference", verdict, TEST)
    assert found.who == ("female", "male")
    assert found.n == {"female": 9, "male": 9}
    assert found.numbers["by_chance"] == 0.03


def test_the_sentence_speaks_of_means():
    assert of_means(result(0.004, 0.016)).sentence == (
        "Segmentation of nodule is worse for female than for male: mean Dice 0.700 against 0.820 "
        "(gap 0.120, 95% interval 0.010 to 0.200, permutation test of means p = 0.004, corrected "
        "p = 0.016)."
    )
    assert "a gap in the mean of up to 0.200 would fit" in of_means(result(0.3, 1)).sentence


def test_of_distances_the_larger_mean_is_worse():
    found = of_means(result(0.004, 0.016, metric="hd95", means=(4.0, 9.0)))
    assert found.who == ("male", "female")
    assert (found.value, found.interval) == (-5.0, Interval(-0.2, -0.01))
    assert "worse for male than for female: mean HD95 9.00 mm against 4.00 mm" in found.sentence


def test_means_are_told_only_where_medians_show_nothing():
    claimed = result(0.004, 0.016)
    assert [f.quantity for f in further_findings(claimed, "sex", "nodule")] == ["mean"]
    assert not further_findings(result(0.3, 1.0), "sex", "nodule")
    (made,) = claimed.comparisons
    gap = dataclasses.replace(made.gaps[0], value=0.1, interval=Interval(0.05, 0.15))
    test = GroupTest("Mann-Whitney U", 1.0, 0.001, 0.004, 4)
    both = dataclasses.replace(made, gaps=(gap, made.gaps[1]), test=test)
    shown = with_findings(dataclasses.replace(claimed, comparisons=(both,)))
    assert not further_findings(shown, "sex", "nodule")


def test_where_patients_cannot_be_exchanged_nothing_is_said_of_means():
    found = result(0.004, 0.016)
    made = dataclasses.replace(found.comparisons[0], by_image=True)
    again = with_findings(dataclasses.replace(found, comparisons=(made,)))
    assert [f.quantity for f in again.findings] == ["median"]


def test_without_permutations_nothing_is_said_of_means():
    found = result(math.nan, math.nan)
    assert [f.quantity for f in found.findings] == ["median"]


@pytest.mark.parametrize(
    ("corrected", "words"),
    [
        (0.016, "no difference shown in median Dice; more is shown below"),
        (0.08, "no difference shown"),
    ],
)
def test_the_verdict_on_medians_says_that_something_else_is_shown(corrected, words):
    found = result(0.004, corrected)
    (main,) = main_findings(found, "sex", "nodule")
    assert verdict_words(found, main) == words
    assert check_page(render_report(found, [])).text.count(words) == 2  # overview and card


def test_a_hidden_p_value_is_left_out():
    found = of_means(result(0.004, 0.016))
    hidden = dataclasses.replace(found, p_value=math.nan, corrected_p=math.nan)
    words = plain(headline(hidden, factories.DICE))
    assert words.endswith("(gap 0.120, 95% interval 0.010 to 0.200).")
