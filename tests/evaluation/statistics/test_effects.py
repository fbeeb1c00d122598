"""Families of tests, and that every pair has its effect size."""

import itertools

import numpy as np
import pytest

from nnunetv2_fair.evaluation.results.groups import GroupTest
from nnunetv2_fair.evaluation.statistics.effects import correct_tests, definitions
from nnunetv2_fair.evaluation.statistics.group_comparison import (
    Observations,
    StatisticsSettings,
    compare_groups,
)
from tests.evaluation.statistics.test_corrections import by_hand


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
