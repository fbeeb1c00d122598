"""The worst group's change: against brute force, and on null data."""

import numpy as np
import pytest
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st

from nnunetv2_fair.evaluation.model_comparison.worst_group import WorstGroup
from tests.evaluation.model_comparison.test_standard_errors import means_of


def drawn(rng, sizes, spreads, shifts=((), ())):
    """Values of two models that share 0.7 of their variance, and the groups."""
    groups = np.repeat(np.arange(len(sizes)), sizes)
    shared = rng.standard_normal(len(groups))
    values = [
        0.8 + s * (np.sqrt(0.7) * shared + np.sqrt(0.3) * rng.standard_normal(len(groups)))
        + (np.array(shift)[groups] if len(shift) else 0)
        for s, shift in zip(spreads, shifts, strict=True)
    ]  # fmt: skip
    return np.stack(values), groups


def test_one_group_is_a_paired_t_test(rng):
    values, groups = drawn(rng, (12,), (0.1, 0.1))
    found = WorstGroup(means_of(values, groups), 1, 0, [0], higher_is_better=True)
    expected = scipy.stats.ttest_rel(values[1], values[0])
    assert found.p_value == pytest.approx(expected.pvalue)
    assert found.interval(0.9).low == pytest.approx(expected.confidence_interval(0.9).low)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6), st.integers(2, 5), st.booleans(), st.floats(0.5, 0.999))
def test_interval_and_test_agree(seed, count, higher, confidence):
    rng = np.random.default_rng(seed)
    shifts = rng.normal(0, 0.08, (2, count))
    values, groups = drawn(rng, (8,) * count, (0.1, 0.05), shifts)
    means = means_of(values, groups)
    found = WorstGroup(means, 1, 0, list(range(count)), higher_is_better=higher)
    limits = found.interval(confidence)
    assert limits.low <= found.value <= limits.high
    assert (limits.low > 0 or limits.high < 0) == (found.p_value < 1 - confidence)
    pick = np.min if higher else np.max
    own = [pick([v[groups == g].mean() for g in range(count)]) for v in values]
    assert found.value == pytest.approx(own[1] - own[0])
    # the other direction of metric and of comparison mirror it
    mirrored = WorstGroup(
        means_of(-values, groups), 1, 0, list(range(count)), higher_is_better=not higher
    )
    assert mirrored.p_value == pytest.approx(found.p_value)
    assert mirrored.interval(confidence).low == pytest.approx(-limits.high)
    back = WorstGroup(means, 0, 1, list(range(count)), higher_is_better=higher)
    assert back.p_value == pytest.approx(found.p_value)


def test_the_worst_group_gains(rng):
    values, groups = drawn(rng, (40, 40), (0.1, 0.1), ((0, -0.2), (0, -0.1)))
    found = WorstGroup(means_of(values, groups), 1, 0, [0, 1], higher_is_better=True)
    assert found.interval(0.95).low > 0
    levelled, groups = drawn(rng, (40, 40), (0.1, 0.1), ((0.2, 0), (0, 0)))
    found = WorstGroup(means_of(levelled, groups), 1, 0, [0, 1], higher_is_better=True)
    assert found.p_value > 0.05


def test_less_noise_is_no_gain_of_the_worst_group(rng):
    """Eight equal groups of 20; the second model varies half as much and lifts nobody."""
    studies = 200
    wrong = 0
    for _ in range(studies):
        values, groups = drawn(rng, (20,) * 8, (0.12, 0.06))
        found = WorstGroup(means_of(values, groups), 1, 0, list(range(8)), higher_is_better=True)
        wrong += found.p_value < 0.05
    assert wrong <= 10  # the bootstrap of the difference of the worst means: 58
