"""Van Elteren's test by hand, against Mann-Whitney in one stratum, and where site makes a gap."""

import math

import numpy as np
import pytest
import scipy.stats

from nnunetv2_fair.evaluation.confounding.strata import strata_of, van_elteren


def test_one_stratum_is_mann_whitney_without_continuity_correction():
    rng = np.random.default_rng(0)
    x = rng.integers(0, 9, 40).astype(float)  # with ties
    second = rng.random(40) < 0.4
    expected = scipy.stats.mannwhitneyu(
        x[second], x[~second], use_continuity=False, method="asymptotic"
    ).pvalue
    assert van_elteren(x, second, np.zeros(40, dtype=int)) == pytest.approx(expected)


def test_two_strata_by_hand():
    # ranks of the second group: 2 + 4 of 4 in the first stratum, 1 of 3 in the other
    x = np.array([1.0, 2, 3, 4, 5, 6, 7])
    second = np.array([False, True, False, True, True, False, False])
    strata = np.array([0, 0, 0, 0, 1, 1, 1])
    away = (6 - 2 * 5 / 2) / 5 + (1 - 4 / 2) / 4
    variance = 2 * 2 / 12 * 5 / 5**2 + 1 * 2 / 12 * 4 / 4**2
    expected = 2 * scipy.stats.norm.sf(abs(away) / math.sqrt(variance))
    assert van_elteren(x, second, strata) == pytest.approx(expected)


def test_no_stratum_with_both_groups_and_no_variance():
    x, second = np.arange(6.0), np.arange(6) < 3
    assert math.isnan(van_elteren(x, second, second.astype(int)))
    assert van_elteren(np.ones(6), second, np.zeros(6, dtype=int)) == 1


def test_numbers_are_cut_at_quintiles_and_text_is_not():
    numbers = np.arange(100.0)
    assert np.bincount(strata_of([numbers])).tolist() == [20] * 5
    text = np.array(["a", "b"] * 50)
    assert len(np.unique(strata_of([numbers, text]))) == 10


def test_a_gap_that_site_makes_is_not_found():
    rng = np.random.default_rng(4)
    crude = adjusted = 0
    for _ in range(200):
        site = rng.integers(0, 4, 100)
        second = rng.random(100) < np.array([0.2, 0.4, 0.6, 0.8])[site]
        y = np.array([0.9, 0.88, 0.85, 0.8])[site] + 0.06 * rng.standard_normal(100)
        crude += scipy.stats.mannwhitneyu(y[second], y[~second]).pvalue < 0.05
        adjusted += van_elteren(y, second, site) < 0.05
    assert crude / 200 > 0.5
    assert adjusted / 200 <= 0.05 + 2 * math.sqrt(0.05 * 0.95 / 200)
