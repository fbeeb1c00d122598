"""Effect sizes and corrections against brute force and statsmodels."""

import itertools
import math

import numpy as np
import pytest
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st
from statsmodels.stats.power import TTestIndPower

from nnunetv2_fair.evaluation.results.groups import GroupTest
from nnunetv2_fair.evaluation.statistics.effects import (
    cliffs_delta,
    correct_tests,
    definitions,
    detectable_gap,
)
from nnunetv2_fair.evaluation.statistics.group_comparison import (
    Observations,
    StatisticsSettings,
    compare_groups,
)
from tests.evaluation.statistics.test_corrections import by_hand

VALUES = st.lists(st.integers(0, 6).map(lambda v: v / 6), min_size=1, max_size=12)


def brute_force(first, second) -> float:
    signs = [int(a > b) - int(a < b) for a in first for b in second]
    return sum(signs) / len(signs)


@given(VALUES, VALUES)
def test_cliffs_delta_counts_pairs(first, second):
    found = cliffs_delta(np.array(first), np.array(second))
    assert found == pytest.approx(brute_force(first, second))
    assert found == pytest.approx(-cliffs_delta(np.array(second), np.array(first)))


def test_cliffs_delta_of_separated_infinite_and_missing_values():
    assert cliffs_delta(np.array([2.0, 3.0]), np.array([0.0, 1.0])) == 1
    assert cliffs_delta(np.array([2.0, math.inf]), np.array([math.inf, math.inf])) == -0.5
    assert math.isnan(cliffs_delta(np.array([]), np.array([1.0])))


def test_detectable_gap_is_what_statsmodels_says_of_equal_groups():
    for n in (6, 12, 50):
        values = np.linspace(0, 1, n)
        effect = TTestIndPower().solve_power(nobs1=n, alpha=0.05, power=0.8)
        expected = effect * values.std(ddof=1)
        assert detectable_gap(values, values + 3) == pytest.approx(expected, rel=0.005)


def test_detectable_gap_is_detected_as_often_as_it_says():
    rng = np.random.default_rng(2)
    first, second = rng.normal(0, 1, 12), rng.normal(0, 2, 90)
    # standard deviations as in the samples
    first, second = first / first.std(ddof=1), 2 * second / second.std(ddof=1)
    gap = detectable_gap(first, second)
    seen = [
        scipy.stats.ttest_ind(
            rng.normal(gap, 1, 12), rng.normal(0, 2, 90), equal_var=False
        ).pvalue < 0.05
        for _ in range(1500)
    ]  # fmt: skip
    assert np.mean(seen) == pytest.approx(0.8, abs=0.035)


@pytest.mark.parametrize(
    ("first", "second"),
    [([1.0], [1.0, 2.0]), ([1.0, math.inf], [1.0, 2.0]), ([1.0] * 3, [2.0] * 3)],
)
def test_detectable_gap_that_cannot_be_said(first, second):
    assert math.isnan(detectable_gap(np.array(first), np.array(second)))


def comparison(metric: str, label: str, seed: int, groups: int = 2):
    rng = np.random.default_rng(seed)
    n = 8 * groups
    observed = Observations(
        rng.random(n), np.zeros(n, dtype=bool), np.arange(n).astype(str).astype(object),
        np.arange(n) % groups, tuple("abc"[:groups]),
    )  # fmt: skip
    return compare_groups(
        observed, attribute="sex", metric=metric, label=label, reference="a",
        error_measures=False, settings=StatisticsSettings(n_bootstrap=50),
    )  # fmt: skip


def test_a_family_is_all_tests_by_the_same_metric():
    made = [
        comparison(metric, label, seed)
        for seed, (metric, label) in enumerate(
            itertools.product(("dice", "hd"), ("one", "two", "three"))
        )
    ]
    alone = comparison("dice", "small", 9, groups=1)
    assert alone.test is None
    found = correct_tests([*made, alone])
    assert found[-1] == alone or found[-1].test is None
    for metric in ("dice", "hd"):
        tests = [c.test for c in found[:-1] if c.metric == metric]
        assert [t.family_size for t in tests] == [3, 3, 3]
        assert [t.corrected_p for t in tests] == pytest.approx(by_hand([t.p_value for t in tests]))
    assert [c.test.p_value for c in found[:-1]] == [c.test.p_value for c in made]


def test_every_pair_with_the_reference_has_an_effect():
    found = comparison("dice", "organ", 4, groups=3)
    assert [effect.between for effect in found.effects] == [("a", "b"), ("a", "c")]
    for effect in found.effects:
        assert effect.interval.low <= effect.cliffs_delta <= effect.interval.high
        assert effect.interval.low < effect.interval.high
        assert effect.detectable_gap > 0
    assert isinstance(found.test, GroupTest)
    assert found.test.name == "Kruskal-Wallis"


def test_definitions_name_the_level():
    assert "at most 0.1" in definitions(0.9)["corrected_p"]
    assert "80% probability" in definitions(0.95)["detectable_gap"]
