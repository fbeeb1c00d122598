"""Gaps of two groups against independent references."""

import numpy as np
import pytest
from scipy import stats

from nnunetv2_fair.audit.results.labels import Estimate
from nnunetv2_fair.audit.statistics.contrasts import (
    Spread,
    chance_of,
    corrected,
    estimate_gap,
    estimate_mean,
    gap_of,
    mean_of,
    units_of,
)
from nnunetv2_fair.evaluation.estimation.trainings import training_error


@pytest.fixture
def rng():
    return np.random.default_rng(11)


def units(first, second):
    values = np.concatenate([first, second])
    groups = np.repeat([0.0, 1.0], [len(first), len(second)])
    people = np.array([f"p{i}" for i in range(len(values))], dtype=object)
    return units_of(values[None, :], groups, people, (0, 1))


def test_gap_is_welch(rng):
    first, second = rng.normal(0, 1, 9), rng.normal(0.5, 3, 31)
    one = units(first, second)
    found = gap_of(one.values[0], one.second, one.clusters)
    welch = stats.ttest_ind(first, second, equal_var=False)
    assert found.value == pytest.approx(first.mean() - second.mean())
    assert found.p_value == pytest.approx(welch.pvalue)
    assert found.interval(0.9).high == pytest.approx(welch.confidence_interval(0.9).high)


def test_patients_in_both_groups_are_paired(rng):
    base = rng.normal(0, 1, 40)
    values = np.concatenate([base, base + rng.normal(0.1, 0.1, 40)])
    people = np.array([f"p{i}" for i in range(40)] * 2, dtype=object)
    groups = np.repeat([0.0, 1.0], 40)
    one = units_of(values[None, :], groups, people, (0, 1))
    assert one.in_both
    found = gap_of(one.values[0], one.second, one.clusters)
    paired = stats.ttest_rel(values[:40], values[40:])
    assert found.error == pytest.approx(abs(found.value / paired.statistic))
    assert chance_of(one, one.values[0], rng) < 0.001


def test_images_of_a_patient_are_averaged():
    values = np.array([[1.0, 3.0, 5.0, 9.0, np.nan], [0.0, 2.0, 4.0, 8.0, 1.0]])
    people = np.array(["a", "a", "b", "c", "d"], dtype=object)
    one = units_of(values, np.array([0, 0, 0, 1, 1.0]), people, (0, 1))
    assert sorted(one.values[0, ~one.second]) == [2, 5]
    assert one.values[1, one.second].tolist() == [8]
    assert one.n == (2, 1)


def test_degenerate_numbers():
    assert np.isnan(mean_of(np.empty(0)).value)
    assert np.isnan(mean_of(np.array([1.0])).interval(0.95).low)
    assert Spread(0.0, 0.0, 5.0).p_value == 1
    assert Spread(0.1, 0.0, 5.0).p_value == 0
    few = units(np.arange(4.0), np.arange(9.0))
    assert np.isnan(chance_of(few, few.values[0], np.random.default_rng(0)))


def test_trainings_widen(rng):
    one = units(rng.normal(0, 1, 20), rng.normal(1, 1, 20))
    alone = estimate_gap(one, 0.95, np.random.default_rng(0))
    error = training_error([-0.2, 0.0, 0.2], "repeats")
    method = estimate_gap(one, 0.95, np.random.default_rng(0), error)
    assert method.value == alone.value
    assert method.interval.low < alone.interval.low
    assert method.p_value > alone.p_value


def test_mean_of_skewed_values(rng):
    """Interval and p-value say the same, and neither is more certain than Student's."""
    values = rng.exponential(1, 15) - 0.4
    found = estimate_mean(values, 0.95)
    student = stats.ttest_1samp(values, 0)
    ends = student.confidence_interval()
    assert found.value == pytest.approx(values.mean())
    assert found.interval.low <= ends.low
    assert found.interval.high > ends.high + 0.05  # the side to which values are skewed
    assert found.p_value >= student.pvalue
    for moved in np.linspace(-1, 1, 21) - values.mean():
        one = estimate_mean(values + moved, 0.95)
        assert (one.p_value < 0.05) == (one.interval.low > 0 or one.interval.high < 0)
    symmetric = np.array([-2.0, -1, 0, 1, 2]) + 1
    assert estimate_mean(symmetric, 0.9).p_value == pytest.approx(
        stats.ttest_1samp(symmetric, 0).pvalue
    )
    assert estimate_mean(np.ones(6), 0.95).p_value == 0


def test_level_of_the_mean_of_skewed_values(rng):
    """Student's t alone shows 9%."""
    samples = rng.exponential(1, (1000, 15)) - 1
    shown = np.mean([estimate_mean(sample, 0.95).p_value < 0.05 for sample in samples])
    assert shown <= 0.065


def test_corrected_leaves_out_what_was_not_tested():
    found = corrected([Estimate(p_value=0.01), Estimate(), Estimate(p_value=0.04)])
    assert [one.family_size for one in found] == [2, 0, 2]
    assert found[0].corrected_p == pytest.approx(0.02)
    assert np.isnan(found[1].corrected_p)


def test_level_with_skewed_scores_and_unequal_groups(rng):
    """Of 200 pairs of equal groups about 5% differ; Welch's t alone would show 9% here."""

    def draw(n):
        return np.where(rng.random(n) < 0.05, 0.0, rng.beta(14, 3, n))

    shown = sum(
        chance_of(one, one.values[0], rng) < 0.05
        for one in (units(draw(8), draw(60)) for _ in range(200))
    )
    assert shown / 200 <= 0.085
