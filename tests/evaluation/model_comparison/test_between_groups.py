"""Whether groups are further apart: unbiased, tests and intervals agree, and right on null data."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nnunetv2_fair.evaluation.model_comparison.between_groups import (
    SeveralGroups,
    TwoGroups,
    distance_of,
)
from tests.evaluation.model_comparison.test_standard_errors import means_of
from tests.evaluation.model_comparison.test_worst_group import drawn


def test_variance_between_groups_is_unbiased_and_the_sd_of_means_is_not(rng):
    true = np.array([0.0, 0.02, -0.03, 0.05])
    found, plain = [], []
    for _ in range(2000):
        values, groups = drawn(rng, (5, 10, 20, 40), (0.1, 0.1), (true, true))
        means = means_of(values, groups)
        found.append(distance_of(means, 0, [0, 1, 2, 3]))
        plain.append(means.values[0, :4].var(ddof=1))
    error = np.std(found) / math.sqrt(len(found))
    assert abs(np.mean(found) - true.var(ddof=1)) < 4 * error
    assert np.mean(plain) > 1.5 * true.var(ddof=1)


def test_distance_by_hand():
    values = np.array([[0.0, 1.0, 4.0, 6.0, 5.0, 9.0]])
    groups = np.array([0, 0, 1, 1, 2, 2])
    means = means_of(values, groups)
    assert distance_of(means, 0, [0, 1]) == 4.5
    # means 0.5, 5, 7; squared standard errors 0.25, 1, 4
    expected = np.var([0.5, 5, 7], ddof=1) - (0.25 + 1 + 4) / 3
    assert distance_of(means, 0, [0, 1, 2]) == pytest.approx(expected)
    assert math.isnan(distance_of(means, 0, [1]))


def test_difference_of_several_groups_is_that_of_their_variances(rng):
    values, groups = drawn(rng, (6, 9, 14, 20), (0.1, 0.07), rng.normal(0, 0.05, (2, 4)))
    means = means_of(values, groups)
    found = SeveralGroups(means, 1, 0, [0, 1, 2, 3])
    expected = distance_of(means, 1, [0, 1, 2, 3]) - distance_of(means, 0, [0, 1, 2, 3])
    assert found.value == pytest.approx(expected)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10**6), st.integers(2, 6), st.floats(0.5, 0.999))
def test_interval_and_test_agree(seed, count, confidence):
    rng = np.random.default_rng(seed)
    values, groups = drawn(rng, (12,) * count, (0.1, 0.06), rng.normal(0, 0.06, (2, count)))
    means, chosen = means_of(values, groups), list(range(count))
    kind = TwoGroups if count == 2 else SeveralGroups
    found, back = kind(means, 1, 0, chosen), kind(means, 0, 1, chosen)
    limits = found.interval(confidence)
    assert limits.low <= found.value <= limits.high
    if found.p_value < 1 - confidence:
        assert (limits.low > 0) == (found.value > 0)
        # of several groups the standard error may be too large for the interval to follow
        assert count > 2 or limits.low > 0 or limits.high < 0
    else:
        assert limits.low <= 0 <= limits.high
    assert back.value == pytest.approx(-found.value)
    assert back.p_value == pytest.approx(found.p_value)


def test_models_that_differ_by_a_constant_have_the_same_gap(rng):
    values, groups = drawn(rng, (12,) * 4, (0.1, 0.1))
    shifted = means_of(np.stack([values[0], values[0] + 0.01]), groups)
    for found in (TwoGroups(shifted, 1, 0, [0, 1]), SeveralGroups(shifted, 1, 0, [0, 1, 2, 3])):
        assert found.value == pytest.approx(0, abs=1e-12)
        assert found.p_value == 1


def wrong_claims(rng, sizes, spreads, shifts, studies):
    """How often the gap is called smaller, and larger."""
    chosen = list(range(len(sizes)))
    kind = TwoGroups if len(sizes) == 2 else SeveralGroups
    smaller = larger = 0
    for _ in range(studies):
        values, groups = drawn(rng, sizes, spreads, shifts)
        found = kind(means_of(values, groups), 1, 0, chosen)
        limits = found.interval(0.95)
        smaller += limits.high < 0
        larger += limits.low > 0
    return smaller, larger


@pytest.mark.parametrize("count", [2, 4, 8, 12])
def test_less_noise_is_no_smaller_gap(rng, count):
    """No gap, half the spread. The bootstrap of the SD says smaller in up to 0.94 of studies."""
    nobody = np.zeros((2, count))
    smaller, larger = wrong_claims(rng, (20,) * count, (0.12, 0.06), nobody, 150)
    assert smaller + larger <= 12  # 5% of 150 are 7.5, and two Monte-Carlo errors 5.3


@pytest.mark.parametrize("count", [2, 4, 8])
def test_equal_gaps_under_different_noise(rng, count):
    pattern = np.linspace(-0.05, 0.05, count)
    smaller, larger = wrong_claims(rng, (50,) * count, (0.12, 0.06), (pattern, pattern), 150)
    assert smaller + larger <= 12


@pytest.mark.parametrize("count", [2, 8])
def test_a_gap_that_changes_sides_is_no_smaller(rng, count):
    pattern = np.linspace(-0.04, 0.04, count)
    smaller, larger = wrong_claims(rng, (50,) * count, (0.12, 0.06), (pattern, -pattern), 150)
    assert smaller + larger <= 13


def test_power_is_that_of_the_bootstrap_of_delta(rng):
    """The gap between eight groups of 50 shrinks from an SD of 0.05 to 0.02."""
    pattern = np.linspace(-1, 1, 8)
    pattern /= pattern.std(ddof=1)
    smaller, _ = wrong_claims(rng, (50,) * 8, (0.1, 0.1), (0.05 * pattern, 0.02 * pattern), 60)
    assert smaller >= 57


@pytest.mark.slow
@pytest.mark.parametrize("sizes", [(20,) * 2, (20,) * 8, (5, 8, 10, 15, 20, 40, 80, 150)])
@pytest.mark.parametrize("gap", [0.0, 0.02, 0.05])
@pytest.mark.parametrize("noise", [(0.12, 0.06), (0.06, 0.12), (0.1, 0.1)])
def test_calibration(rng, sizes, gap, noise):
    pattern = gap * np.linspace(-1, 1, len(sizes))
    smaller, larger = wrong_claims(rng, sizes, noise, (pattern, pattern), 1000)
    assert smaller + larger <= 50 + 2 * math.sqrt(50 * 0.95)
