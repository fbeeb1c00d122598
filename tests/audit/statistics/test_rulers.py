"""The estimate from two rulers: its formula, and that it is right with a flawed ruler."""

import numpy as np
import pytest
from scipy import stats

from benchmarks.rulers import Cell, simulate
from nnunetv2_fair.audit.statistics.contrasts import Spread, mean_of
from nnunetv2_fair.audit.statistics.rulers import STEPS, combined_mean, difference, widths


@pytest.fixture
def rng():
    return np.random.default_rng(5)


def test_is_the_regression_estimator_of_double_sampling(rng):
    both = rng.normal(0.8, 0.1, 20)
    expert = 0.4 * both + rng.normal(0.5, 0.05, 20)
    others = rng.normal(0.8, 0.1, 180)
    found = combined_mean(expert, both, others)
    slope = stats.linregress(both, expert).slope
    everybody = np.concatenate([both, others])
    assert 0 < slope < 1
    expected = expert.mean() + slope * (everybody.mean() - both.mean())
    assert found.mean.value == pytest.approx(expected)
    assert found.weight == pytest.approx(slope * 180 / 200)
    assert found.correlation == pytest.approx(np.corrcoef(expert, both)[0, 1])
    assert found.mean.error < mean_of(expert).error


def test_without_others_or_relation_it_is_the_expert_mean(rng):
    expert, both = rng.normal(size=10), rng.normal(size=10)
    assert combined_mean(expert, both, np.empty(0)).mean == mean_of(expert)
    found = combined_mean(expert, -expert, rng.normal(size=50))
    assert (found.mean, found.weight) == (mean_of(expert), 0.0)
    assert found.correlation == pytest.approx(-1)
    flat = combined_mean(expert, np.ones(10), np.ones(50))
    assert (flat.mean, flat.weight) == (mean_of(expert), 0.0)
    assert np.isnan(flat.correlation)


def test_an_offset_of_the_ruler_cancels(rng):
    expert = rng.normal(0.8, 0.1, 15)
    both, others = expert + rng.normal(0, 0.02, 15), rng.normal(0.8, 0.1, 100)
    moved = combined_mean(expert, both - 0.3, others - 0.3).mean
    assert moved.value == pytest.approx(combined_mean(expert, both, others).mean.value)


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
