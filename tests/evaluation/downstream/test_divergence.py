"""The divergence against scipy, its test by brute force, and on data with known truth."""

import numpy as np
import pytest
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.spatial.distance import jensenshannon

from nnunetv2_fair.evaluation.downstream.divergence import (
    FEWEST_FOR_INTERVAL,
    bin_edges,
    compare_counts,
    counts_in_bins,
    jensen_shannon,
)

COUNTS = arrays(np.int64, 10, elements=st.integers(0, 20)).filter(lambda c: c.sum() > 0)


@settings(deadline=None)
@given(COUNTS, COUNTS)
def test_as_scipy(first, second):
    shares = first / first.sum(), second / second.sum()
    found = float(jensen_shannon(*shares))
    assert found == pytest.approx(jensenshannon(*shares, base=2) ** 2, abs=1e-9)
    assert 0 <= found <= 1 + 1e-12
    assert found == pytest.approx(float(jensen_shannon(*shares[::-1])))


def test_nothing_in_common_and_the_same():
    assert jensen_shannon(np.array([1, 0]), np.array([0, 1])) == pytest.approx(1)
    assert jensen_shannon(np.array([0.3, 0.7]), np.array([0.3, 0.7])) == 0


def test_bins_are_equal_up_to_the_95th_percentile():
    errors = np.arange(101.0)
    edges = bin_edges(errors)
    assert edges == pytest.approx(np.linspace(0, 95, 10))
    counts = counts_in_bins(errors, edges)
    assert counts.sum() == 101
    assert counts[-1] == 5  # 96 to 100; 95 is in the bin that ends there


def test_one_outlier_does_not_put_all_others_into_one_bin():
    errors = np.append(np.linspace(0, 1, 99), 1e6)
    assert (counts_in_bins(errors, bin_edges(errors)) > 0).all()


@pytest.mark.parametrize("errors", [np.zeros(5), np.array([0.0] * 40 + [3.0])])
def test_mostly_perfect(errors):
    counts = counts_in_bins(errors, bin_edges(errors))
    assert counts.sum() == len(errors)
    assert counts[0] == (errors == 0).sum()


def test_exchanging_counts_is_exchanging_patients():
    generator = np.random.default_rng(4)
    first, second = generator.gamma(2, 1, 25), generator.gamma(2, 1.6, 40)
    both = np.concatenate([first, second])
    edges = bin_edges(both)
    counts = counts_in_bins(first, edges), counts_in_bins(second, edges)
    found = compare_counts(*counts, generator, n_bootstrap=0, confidence=0.95)
    by_hand = []
    for _ in range(4000):
        mixed = generator.permutation(both)
        shares = [counts_in_bins(part, edges) / len(part) for part in (mixed[:25], mixed[25:])]
        by_hand.append(float(jensen_shannon(*shares)))
    assert found.by_chance == pytest.approx(np.mean(by_hand), rel=0.03)
    assert found.p_value == pytest.approx(np.mean(np.array(by_hand) >= found.value), abs=0.03)


def test_no_interval_of_small_groups_and_without_resamples():
    generator = np.random.default_rng(1)
    few = np.array([FEWEST_FOR_INTERVAL - 1, 0])
    enough = np.array([30, 30])
    assert np.isnan(
        compare_counts(few, enough, generator, n_bootstrap=99, confidence=0.9).interval.low
    )
    found = compare_counts(enough, enough, generator, n_bootstrap=0, confidence=0.9)
    assert np.isnan(found.corrected)
    assert found.p_value == 1


def test_claims_on_data_without_a_difference():
    """No more than 5% of tests reject, and the interval holds the truth."""
    generator = np.random.default_rng(7)
    p_values, within = [], []
    for _ in range(300):
        samples = [generator.gamma(2, 1, n) for n in (60, 90)]
        edges = bin_edges(np.concatenate(samples))
        found = compare_counts(
            *(counts_in_bins(s, edges) for s in samples), generator,
            n_bootstrap=300, confidence=0.95, n_permutations=199,
        )  # fmt: skip
        p_values.append(found.p_value)
        within.append(found.interval.low <= 0)
        assert found.corrected <= found.value
    assert scipy.stats.binomtest(int((np.array(p_values) <= 0.05).sum()), 300, 0.05).pvalue > 0.01
    assert np.mean(within) > 0.93
