"""Exchanges against scipy's permutation tests and brute force; p-values by their error rate."""

import itertools
import math

import numpy as np
import pytest
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st

from nnunetv2_fair.evaluation.estimation.quantiles import weighted_quantile
from nnunetv2_fair.evaluation.estimation.units import Units
from nnunetv2_fair.evaluation.statistics import by_chance
from nnunetv2_fair.evaluation.statistics.by_chance import exchanged, judged
from nnunetv2_fair.evaluation.statistics.effects import correct_tests
from nnunetv2_fair.evaluation.statistics.group_comparison import (
    Observations,
    StatisticsSettings,
    compare_groups,
)


def generator(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def units_of(values, patients, groups, n_groups=2, compared=()) -> Units:
    return Units.from_cases(
        np.array([values], dtype=float), np.array(patients), np.array(groups), n_groups, compared
    )


def singles(*groups: np.ndarray, compared=()) -> Units:
    values = np.concatenate(groups)
    of = np.repeat(np.arange(len(groups)), [len(group) for group in groups])
    return units_of(values, np.arange(len(values)), of, len(groups), compared)


def test_exchanges_are_those_of_scipys_permutation_test():
    rng = generator(3)
    groups = [rng.beta(12, 1.5, 14), rng.beta(12, 1.5, 9) - 0.06]
    found = exchanged(singles(*groups), [0, 1], generator(), 20_000)
    for statistic, drawn in ((np.mean, found.means), (np.median, found.medians)):
        reference = scipy.stats.permutation_test(
            groups,
            lambda a, b, axis, of=statistic: np.abs(of(a, axis=axis) - of(b, axis=axis)),
            n_resamples=20_000,
            vectorized=True,
            alternative="greater",
            rng=generator(1),
        )
        observed = abs(statistic(groups[0]) - statistic(groups[1]))
        assert judged(observed, np.ptp(drawn, axis=1))[1] == pytest.approx(
            reference.pvalue, abs=0.015
        )
        assert judged(observed, np.ptp(drawn, axis=1))[0] == pytest.approx(
            np.median(reference.null_distribution), rel=0.03
        )


def test_all_exchanges_of_few_patients_are_equally_frequent():
    found = exchanged(
        singles(np.array([1.0, 2, 4]), np.array([8.0, 16])), [0, 1], generator(), 9000
    )
    sums = np.rint(found.means[:, 1] * 2)
    possible = {a + b for a, b in itertools.combinations([1, 2, 4, 8, 16], 2)}
    values, counts = np.unique(sums, return_counts=True)
    assert set(values) == possible
    assert counts / 9000 == pytest.approx(np.full(10, 0.1), abs=0.02)


def test_patients_in_both_groups_stay_in_both():
    # all are: only their own two values are exchanged, as in a sign test
    values = [1.0, 2.0, 10.0, 12.0, 100.0, 104.0]
    units = units_of(values, [0, 0, 1, 1, 2, 2], [0, 1] * 3)
    found = exchanged(units, [0, 1], generator(), 4000)
    apart = np.rint((found.means[:, 1] - found.means[:, 0]) * 3)
    possible = {a + b + c for a in (1, -1) for b in (2, -2) for c in (4, -4)}
    values, counts = np.unique(apart, return_counts=True)
    assert set(values) == possible
    assert counts / 4000 == pytest.approx(np.full(8, 1 / 8), abs=0.03)


def test_others_are_exchanged_beside_patients_in_both_groups():
    units = units_of([1.0, 2.0, 10.0, 20.0], [0, 0, 1, 2], [0, 1, 0, 1])
    found = exchanged(units, [0, 1], generator(), 500)
    sums = {tuple(row) for row in np.rint(found.means * 2).astype(int)}
    assert sums == {(11, 22), (12, 21), (21, 12), (22, 11)}


def test_medians_of_images_weigh_them_by_the_patients_numbers():
    rng = generator(6)
    patients = np.repeat(np.arange(24), [1] * 12 + [5] * 12)
    groups = (patients >= 12).astype(int)
    values = rng.random(len(patients)).round(1)
    units = units_of(values, patients, groups, compared=(0, 1))
    assert units.images is not None
    cells = by_chance._Cells(units.values[0][:, 0], np.arange(24), np.repeat([0, 1], 12), 2)
    cells.values[12:] = units.values[0][12:, 1]
    codes = np.stack([rng.permutation(cells.groups) for _ in range(20)])
    found = by_chance._Ordered(units, [0, 1], cells).medians(codes)
    for row, code in zip(found, codes, strict=True):
        for group in (0, 1):
            inside = code[patients] == group
            weights = 1 / np.bincount(patients)[patients[inside]]
            assert row[group] == weighted_quantile(values[inside], weights, 0.5)


@pytest.mark.parametrize("images", [1, 4])
def test_many_patients_are_drawn_as_if_they_were_exchanged(monkeypatch, images):
    rng = generator(7)
    sizes = (2500, 300, 20)
    n = sum(sizes)
    of = np.repeat(np.arange(3), sizes)
    times = np.where(of == 0, images, 1)
    base = rng.beta(6, 2, n)
    values = np.repeat(base, times) + 0.1 * rng.random(times.sum())
    units = units_of(values, np.repeat(np.arange(n), times), np.repeat(of, times), 3, (0, 1, 2))
    assert (units.images is not None) == (images > 1)
    slow = exchanged(units, [0, 1, 2], generator(1), 999)
    monkeypatch.setattr(by_chance, "_MANY", 100)
    fast = exchanged(units, [0, 1, 2], generator(2), 999)
    for ours, theirs in ((fast.means, slow.means), (fast.medians, slow.medians)):
        for group in range(3):
            assert ours[:, group].mean() == pytest.approx(theirs[:, group].mean(), abs=0.004)
            assert ours[:, group].std() == pytest.approx(theirs[:, group].std(), rel=0.25)
        assert np.median(np.ptp(ours, axis=1)) == pytest.approx(
            np.median(np.ptp(theirs, axis=1)), rel=0.15
        )


@given(st.lists(st.floats(0, 1), min_size=1, max_size=20), st.floats(0, 1))
def test_p_values_count_the_exchanges_that_are_as_bad(drawn, observed):
    exchanges = np.array(drawn)
    slack = 1e-9 * observed
    _, p_value = judged(observed, exchanges)
    assert p_value == (1 + (exchanges >= observed - slack).sum()) / (len(drawn) + 1)
    _, p_value = judged(observed, exchanges, lower_is_worse=True)
    assert p_value == (1 + (exchanges <= observed + slack).sum()) / (len(drawn) + 1)


def test_infinite_measures_are_as_bad_as_each_other():
    assert judged(math.inf, np.array([1.0, 2.0, math.inf])) == (2.0, 0.5)
    assert judged(2.0, np.array([1.0, math.inf, math.inf])) == (math.inf, 0.75)


def test_a_measure_that_is_not_defined_is_not_judged():
    assert all(map(math.isnan, judged(math.nan, np.ones(3))))
    assert all(map(math.isnan, judged(1.0, np.empty(0))))


def compared(values, groups, seed=0, bootstrap=50, label="l", n_groups=None):
    n = len(values)
    return compare_groups(
        Observations(
            np.asarray(values, dtype=float),
            np.zeros(n, dtype=bool),
            np.arange(n),
            np.asarray(groups),
            tuple(f"g{index}" for index in range(n_groups or max(groups) + 1)),
        ),
        attribute="a",
        metric="dice",
        label=label,
        reference="g0",
        error_measures=True,
        settings=StatisticsSettings(n_bootstrap=bootstrap, seed=seed),
    )


def test_measures_of_equal_groups_are_called_differences_as_often_as_it_says():
    rng, trials = generator(9), 120
    false = dict.fromkeys(("delta", "std", "ser", "skew", "es_std", "es_absolute"), 0)
    for seed in range(trials):
        values = np.where(rng.random(66) < 0.05, 0.0, rng.beta(12, 1.5, 66))
        found = compared(values, np.repeat([0, 1, 2, 3], [40, 6, 8, 12]), seed)
        for name in false:
            gap = found.gap(name)
            false[name] += gap.p_value <= 0.05
            assert 1 / 1000 <= gap.p_value <= 1
    assert max(false.values()) / trials <= 0.05 + 2 * math.sqrt(0.05 * 0.95 / trials)


def test_a_difference_is_seen_and_chance_is_told_from_it():
    rng = generator(2)
    values = np.r_[rng.normal(0.9, 0.03, 30), rng.normal(0.8, 0.03, 30)]
    gap = compared(values, np.repeat([0, 1], 30)).gap("delta")
    assert gap.p_value == 1 / 1000
    assert gap.by_chance < gap.value / 5
    assert compared(values, np.repeat([0, 1], 30)).gap("es_std").p_value == 1 / 1000


def test_nothing_is_said_without_resamples_or_a_second_group():
    assert math.isnan(compared(np.ones(12), np.repeat([0, 1], 6), bootstrap=0).gap("delta").p_value)
    assert math.isnan(compared(np.ones(6), np.zeros(6, dtype=int), n_groups=2).gap("std").p_value)
    assert math.isnan(compared(np.ones(12), np.repeat([0, 1], 6)).gap("fairness_gap").p_value)


def test_each_measure_is_a_family_over_labels():
    rng = generator(4)
    made = correct_tests(
        compared(np.r_[rng.normal(0.8, 0.05, 20), rng.normal(shift, 0.05, 20)],
                 np.repeat([0, 1], 20), label=label)
        for shift, label in ((0.8, "l"), (0.7, "m"), (0.78, "n"))
    )  # fmt: skip
    for name in ("delta", "es_std"):
        p_values = sorted((c.gap(name).p_value, c.gap(name).corrected_p) for c in made)
        assert p_values[0][1] == pytest.approx(3 * p_values[0][0])
        assert p_values[1][1] == pytest.approx(max(p_values[0][1], 2 * p_values[1][0]))
    assert all(math.isnan(c.gap("fairness_gap").corrected_p) for c in made)


@pytest.mark.parametrize("value", [362.03867196751236, 0.1, 1e-3])
def test_rounding_is_no_difference(value):
    """Where every structure is missed, all distances are the image diagonal."""
    found = compared([value] * 37, [0] * 20 + [1] * 17)
    assert found.gap("delta").value < 1e-9 * value
    assert found.gap("delta").p_value == 1
