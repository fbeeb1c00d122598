"""The estimate from two rulers: its formula, and that it is right with a flawed ruler."""

import numpy as np
import pytest
from scipy import stats

from benchmarks.rulers import Cell, simulate
from nnunetv2_fair.audit.statistics.contrasts import Spread, mean_of
from nnunetv2_fair.audit.statistics.rulers import (
    STEPS,
    Sample,
    combined,
    common_slope,
    difference,
    widths,
)


@pytest.fixture
def rng():
    return np.random.default_rng(5)


def sample(rng, n, m, slope=0.4):
    both = rng.normal(0.8, 0.1, n)
    return Sample(slope * both + rng.normal(0.5, 0.05, n), both, rng.normal(0.8, 0.1, m))


def test_is_the_regression_estimator_of_double_sampling(rng):
    """With the slope of an analysis of covariance: common to both groups, each with its mean."""
    first, second = sample(rng, 20, 180), sample(rng, 30, 70)
    in_second = np.repeat([0.0, 1.0], [20, 30])
    design = np.column_stack([np.ones(50), in_second, np.concatenate([first.both, second.both])])
    slope = np.linalg.lstsq(design, np.concatenate([first.expert, second.expert]), rcond=None)[0][2]
    assert common_slope((first, second)) == pytest.approx(slope)
    expected = []
    for one in (first, second):
        everybody = np.concatenate([one.both, one.automated])
        expected.append(one.expert.mean() + slope * (everybody.mean() - one.both.mean()))
    found = combined(first, second)
    assert found.gap.value == pytest.approx(expected[0] - expected[1])
    assert found.weights == pytest.approx((slope * 180 / 200, slope * 70 / 100))
    assert first.correlation == pytest.approx(np.corrcoef(first.expert, first.both)[0, 1])
    assert found.gap.error < difference(mean_of(first.expert), mean_of(second.expert)).error


@pytest.mark.parametrize("slope", [-1.0, 0.4])
def test_without_others_or_relation_it_is_the_gap_of_the_expert_scores(rng, slope):
    others = 0 if slope > 0 else 50
    first, second = sample(rng, 10, others, slope), sample(rng, 12, others, slope)
    found = combined(first, second)
    assert found.gap == difference(mean_of(first.expert), mean_of(second.expert))
    assert found.weights == (0.0, 0.0)


def test_scores_that_do_not_vary(rng):
    flat = Sample(rng.normal(size=10), np.ones(10), np.ones(50))
    assert np.isnan(flat.correlation)
    assert common_slope((flat, flat)) == 0
    assert combined(flat, flat).gap.value == 0
    same = Sample(np.ones(6), np.ones(6), np.ones(9))
    assert combined(same, same).gap.p_value == 1


def test_an_offset_of_the_ruler_cancels(rng):
    first, second = sample(rng, 15, 100), sample(rng, 15, 100)
    moved = Sample(second.expert, second.both - 0.3, second.automated - 0.3)
    assert combined(first, moved).gap.value == pytest.approx(combined(first, second).gap.value)


def test_difference_is_welch():
    one, other = np.arange(7.0) ** 2, np.arange(12.0)
    found = difference(mean_of(one), mean_of(other))
    welch = stats.ttest_ind(one, other, equal_var=False)
    assert found.p_value == pytest.approx(welch.pvalue)
    assert found.interval(0.95).low == pytest.approx(welch.confidence_interval().low)
    assert difference(Spread(1.0, 0.0, 4.0), Spread(1.0, 0.0, 9.0)) == Spread(0.0, 0.0, 4.0)


def test_widths():
    found = widths((20, 30), (300, 60), (0.1, 0.1), (0.8, float("nan")), 0.95)
    assert [w.n for w in found] == [(20, 30), (30, 45), (40, 60), (60, 60), (100, 60), (200, 60)]
    assert len(found) == len(STEPS)
    first = found[0]
    variances = 0.01 * (0.36 / 20 + 0.64 / 300), 0.01 / 30
    freedom = sum(variances) ** 2 / (variances[0] ** 2 / 19 + variances[1] ** 2 / 29)
    assert first.combined == pytest.approx(
        2 * np.sqrt(sum(variances)) * stats.t.ppf(0.975, freedom)
    )
    assert all(w.combined <= w.expert_only for w in found)
    assert sorted((w.combined for w in found), reverse=True) == [w.combined for w in found]
    assert widths((5, 5), (5, 5), (0.0, 0.0), (1.0, 1.0), 0.95)[0].combined == 0


def test_flawed_ruler_of_equal_groups():
    """The benchmark's cell with 20 of 300 labelled twice, in few runs."""
    found = simulate(Cell(20, 300, 0.8, 0.06), runs=400, seed=1)
    assert found.automated == pytest.approx(0.06, abs=0.003)
    assert found.coverage >= 0.93
    assert found.rmse < 0.8 * found.rmse_expert
    assert found.shown <= 0.07
    # skewed scores, and masks that fail: a slope of each group by itself shows 0.10
    assert simulate(Cell(20, 300, 0.5, 0.06, skewed=True), runs=400, seed=1).shown <= 0.07
