"""Every two of more than two groups, against SciPy and statsmodels."""

import itertools

import numpy as np
import pytest
import scipy.stats
from statsmodels.stats.multitest import multipletests

from nnunetv2_fair.evaluation.results.groups import Comparison
from nnunetv2_fair.evaluation.statistics.dominance import cliffs_delta
from nnunetv2_fair.evaluation.statistics.effects import correct_tests
from nnunetv2_fair.evaluation.statistics.group_comparison import (
    Observations,
    StatisticsSettings,
    compare_groups,
)

NAMES = ("White", "Black", "Mixed", "Asian")


def observed(sizes: tuple[int, ...], seed: int = 0) -> Observations:
    rng = np.random.default_rng(seed)
    groups = np.repeat(np.arange(len(sizes)), sizes)
    n = len(groups)
    patients = np.array([f"p{i}" for i in range(n)], dtype=object)
    values = rng.normal(0.8, 0.05, n) - 0.03 * groups
    return Observations(values, np.zeros(n, dtype=bool), patients, groups, NAMES[: len(sizes)])


def compared(found: Observations, label: str = "heart", metric: str = "dice", **more) -> Comparison:
    settings = StatisticsSettings(n_bootstrap=0)
    return compare_groups(
        found, attribute="ethnicity", metric=metric, label=label, reference=None,
        error_measures=True, settings=settings, **more,
    )  # fmt: skip


def test_every_two_groups_as_scipy_tests_two():
    found = observed((40, 9, 14, 6))
    made = compared(found).pairs
    assert [pair.between for pair in made] == list(itertools.combinations(NAMES, 2))
    for pair in made:
        one, two = (found.values[found.groups == NAMES.index(name)] for name in pair.between)
        expected = scipy.stats.mannwhitneyu(one, two, alternative="two-sided")
        assert pair.test.name == "Mann-Whitney U"
        assert pair.test.statistic == expected.statistic
        assert pair.test.p_value == pytest.approx(expected.pvalue)
        assert pair.cliffs_delta == pytest.approx(cliffs_delta(one, two))
        assert pair.cliffs_delta == pytest.approx(2 * expected.statistic / one.size / two.size - 1)


def test_two_groups_have_the_test_of_all_alone():
    assert compared(observed((40, 9))).pairs == ()


def test_groups_that_are_too_small_are_in_no_pair():
    assert [p.between for p in compared(observed((40, 9, 14, 4))).pairs] == [
        ("White", "Black"), ("White", "Mixed"), ("Black", "Mixed"),
    ]  # fmt: skip


def test_the_family_are_the_pairs_of_all_labels_by_the_same_metric():
    made = correct_tests(
        compared(observed((20, 9, 14, 6), seed), label, metric)
        for seed, (metric, label) in enumerate(itertools.product(("dice", "hd"), ("a", "b")))
    )
    for metric in ("dice", "hd"):
        tests = [pair.test for c in made if c.metric == metric for pair in c.pairs]
        expected = multipletests([test.p_value for test in tests], method="holm")[1]
        assert [test.corrected_p for test in tests] == pytest.approx(expected)
        assert {test.family_size for test in tests} == {12}


def test_chosen_groups_are_compared_as_if_there_were_no_others():
    found = observed((40, 9, 14, 6))
    settings = StatisticsSettings(n_bootstrap=200)
    options = {
        "attribute": "ethnicity", "metric": "dice", "label": "heart", "reference": None,
        "error_measures": True, "settings": settings,
    }  # fmt: skip
    chosen = compare_groups(found, chosen=("White", "Mixed"), **options)
    alone = compare_groups(found.of([0, 2]), **options)
    assert chosen.gaps == alone.gaps
    assert chosen.test == alone.test
    assert chosen.effects == alone.effects
    assert chosen.of_chosen == alone.overall
    everybody = compare_groups(found, **options)
    assert chosen.groups == everybody.groups
    assert chosen.overall == everybody.overall
    assert everybody.of_chosen is None
    one, two = (found.values[found.groups == k] for k in (0, 2))
    assert chosen.test.p_value == pytest.approx(scipy.stats.mannwhitneyu(one, two).pvalue)
    assert chosen.gap("fairness_gap").value == pytest.approx(np.median(one) - np.median(two))


def test_three_chosen_groups_are_tested_together_and_two_by_two():
    found = observed((40, 9, 14, 6))
    made = compared(found, chosen=("White", "Black", "Asian"))
    samples = [found.values[found.groups == k] for k in (0, 1, 3)]
    assert made.test.name == "Kruskal-Wallis"
    assert made.test.p_value == pytest.approx(scipy.stats.kruskal(*samples).pvalue)
    assert {name for pair in made.pairs for name in pair.between} == {"White", "Black", "Asian"}
    assert made.left_out == {"Mixed": "not one of the groups chosen for the comparison"}
    assert made.is_of_chosen


def test_patients_in_several_groups():
    """A patient of a chosen and another group counts in the chosen one alone."""
    found = observed((12, 12, 12))
    shared = np.array([f"p{i % 12}" for i in range(36)], dtype=object)
    both = Observations(found.values, found.replaced, shared, found.groups, found.names)
    made, alone = compared(both, chosen=("White", "Black")), compared(both.of([0, 1]))
    assert made.test == alone.test
    assert made.test.name == "Wilcoxon signed-rank"
    # as text, as there are no intervals and NaN is not equal to itself
    assert repr(made.gaps) == repr(alone.gaps)
    assert repr(made.of_chosen) == repr(alone.overall)


def test_whether_images_count_is_decided_on_all_groups():
    """Else the medians of a group would tell by which groups it was compared."""
    images = np.repeat([1, 1, 5], 12)  # of each patient of three groups
    groups = np.repeat(np.repeat([0, 1, 2], 12), images)
    people = np.repeat(np.arange(36), images).astype(str).astype(object)
    values = np.random.default_rng(0).random(len(groups))
    found = Observations(values, np.zeros(len(groups), dtype=bool), people, groups, NAMES[:3])
    everybody, chosen = compared(found), compared(found, chosen=("White", "Black"))
    assert everybody.by_image
    assert chosen.by_image
    assert repr(chosen.groups) == repr(everybody.groups)
    assert not compared(found.of([0, 1])).by_image
