"""What the headline says in each situation, word by word."""

import dataclasses
import math

import pytest

from nnunetv2_fair.evaluation.findings.group_differences import (
    brief,
    group_differences,
    headline,
    left_out,
    main_gap,
)
from nnunetv2_fair.evaluation.findings.sentences import plain
from nnunetv2_fair.evaluation.results.groups import Comparison, Gap, GroupTest, PairEffect
from nnunetv2_fair.evaluation.results.values import Interval
from tests.report import factories

MANN_WHITNEY = "Mann-Whitney U"


def comparison(medians, gaps, p, *, metric="dice", label="nodule", left_out=(), test=MANN_WHITNEY):
    """Build a comparison with the given numbers."""
    base = factories.statistics([0.5] * 9)
    groups = {n: dataclasses.replace(base, median=m) for n, m in medians.items()}
    made = tuple(Gap("fairness_gap", v, Interval(*i), b) for v, i, b in gaps)
    return Comparison(
        "sex", metric, label, base, groups, dict.fromkeys(left_out, "2 patients"), made,
        None if p is None else GroupTest(test, 1.0, p),
    )  # fmt: skip


def said(found, **changes):
    """Return the verdict, the sentence and the brief form of a comparison."""
    result = dataclasses.replace(factories.two_groups(size=6), comparisons=(found,), **changes)
    (finding,) = group_differences(result)
    metric = result.metric(found.metric)
    assert finding.sentence == plain(headline(finding, metric))
    return finding.verdict, finding.sentence, plain(brief(finding, metric))


TWO = {"female": 0.712, "male": 0.823}
PAIR = ("male", "female")


def test_gap_shown():
    verdict, headline, brief = said(comparison(TWO, [(0.111, (0.041, 0.172), PAIR)], 0.0032))
    assert verdict == "shown"
    assert headline == (
        "Segmentation of nodule is worse for female than for male: median Dice 0.712 against "
        "0.823 (gap 0.111, 95% interval 0.041 to 0.172, Mann-Whitney U p = 0.003)."
    )
    assert brief == (
        "worse for female (gap 0.111, 95% interval 0.041 to 0.172, Mann-Whitney U p = 0.003)"
    )


def test_negative_gap_names_the_reference_as_worse_and_turns_the_interval():
    medians = {"female": 0.823, "male": 0.712}
    _, headline, _ = said(comparison(medians, [(-0.111, (-0.172, -0.041), PAIR)], 0.0001))
    assert headline == (
        "Segmentation of nodule is worse for male than for female: median Dice 0.712 against "
        "0.823 (gap 0.111, 95% interval 0.041 to 0.172, Mann-Whitney U p < 0.001)."
    )


def test_of_distances_the_larger_is_worse():
    medians = {"female": 9.2, "male": 5.1}
    found = comparison(medians, [(-4.1, (-6.0, -2.0), PAIR)], 0.001, metric="hd95")
    _, headline, _ = said(found)
    assert "is worse for female than for male: median HD95 9.20 mm against 5.10 mm" in headline
    assert "gap 4.10 mm, 95% interval 2.00 mm" not in headline
    assert "(gap 4.10 mm, 95% interval 2.00 to 6.00," in headline


def test_gap_not_shown_claims_no_equality():
    found = comparison(TWO, [(0.011, (-0.043, 0.061), PAIR)], 0.41)
    verdict, headline, brief = said(found)
    assert verdict == "not_shown"
    assert headline.startswith("No difference in segmentation of nodule between female and male")
    assert "could be shown" in headline
    assert headline.endswith(
        "This does not prove that there is none: a gap in the median of up to 0.061 would fit "
        "these data too."
    )
    assert brief.startswith("no difference shown (gap 0.011")


def test_an_interval_without_width_bounds_nothing():
    ties = comparison({"female": 1.0, "male": 1.0}, [(0.0, (0.0, 0.0002), PAIR)], 0.9)
    _, headline, _ = said(ties)
    assert headline.endswith("This does not prove that there is none.")


@pytest.mark.parametrize(
    ("limits", "p", "reason"),
    [
        ((0.01, 0.1), 0.08, "The interval excludes zero, but the test does not reject."),
        ((-0.01, 0.1), 0.01, "The test rejects, but the interval does not exclude zero."),
        (
            (math.nan, math.nan), 0.01,
            "The test alone is not enough, and no interval could be computed.",
        ),
    ],
)  # fmt: skip
def test_interval_and_test_that_disagree_are_signs(limits, p, reason):
    verdict, headline, brief = said(comparison(TWO, [(0.05, limits, PAIR)], p))
    assert verdict == "signs"
    assert headline.startswith("There are signs that segmentation of nodule is worse for female")
    assert headline.endswith(reason)
    assert brief.startswith("signs of worse segmentation for female (gap 0.050")


@pytest.mark.parametrize(
    ("reason", "said_reason"),
    [
        ("in 1 of the 3 trainings a group has no value",) * 2,
        ("", "its statistic is not defined for these values"),
    ],
)
@pytest.mark.parametrize("limits", [(0.01, 0.1), (-0.01, 0.1)])
def test_a_test_that_cannot_be_computed_does_not_fail_to_reject(limits, reason, said_reason):
    found = comparison(TWO, [(0.05, limits, PAIR)], math.nan)
    found = dataclasses.replace(found, test=dataclasses.replace(found.test, reason=reason))
    verdict, headline, _ = said(found)
    assert "reject" not in headline
    if limits[0] > 0:
        assert verdict == "signs"
        assert headline.endswith(
            f" The interval excludes zero, but the test cannot be computed: {said_reason}."
        )
    else:
        assert verdict == "not_shown"
        assert f"). The test cannot be computed: {said_reason}. This does not prove" in headline


def test_many_groups_without_a_test():
    medians = {"a": 0.7, "b": 0.8, "c": 0.75}
    gaps = [(0.1, (-0.1, 0.2), ("b", "a")), (0.05, (-0.1, 0.2), ("b", "c"))]
    verdict, headline, _ = said(comparison(medians, gaps, math.nan, test="Kruskal-Wallis"))
    assert verdict == "not_shown"
    assert " The test cannot be computed: its statistic is not defined" in headline


def test_no_interval_and_no_evidence():
    found = comparison(TWO, [(0.05, (math.nan, math.nan), PAIR)], 0.4)
    verdict, headline, _ = said(found)
    assert verdict == "not_shown"
    assert "gap 0.050, no interval shown" in headline
    assert headline.endswith("This does not prove that there is none.")


def test_the_confidence_level_decides_what_the_test_must_reach():
    found = comparison(TWO, [(0.05, (0.01, 0.09), PAIR)], 0.03)
    assert said(found)[0] == "shown"
    verdict, headline, _ = said(found, settings={"confidence": 0.99})
    assert verdict == "signs"
    assert "99% interval" in headline


def test_one_group_left():
    found = comparison(
        TWO, [(math.nan, (math.nan, math.nan), ("male",))], None, left_out=["female"]
    )
    verdict, headline, _ = said(found)
    assert verdict == "not_comparable"
    assert headline == "The groups of sex cannot be compared: only male is large enough."
    assert plain(left_out(found)) == ("Not compared: female (2 patients).")


def test_no_group_left():
    found = comparison(TWO, [], None, left_out=["female", "male"])
    assert said(found)[1] == (
        "The groups of sex cannot be compared: no group is large enough and has a defined Dice."
    )


def test_undefined_medians_cannot_be_compared():
    found = comparison({"female": math.nan, "male": 0.8}, [], None)
    assert said(found)[0] == "not_comparable"


THREE = {"a": 0.80, "b": 0.70, "c": 0.60}
GAPS = [(0.10, (0.02, 0.18), ("a", "b")), (0.20, (0.11, 0.29), ("a", "c"))]


def test_three_groups():
    found = comparison(THREE, GAPS, 0.002, label="average", test="Kruskal-Wallis")
    verdict, headline, brief = said(found, labels=("x", "average"))
    assert verdict == "shown"
    assert headline == (
        "Segmentation, averaged over all labels, differs between the groups of sex: median Dice "
        "0.600 for c (worst) and 0.800 for a (best); largest gap between a and c: 0.200, "
        "simultaneous 95% interval 0.110 to 0.290; Kruskal-Wallis p = 0.002."
    )
    assert brief.startswith("worst for c, best for a")
    assert main_gap(found).between == ("a", "c")


def test_where_the_reference_is_neither_best_nor_worst_the_gap_is_not_called_the_largest_of_all():
    gaps = [(-0.10, (-0.18, -0.02), ("b", "a")), (0.11, (0.02, 0.19), ("b", "c"))]
    found = comparison({**THREE, "c": 0.59}, gaps, 0.002, test="Kruskal-Wallis")
    _, headline, brief = said(found)
    for words in (headline, brief):
        assert "largest gap from the reference group b, to c: 0.110" in words


@pytest.mark.parametrize(
    ("p", "verdict", "start"),
    [
        (0.2, "signs", "There are signs that segmentation of nodule differs"),
        (math.nan, "signs", "There are signs"),
    ],
)
def test_three_groups_where_the_test_does_not_agree(p, verdict, start):
    found = said(comparison(THREE, GAPS, p, test="Kruskal-Wallis"))
    assert found[0] == verdict
    assert found[1].startswith(start)


def test_three_groups_without_difference():
    gaps = [(0.10, (-0.1, 0.3), ("a", "b")), (0.11, (-0.1, 0.25), ("a", "c"))]
    verdict, headline, _ = said(comparison(THREE, gaps, 0.4, test="Kruskal-Wallis"))
    assert verdict == "not_shown"
    assert "up to 0.300 would fit these data too" in headline


def test_identical_values_show_no_difference():
    same = {"female": 0.8, "male": 0.8}
    verdict, headline, _ = said(comparison(same, [(0.0, (0.0, 0.0), PAIR)], 1.0))
    assert verdict == "not_shown"
    assert "gap 0.000, 95% interval 0.000 to 0.000" in headline


def test_many_small_groups_are_counted():
    names = [f"g{i}" for i in range(9)]
    found = comparison(dict.fromkeys(names, 0.5), [], None, left_out=names)
    assert plain(left_out(found)).endswith("g3 (2 patients) and 5 more.")


def test_the_only_label_has_no_name():
    found = comparison(TWO, [(0.05, (0.01, 0.09), PAIR)], 0.03, label="segmentation")
    _, headline, _ = said(found, labels=("segmentation",))
    assert headline.startswith("Segmentation is worse for")


def test_the_corrected_p_value_decides_and_is_said():
    found = comparison(TWO, [(0.111, (0.041, 0.172), PAIR)], 0.0032)
    corrected = GroupTest(MANN_WHITNEY, 1.0, 0.0032, 0.0128, 4)
    verdict, headline, _ = said(dataclasses.replace(found, test=corrected))
    assert verdict == "shown"
    assert "Mann-Whitney U p = 0.003, corrected p = 0.013)" in headline
    corrected = GroupTest(MANN_WHITNEY, 1.0, 0.0032, 0.064, 20)
    verdict, headline, _ = said(dataclasses.replace(found, test=corrected))
    assert verdict == "signs"
    assert "p = 0.003, corrected p = 0.064)" in headline
    # a family of one is not corrected
    alone = GroupTest(MANN_WHITNEY, 1.0, 0.0032, 0.0032, 1)
    assert "corrected" not in said(dataclasses.replace(found, test=alone))[1]


def test_what_could_not_have_been_seen_is_said():
    found = comparison(TWO, [(0.011, (-0.043, 0.061), PAIR)], 0.41)
    groups = {
        "female": dataclasses.replace(found.groups["female"], n_units=12),
        "male": dataclasses.replace(found.groups["male"], n_units=1180),
    }
    effect = PairEffect(PAIR, 0.1, Interval(-0.2, 0.4), 0.0412, 0.0284)
    found = dataclasses.replace(found, groups=groups, effects=(effect,))
    assert said(found)[1].endswith(
        "would fit these data too. With 12 values of female and 1,180 of male, a gap "
        "of 0.041 would be shown in 80% of studies, one of 0.028 in 50%."
    )
    hidden = {**groups, "male": dataclasses.replace(groups["male"], n_units=None)}
    assert "usually" not in said(dataclasses.replace(found, groups=hidden))[1]
    unknown = dataclasses.replace(effect, detectable_gap=math.nan)
    assert "usually" not in said(dataclasses.replace(found, effects=(unknown,)))[1]


def test_of_several_gaps_the_simultaneous_interval_decides_and_is_told():
    found = comparison(THREE, GAPS, 0.002, test="Kruskal-Wallis")
    wide = tuple(
        dataclasses.replace(gap, simultaneous=Interval(gap.value - 0.3, gap.value + 0.3))
        for gap in found.gaps
    )
    verdict, headline, _ = said(dataclasses.replace(found, gaps=wide))
    assert verdict == "signs"
    assert "between a and c: 0.200, simultaneous 95% interval \u22120.100 to 0.500" in headline
