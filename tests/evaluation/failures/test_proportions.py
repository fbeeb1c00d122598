"""Intervals of proportions against scipy and statsmodels; effective counts of clustered data."""

import math

import numpy as np
import pytest
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st

from nnunetv2_fair.evaluation.failures.proportions import (
    Counts,
    effective_counts,
    newcombe_interval,
    wilson_interval,
)


@pytest.mark.parametrize(("failed", "n"), [(0, 7), (1, 50), (3, 50), (25, 50), (49, 50), (50, 50)])
@pytest.mark.parametrize("confidence", [0.9, 0.95])
def test_wilson_is_scipy_s(failed, n, confidence):
    ours = wilson_interval(failed / n, n, confidence)
    theirs = scipy.stats.binomtest(failed, n).proportion_ci(confidence, "wilson")
    assert (ours.low, ours.high) == pytest.approx((theirs.low, theirs.high), abs=1e-12)


def test_no_patients_have_no_interval():
    assert math.isnan(wilson_interval(math.nan, 0, 0.95).low)


@pytest.mark.parametrize(
    ("one", "two"), [((3, 50), (8, 50)), ((0, 20), (4, 80)), ((7, 9), (2, 30))]
)
def test_newcombe_is_statsmodels(one, two):
    proportion = pytest.importorskip("statsmodels.stats.proportion")
    rates = (one[0] / one[1], two[0] / two[1])
    ours = newcombe_interval(rates, tuple(wilson_interval(a / n, n, 0.95) for a, n in (one, two)))
    theirs = proportion.confint_proportions_2indep(*two, *one, method="newcomb", compare="diff")
    assert (ours.low, ours.high) == pytest.approx(theirs)


def test_newcombe_reproduces_the_published_example():
    # Newcombe 1998, table II, example (a), method 10: 56/70 - 48/80
    limits = tuple(wilson_interval(a / n, n, 0.95) for a, n in ((48, 80), (56, 70)))
    found = newcombe_interval((48 / 80, 56 / 70), limits)
    assert (found.low, found.high) == pytest.approx((0.0524, 0.3339), abs=5e-5)


@given(st.lists(st.booleans(), min_size=1, max_size=60))
def test_patients_with_one_image_count_as_they_are(failed):
    shares = np.array(failed, dtype=float)
    assert effective_counts(shares, len(shares)) == Counts(sum(failed), len(failed))


@given(st.lists(st.integers(0, 4), min_size=2, max_size=60))
def test_effective_numbers_are_between_patients_and_images(failed):
    shares = np.array(failed) / 4
    found = effective_counts(shares, 4 * len(shares))
    assert len(shares) <= max(found.n, len(shares)) <= 4 * len(shares)
    assert 0 <= found.failed <= found.n
    assert found.failed / found.n == pytest.approx(shares.mean(), abs=0.5 / found.n + 1e-9)


def test_independent_images_are_worth_more_than_copies():
    rng = np.random.default_rng(0)
    independent = rng.binomial(5, 0.3, 400) / 5
    copies = np.repeat(rng.binomial(1, 0.3, 400), 1).astype(float)
    copies[0] = 0.4  # not all are 0 or 1
    assert effective_counts(independent, 2000).n > 1500
    assert effective_counts(copies, 2000).n < 420
