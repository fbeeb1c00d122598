"""Which test is used, against scipy and brute force, and how often it is wrong."""

import itertools

import numpy as np
import pytest
import scipy.stats

from nnunetv2_fair.evaluation.estimation.units import Units
from nnunetv2_fair.evaluation.results.groups import GroupTest
from nnunetv2_fair.evaluation.statistics.rank_tests.group_tests import definition, group_test


def outcome(values, patients, groups) -> GroupTest | None:
    groups = np.asarray(groups)
    compared = range(int(groups.max()) + 1)
    units = Units.from_cases(
        np.asarray(values, dtype=float)[None], np.asarray(patients), groups, len(compared), compared
    )
    return group_test(units, compared, np.random.default_rng(0))


def test_one_group_and_equal_values():
    assert outcome([0.5, 0.6], [0, 1], [0, 0]) is None
    for names in (np.arange(12), np.arange(12) % 6, np.r_[np.arange(11), 0]):
        groups = np.repeat([0, 1], 6)
        assert outcome(np.full(12, 0.5), names, groups).p_value == 1
    several = np.repeat([0, 1, 2], 4)
    assert outcome(np.full(12, 0.5), np.arange(12), several).p_value == 1
    unequal = np.r_[np.arange(6), np.repeat(np.arange(6, 12), 5)]
    found = outcome(np.full(36, 0.5), unequal, np.repeat([0, 1], [6, 30]))
    assert (found.name, found.p_value) == ("Clustered rank-sum", 1)


def test_patients_in_one_group_as_scipy():
    rng = np.random.default_rng(0)
    values, groups = rng.random(30), np.arange(30) % 3
    first, second, third = (values[groups == k] for k in range(3))
    found = outcome(values[groups < 2], np.arange(20), groups[groups < 2])
    expected = scipy.stats.mannwhitneyu(first, second)
    assert (found.name, found.p_value) == ("Mann-Whitney U", pytest.approx(expected.pvalue))
    found = outcome(values, np.arange(30), groups)
    expected = scipy.stats.kruskal(first, second, third)
    assert (found.name, found.p_value) == ("Kruskal-Wallis", pytest.approx(expected.pvalue))


def test_patients_in_both_groups_as_scipy():
    rng = np.random.default_rng(1)
    first, second = rng.random((2, 12))
    found = outcome(np.r_[first, second], np.tile(np.arange(12), 2), np.repeat([0, 1], 12))
    expected = scipy.stats.wilcoxon(first, second, method="exact")
    assert (found.name, found.p_value) == ("Wilcoxon signed-rank", pytest.approx(expected.pvalue))
    larger = first > second
    ranks = scipy.stats.rankdata(np.abs(first - second))
    assert found.statistic == pytest.approx(ranks[larger].sum())


def test_infinite_values_of_pairs_have_ranks():
    first = np.array([np.inf, np.inf, 3.0, 4, 5, 6, 7, 8])
    second = np.array([np.inf, 2.0, 1, 1, 1, 1, 1, 1])
    found = outcome(np.r_[first, second], np.tile(np.arange(8), 2), np.repeat([0, 1], 8))
    assert found.p_value == pytest.approx(2 / 2**7)


def arrangements(values, patients, groups):
    """Yield every way to exchange groups within patients, and between those in one group."""
    shared = {p for p in patients if (patients == p).sum() > 1}
    alone = [i for i, p in enumerate(patients) if p not in shared]
    within = [[i for i, p in enumerate(patients) if p == q] for q in sorted(shared)]
    for orders in itertools.product(*(itertools.permutations(groups[w]) for w in within)):
        for order in set(itertools.permutations(groups[alone])):
            made = groups.copy()
            made[alone] = order
            for places, order_within in zip(within, orders, strict=True):
                made[places] = order_within
            yield made


def test_the_stratified_statistic_has_its_permutation_moments():
    rng = np.random.default_rng(2)
    values = rng.random(13)
    patients = np.array([0, 0, 1, 1, 2, 2, 2, 3, 4, 5, 6, 7, 8])
    groups = np.array([0, 1, 1, 2, 0, 1, 2, 0, 0, 1, 1, 2, 2])
    found = outcome(values, patients, groups)
    assert found.name == "Stratified rank permutation"
    statistics = [
        outcome(values, patients, made).statistic for made in arrangements(values, patients, groups)
    ]
    # a quadratic form with the permutation covariance has its rank as mean
    assert np.mean(statistics) == pytest.approx(2, rel=1e-9)
    exact = np.mean(np.array(statistics) >= found.statistic - 1e-9)
    assert found.p_value == pytest.approx(exact, abs=0.06)


def test_unpaired_patients_alone_decide_where_pairs_are_equal():
    rng = np.random.default_rng(3)
    single = rng.random(12)
    values = np.r_[np.full(8, -1.0), single]
    patients = np.r_[np.tile(np.arange(4), 2), np.arange(4, 16)]
    groups = np.r_[np.repeat([0, 1], 4), np.arange(12) % 2]
    found = outcome(values, patients, groups)
    expected = scipy.stats.kruskal(single[::2], single[1::2])
    assert found.p_value == pytest.approx(expected.pvalue, rel=1e-6)


def clusters(rng, sizes, images, correlation, law) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Draw images of patients: values, patients, groups."""
    groups = np.concatenate([np.full(n, k) for k, n in enumerate(sizes)])
    per_patient = np.concatenate([np.full(n, m) for n, m in zip(sizes, images, strict=True)])
    names = np.repeat(np.arange(len(groups)), per_patient)
    own = rng.standard_normal(len(groups))[names]
    noise = rng.standard_normal(len(names))
    latent = np.sqrt(correlation) * own + np.sqrt(1 - correlation) * noise
    return law(scipy.stats.norm.cdf(latent)), names, np.repeat(groups, per_patient)


LAWS = {
    "Dice with failures": lambda u: np.where(u < 0.08, 0, scipy.stats.beta.ppf(u, 12, 1.5)),
    "NSD with ties at 1": lambda u: np.minimum(1, 1.15 * scipy.stats.beta.ppf(u, 8, 1)),
    "detection": lambda u: (u > 0.1).astype(float),
}


@pytest.mark.parametrize("law", LAWS)
@pytest.mark.parametrize("sizes", [(8, 8), (10, 40), (40, 10)])
def test_one_against_five_images_of_one_law(law: str, sizes: tuple[int, int]):
    rng = np.random.default_rng(11)
    for correlation in (0.0, 0.8):
        p_values = []
        for _ in range(150):
            found = outcome(*clusters(rng, sizes, (1, 5), correlation, LAWS[law]))
            assert found.name == "Clustered rank-sum"
            p_values.append(found.p_value)
        assert np.mean(np.array(p_values) < 0.05) <= 0.05 + 2 * np.sqrt(0.05 * 0.95 / 150)


def test_several_groups_with_unequal_images():
    rng = np.random.default_rng(12)
    p_values = [
        outcome(*clusters(rng, (10,) * 5, (1, 2, 3, 5, 5), 0.4, LAWS["Dice with failures"])).p_value
        for _ in range(200)
    ]
    assert np.mean(np.array(p_values) < 0.05) <= 0.05 + 2 * np.sqrt(0.05 * 0.95 / 200)
    values, names, groups = clusters(
        rng, (20,) * 5, (1, 2, 3, 5, 5), 0.4, LAWS["Dice with failures"]
    )
    found = outcome(values - 0.15 * (groups == 4), names, groups)
    assert found.name == "Clustered Kruskal-Wallis"
    assert found.p_value < 0.01


def pairs_and_singles(rng, n_pairs: int, n_single: int, shift: float, n_groups: int = 2):
    """Draw patients in all groups, and others in one, whose values have correlation 0.8."""
    own = np.r_[np.repeat(rng.standard_normal(n_pairs), n_groups), rng.standard_normal(n_single)]
    names = np.r_[np.repeat(np.arange(n_pairs), n_groups), n_pairs + np.arange(n_single)]
    groups = np.r_[np.tile(np.arange(n_groups), n_pairs), np.arange(n_single) % n_groups]
    noise = rng.standard_normal(len(names))
    return np.sqrt(0.8) * own + np.sqrt(0.2) * noise + shift * (groups == 1), names, groups


@pytest.mark.parametrize(("n_pairs", "n_single"), [(30, 0), (20, 20), (6, 30), (4, 6)])
@pytest.mark.parametrize("n_groups", [2, 3])
def test_size_and_power_where_patients_are_in_several_groups(n_pairs, n_single, n_groups):
    rng = np.random.default_rng(13)
    shares = {}
    for shift in (0.0, 0.5):
        p_values = np.array(
            [
                outcome(*pairs_and_singles(rng, n_pairs, n_single, shift, n_groups)).p_value
                for _ in range(200)
            ]
        )
        shares[shift] = np.mean(p_values < 0.05)
    assert shares[0.0] <= 0.05 + 2 * np.sqrt(0.05 * 0.95 / 200)
    if n_pairs >= 20:
        assert shares[0.5] > 0.6


def test_definition_names_every_test():
    for name in ("Mann-Whitney", "Kruskal-Wallis", "signed-rank", "permutation", "lustered"):
        assert name in definition()
