"""Overlap weights: exact balance, an independent computation, and coverage."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nnunetv2_fair.evaluation.confounding.confounders import terms_of
from nnunetv2_fair.evaluation.confounding.overlap_weights import _propensity, weighted_gap


def test_without_confounders_it_is_the_difference_of_means():
    rng = np.random.default_rng(0)
    x, second = rng.random(30), np.arange(30) % 3 == 0
    found = weighted_gap(x, second, np.empty((30, 0)), np.arange(30), 0.95)
    assert found.value == pytest.approx(x[~second].mean() - x[second].mean())
    assert found.effective == pytest.approx((20, 10))
    error = math.sqrt(sum(g.var(ddof=1) / len(g) for g in (x[~second], x[second])))
    assert (found.interval.high - found.interval.low) / 2 == pytest.approx(2.1 * error, rel=0.06)


def test_the_model_is_statsmodels_logistic_regression():
    api = pytest.importorskip("statsmodels.api")
    rng = np.random.default_rng(1)
    x = np.column_stack([np.ones(80), rng.standard_normal((80, 2))])
    z = (rng.random(80) < 1 / (1 + np.exp(-x[:, 1]))).astype(float)
    expected = api.Logit(z, x).fit(disp=0).predict(x)
    assert _propensity(x, z) == pytest.approx(expected, abs=1e-4)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000))
def test_the_terms_are_balanced(seed):
    rng = np.random.default_rng(seed)
    site = rng.integers(0, 3, 90).astype(str)
    size = rng.standard_normal(90)
    second = rng.random(90) < np.where(site == "0", 0.3, 0.6)
    terms = terms_of({"site": site, "size": size})
    for term in terms.T:
        # the weighted means of a balanced term do not differ
        found = weighted_gap(term, second, terms, np.arange(90), 0.95)
        assert found.value == pytest.approx(0, abs=2e-4)


def test_patients_in_both_groups_are_one_cluster():
    rng = np.random.default_rng(2)
    level = np.repeat(rng.standard_normal(60), 2)
    second = np.arange(120) % 2 == 1
    values = level + 0.1 * rng.standard_normal(120)
    nothing = np.empty((120, 0))
    paired = weighted_gap(values, second, nothing, np.arange(120) // 2, 0.95).interval
    apart = weighted_gap(values, second, nothing, np.arange(120), 0.95).interval
    assert paired.high - paired.low < 0.2 * (apart.high - apart.low)


def test_separated_groups_leave_nobody():
    x = np.r_[np.zeros(20), np.ones(20)]
    found = weighted_gap(x, x == 1, terms_of({"site": x.astype(str)}), np.arange(40), 0.95)
    # the ridge keeps it finite; equal weights within groups say nothing, so callers check overlap
    assert math.isfinite(found.value)


@pytest.mark.parametrize("n", [60, 200])
def test_coverage_where_site_makes_the_gap(n):
    """Coverage of the 95% interval at least 0.93 less two Monte Carlo errors."""
    rng = np.random.default_rng(3)
    covered, times = 0, 300
    for _ in range(times):
        site = rng.integers(0, 4, n)
        second = rng.random(n) < np.array([0.2, 0.4, 0.6, 0.8])[site]
        y = np.array([0.9, 0.88, 0.85, 0.8])[site] + 0.06 * rng.standard_normal(n)
        terms = terms_of({"site": site.astype(str)})
        limits = weighted_gap(y, second, terms, np.arange(n), 0.95).interval
        covered += limits.low <= 0 <= limits.high
    assert covered / times >= 0.93 - 2 * math.sqrt(0.93 * 0.07 / times)
