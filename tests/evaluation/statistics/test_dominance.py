"""Cliff's delta against brute force; its interval against a search, and how often it is wrong."""

import math

import numpy as np
import pytest
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st

from nnunetv2_fair.evaluation.statistics.dominance import cliffs_delta, dominance_interval

VALUES = st.lists(st.integers(0, 6).map(lambda v: v / 6), min_size=1, max_size=12)


def brute_force(first, second) -> float:
    signs = [int(a > b) - int(a < b) for a in first for b in second]
    return sum(signs) / len(signs)


@given(VALUES, VALUES)
def test_cliffs_delta_counts_pairs(first, second):
    found = cliffs_delta(np.array(first), np.array(second))
    assert found == pytest.approx(brute_force(first, second))
    assert found == pytest.approx(-cliffs_delta(np.array(second), np.array(first)))


def test_cliffs_delta_of_separated_infinite_and_missing_values():
    assert cliffs_delta(np.array([2.0, 3.0]), np.array([0.0, 1.0])) == 1
    assert cliffs_delta(np.array([2.0, math.inf]), np.array([math.inf, math.inf])) == -0.5
    assert math.isnan(cliffs_delta(np.array([]), np.array([1.0])))


def searched(delta: float, sizes: tuple[int, int], largest: bool) -> tuple[float, float]:
    """Return the first and last true delta from which the observed one is near enough."""
    true = np.linspace(0, 1, 2_000_001)
    m, n = sizes
    pairs = (m + n) / 2 - 1
    variance = 1 + pairs * ((1 - true) / (2 - true) + true / (1 + true))
    variance = true * (1 - true) * (max(m, n) if largest else variance) / (m * n)
    near = np.flatnonzero(np.abs(true - (delta + 1) / 2) <= 1.959964 * np.sqrt(variance))
    return 2 * true[near[0]] - 1, 2 * true[near[-1]] - 1


@pytest.mark.parametrize("delta", [-1, -0.93, -0.2, 0, 0.5, 0.99, 1])
@pytest.mark.parametrize("sizes", [(10, 10), (12, 180), (19, 57), (30, 200)])
def test_without_spread_the_score_interval_is_left(delta, sizes):
    found = dominance_interval(delta, np.full(100, delta), sizes, 0.95)
    expected = searched(delta, sizes, largest=sizes == (12, 180))
    assert (found.low, found.high) == pytest.approx(expected, abs=3e-6)
    other = dominance_interval(-delta, np.full(100, -delta), sizes[::-1], 0.95)
    assert (other.low, other.high) == pytest.approx((-found.high, -found.low), abs=1e-9)


def test_at_least_the_resamples():
    drawn = np.random.default_rng(0).normal(0.1, 0.3, 2000)
    found = dominance_interval(0.1, drawn, (50, 50), 0.95)
    assert (found.low, found.high) == pytest.approx(np.quantile(drawn, [0.022, 0.978]), abs=0.03)
    assert math.isnan(dominance_interval(0.1, np.empty(0), (50, 50), 0.95).low)


@pytest.mark.parametrize("sizes", [(10, 10), (12, 180)])
def test_nearly_separated_groups_are_covered(sizes):
    """Tight values, of which 3% fail, worse by 0.05 in one group."""
    rng = np.random.default_rng(2)
    held, plainly = [], []
    for _ in range(300):
        first, second = (_tight(rng, n, by) for n, by in zip(sizes, (0, 0.05), strict=True))
        signs = np.sign(first[:, None] - second)
        picked = [rng.multinomial(n, np.full(n, 1 / n), 300) / n for n in sizes]
        drawn = ((picked[0] @ signs) * picked[1]).sum(axis=1)
        found = dominance_interval(cliffs_delta(first, second), drawn, sizes, 0.95)
        held.append(found.low <= TRUE <= found.high)
        plainly.append(np.quantile(drawn, 0.025) <= TRUE <= np.quantile(drawn, 0.975))
    assert np.mean(plainly) < 0.6
    assert np.mean(held) > 0.93


def _tight(rng, n: int, worse_by: float) -> np.ndarray:
    return np.where(rng.random(n) < 0.03, 0, rng.beta(190, 10, n) - worse_by)


def _true() -> float:
    grid = scipy.stats.beta.ppf(np.linspace(0, 1, 20_001)[1:-1], 190, 10)
    good = cliffs_delta(grid, grid - 0.05)
    return 0.97**2 * good + 0.97 * 0.03 - 0.03 * 0.97


TRUE = _true()
