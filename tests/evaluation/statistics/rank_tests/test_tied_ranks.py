"""Kruskal-Wallis of values that are nearly all equal, against every exchange and on null data."""

import itertools

import numpy as np
import pytest
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st

from nnunetv2_fair.evaluation.statistics.rank_tests.tied_ranks import exchanged_p, heavily_tied


def p_of(values: np.ndarray, sizes, seed: int = 0) -> float:
    ranks = scipy.stats.rankdata(values)
    different, counts = np.unique(ranks, return_counts=True)
    parts = np.split(ranks, np.cumsum(sizes)[:-1])
    return exchanged_p(parts, different[counts.argmax()], np.random.default_rng(seed))


def statistic(values, sizes) -> float:
    return scipy.stats.kruskal(*np.split(values, np.cumsum(sizes)[:-1])).statistic


@pytest.mark.parametrize(
    "values",
    [[0, 1, 1, 1, 1, 1, 1, 0, 1], [0, 0, 1, 1, 1, 1, 1, 1, 1], [1, 0.2, 0.9, 1, 1, 1, 1, 1, 0.5]],
)
def test_all_exchanges(values):
    sizes, values = [2, 3, 4], np.array(values, dtype=float)
    every = [statistic(values[list(order)], sizes) for order in _arrangements(sizes)]
    exact = np.mean(np.array(every) >= statistic(values, sizes) - 1e-9)
    assert p_of(values, sizes) == pytest.approx(exact, abs=0.04)


def _arrangements(sizes):
    everyone = range(sum(sizes))
    for first in itertools.combinations(everyone, sizes[0]):
        rest = [i for i in everyone if i not in first]
        for second in itertools.combinations(rest, sizes[1]):
            yield [*first, *second, *(i for i in rest if i not in second)]


def test_small_p_values_are_made_more_precise():
    values = np.ones(60)
    values[:6] = 0
    sizes = [10, 25, 25]
    exact = scipy.stats.hypergeom.sf(5, 60, 10, 6)  # no other exchange is as far apart
    assert p_of(values, sizes) == pytest.approx(exact, abs=1e-4)


@given(st.integers(0, 1000), st.integers(3, 6))
def test_does_not_depend_on_the_direction_or_names(seed, n_groups):
    rng = np.random.default_rng(seed)
    sizes = rng.integers(5, 9, n_groups)
    values = np.where(rng.random(sizes.sum()) < 0.8, 1.0, rng.random(sizes.sum()))
    if np.ptp(values) == 0:
        return
    found = p_of(values, sizes)
    assert 0 < found <= 1
    assert p_of(-values, sizes) == pytest.approx(found, abs=0.08)
    parts = np.split(values, np.cumsum(sizes)[:-1])
    turned = p_of(np.concatenate(parts[::-1]), sizes[::-1])
    assert turned == pytest.approx(found, abs=0.08)


@pytest.mark.parametrize("sizes", [(200, 5, 5, 5), (200, *(20,) * 11), (12, 12, 12)])
def test_rarely_wrong_where_the_chi_square_limit_is_often(sizes):
    rng = np.random.default_rng(1)
    values = (rng.random((400, sum(sizes))) > 0.03).astype(float)
    found = np.array([1.0 if np.ptp(row) == 0 else p_of(row, sizes) for row in values])
    assert (found <= 0.05).mean() <= 0.05 + 2 * np.sqrt(0.05 * 0.95 / 400)
    if min(sizes) < 10:
        limit = [1.0 if np.ptp(row) == 0 else chi_square(row, sizes) for row in values]
        assert (np.array(limit) <= 0.05).mean() > 0.09


def chi_square(values, sizes) -> float:
    return scipy.stats.kruskal(*np.split(values, np.cumsum(sizes)[:-1])).pvalue


def test_when_values_are_heavily_tied():
    assert heavily_tied([200, 5, 5], 209)
    assert not heavily_tied([200, 5, 5], 1)
    assert not heavily_tied([50, 50, 50], 135)  # five others are expected in each group
    assert heavily_tied([50, 50, 50], 136)
