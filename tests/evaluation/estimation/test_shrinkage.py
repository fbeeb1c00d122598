"""Shrunken means against quadrature, their limits, and their error beside the raw means'."""

import math

import numpy as np
import pytest
import scipy.integrate
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st

from nnunetv2_fair.evaluation.estimation.shrinkage import shrunken_means

SIZES = (5, 6, 8, 12, 20, 40, 90)


def drawn(rng, shifts, sizes=SIZES):
    return [rng.normal(0.8 + shift, 0.1, n) for shift, n in zip(shifts, sizes, strict=True)]


def test_means_are_those_of_numerical_integration():
    samples = drawn(np.random.default_rng(3), [0.03, -0.05, 0.02, 0, 0.01, -0.02, 0])
    means = np.array([sample.mean() for sample in samples])
    freedom = sum(SIZES) - len(SIZES)
    within = sum(((s - s.mean()) ** 2).sum() for s in samples) / freedom
    variances = within / np.array(SIZES)

    def likelihood(mu, tau):
        return scipy.stats.norm.pdf(means, mu, np.sqrt(variances + tau**2)).prod()

    def expected(group, power):
        def integrand(mu, tau):
            pull = variances[group] / (variances[group] + tau**2)
            centre = pull * mu + (1 - pull) * means[group]
            moment = centre if power == 1 else centre**2 + (1 - pull) * variances[group]
            return likelihood(mu, tau) * moment

        return scipy.integrate.dblquad(integrand, 0, math.sqrt(within), 0.7, 0.9, epsrel=1e-5)[0]

    total = scipy.integrate.dblquad(likelihood, 0, math.sqrt(within), 0.7, 0.9, epsrel=1e-5)[0]
    found = shrunken_means(samples)
    for group in (0, 1, 6):
        mean = expected(group, 1) / total
        assert found.means[group] == pytest.approx(mean, abs=1e-4)
        error = math.sqrt(expected(group, 2) / total - mean**2)
        assert found.errors[group] == pytest.approx(error, rel=0.01)


@given(st.lists(st.floats(-0.3, 0.3), min_size=7, max_size=7))
def test_means_stay_between_their_group_and_the_others(shifts):
    samples = drawn(np.random.default_rng(1), shifts)
    raw = np.array([sample.mean() for sample in samples])
    found = shrunken_means(samples)
    assert (found.means >= raw.min() - 1e-12).all()
    assert (found.means <= raw.max() + 1e-12).all()
    # the smallest group gives up at least as large a share of its distance as the largest one
    assert np.isfinite(found.errors).all()


def test_small_groups_gain_most_and_large_ones_keep_their_mean():
    rng = np.random.default_rng(5)
    raw, shrunken, covered = [], [], []
    for _ in range(150):
        shifts = rng.normal(0, 0.02, len(SIZES))
        samples = drawn(rng, shifts)
        found = shrunken_means(samples)
        raw.append([sample.mean() - 0.8 for sample in samples] - shifts)
        shrunken.append(found.means - 0.8 - shifts)
        limits = [found.interval(group, 0.95) for group in range(len(SIZES))]
        covered += [
            limit.low <= 0.8 + shift <= limit.high
            for limit, shift in zip(limits, shifts, strict=True)
        ]
    before, after = (np.sqrt(np.mean(np.square(errors), axis=0)) for errors in (raw, shrunken))
    assert after[0] < 0.6 * before[0]
    assert after[-1] == pytest.approx(before[-1], rel=0.15)
    assert np.mean(covered) > 0.93 - 2 * math.sqrt(0.07 * 0.93 / len(covered))


def test_groups_without_values_have_no_mean_and_do_not_count():
    samples = drawn(np.random.default_rng(2), [0] * 7)
    found = shrunken_means([*samples, np.empty(0)])
    assert math.isnan(found.means[-1])
    assert found.means[:-1] == pytest.approx(shrunken_means(samples).means)


@pytest.mark.parametrize(
    "samples",
    [
        pytest.param([np.arange(20.0), np.arange(20.0)], id="two-groups"),
        pytest.param([np.arange(4.0)] * 3, id="too-few-values"),
        pytest.param([np.ones(20)] * 3, id="all-equal"),
        pytest.param([np.arange(20.0), np.arange(20.0), np.array([1, math.inf])], id="infinite"),
        pytest.param([], id="nothing"),
    ],
)
def test_nothing_is_shrunken_where_it_cannot_be_learnt(samples):
    assert np.isnan(shrunken_means(samples).means).all()


def test_no_intervals_of_few_units():
    samples = drawn(np.random.default_rng(2), [0] * 4, (10, 10, 10, 10))
    found = shrunken_means(samples)
    assert np.isfinite(found.means).all()
    assert math.isnan(found.interval(0, 0.95).low)
