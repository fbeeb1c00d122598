"""Exact tests: Fisher's against scipy, Boschloo's and Freeman and Halton's by brute force."""

import itertools
import math

import numpy as np
import pytest
import scipy.stats

from nnunetv2_fair.evaluation.failures import exact_tests
from nnunetv2_fair.evaluation.failures.exact_tests import boschloo, equal_proportions_test
from nnunetv2_fair.evaluation.failures.proportions import Counts


@pytest.mark.parametrize(("n", "m"), [(5, 9), (12, 12), (1, 20)])
def test_the_table_of_p_values_is_fisher_s(n, m):
    table = exact_tests._fisher_table(n, m)
    for x, y in itertools.product(range(n + 1), range(m + 1)):
        expected = scipy.stats.fisher_exact([[x, y], [n - x, m - y]])[1]
        assert table[x, y] == pytest.approx(expected, rel=1e-9)


def test_boschloo_by_brute_force():
    n, m, seen = 6, 9, (0, 5)
    p_of = {
        (x, y): scipy.stats.fisher_exact([[x, y], [n - x, m - y]])[1]
        for x, y in itertools.product(range(n + 1), range(m + 1))
    }
    extreme = [key for key, p in p_of.items() if p <= p_of[seen] * (1 + 1e-9)]
    largest = max(
        sum(
            math.comb(n, x) * math.comb(m, y) * q ** (x + y) * (1 - q) ** (n + m - x - y)
            for x, y in extreme
        )
        for q in np.linspace(0, 1, 201)
    )
    assert boschloo(Counts(0, n), Counts(5, m)) == pytest.approx(largest)
    assert boschloo(Counts(5, m), Counts(0, n)) == pytest.approx(largest)


@pytest.mark.parametrize(("n", "m"), [(15, 15), (50, 50), (20, 60)])
def test_size_and_power_exactly(n, m):
    p = np.array(
        [[boschloo(Counts(x, n), Counts(y, m)) for y in range(m + 1)] for x in range(n + 1)]
    )
    rejected = (p < 0.05).astype(float)

    def rate(one: float, two: float) -> float:
        of_one, of_two = (
            scipy.stats.binom.pmf(np.arange(k + 1), k, q) for k, q in ((n, one), (m, two))
        )
        return float(of_one @ rejected @ of_two)

    assert max(rate(q, q) for q in np.arange(0.01, 1, 0.01)) <= 0.05
    if n == m == 50:  # Fisher's test: 0.40
        assert rate(0.03, 0.15) == pytest.approx(0.512, abs=0.001)


def test_large_groups_are_compared_by_fisher_s_test():
    found = equal_proportions_test([Counts(3, 300), Counts(20, 300)], np.random.default_rng(0))
    assert found.name == "Fisher's exact test"
    assert found.p_value == pytest.approx(scipy.stats.fisher_exact([[3, 20], [297, 280]])[1])


def test_freeman_halton_by_brute_force():
    counts = [Counts(1, 6), Counts(4, 5), Counts(0, 7)]
    failed = sum(c.failed for c in counts)

    def probability(cells):
        return math.prod(math.comb(c.n, x) for c, x in zip(counts, cells, strict=True))

    ours = probability([c.failed for c in counts])
    every = [
        cells
        for cells in itertools.product(*(range(c.n + 1) for c in counts))
        if sum(cells) == failed
    ]
    exact = sum(w for w in map(probability, every) if w <= ours) / sum(map(probability, every))
    found = equal_proportions_test(counts, np.random.default_rng(0))
    assert found.name == "Fisher-Freeman-Halton test"
    assert found.p_value == pytest.approx(exact, abs=0.003)


@pytest.mark.parametrize("failed", [0, 1])
@pytest.mark.parametrize("sizes", [(9, 9), (300, 200), (5, 6, 7)])
def test_where_all_or_none_failed_nothing_is_rejected(failed, sizes):
    counts = [Counts(n * failed, n) for n in sizes]
    assert equal_proportions_test(counts, np.random.default_rng(0)).p_value == 1
