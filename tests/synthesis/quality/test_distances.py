"""Formulas of quality against independent references: matrix roots and brute force."""

from itertools import permutations

import numpy as np
import pytest
from scipy import linalg

from nnunetv2_fair.synthesis.quality.distances import (
    fairdiff_matching,
    frechet_distance,
    kernel_distance,
    matching,
    precision_recall,
    squared_distances,
)

RNG = np.random.default_rng(4)


def _sets(n: int = 30, m: int = 40, d: int = 6) -> tuple[np.ndarray, np.ndarray]:
    return RNG.normal(size=(n, d)), RNG.normal(0.4, 1.3, size=(m, d))


def test_the_frechet_distance_is_that_with_a_matrix_root():
    a, b = _sets()
    first, second = np.cov(a.T), np.cov(b.T)
    root = np.trace(linalg.sqrtm(first @ second)).real
    expected = np.sum((a.mean(0) - b.mean(0)) ** 2) + np.trace(first) + np.trace(second) - 2 * root
    assert frechet_distance(a, b) == pytest.approx(expected, rel=1e-9)


def test_the_frechet_distance_of_fewer_cases_than_features():
    a, b = _sets(5, 7, 20)
    assert frechet_distance(a, a) == pytest.approx(0, abs=1e-9)
    assert frechet_distance(a, a + 2) == pytest.approx(4 * 20)
    assert frechet_distance(a, b) == pytest.approx(frechet_distance(b, a))


def test_the_kernel_distance_is_the_mean_over_pairs_of_different_cases():
    a, b = _sets(7, 9)

    def kernel(x: np.ndarray, y: np.ndarray) -> float:
        return float((x @ y / 6 + 1) ** 3)

    within = [np.mean([kernel(x, y) for x, y in permutations(s, 2)]) for s in (a, b)]
    between = np.mean([kernel(x, y) for x in a for y in b])
    assert kernel_distance(a, b) == pytest.approx(sum(within) - 2 * between, rel=1e-9)


def test_the_kernel_distance_of_one_distribution_is_zero_on_average():
    draws = [kernel_distance(*RNG.normal(size=(2, 15, 4))) for _ in range(400)]
    assert abs(np.mean(draws)) < 4 * np.std(draws) / np.sqrt(len(draws))


def _cosine(a: np.ndarray, b: np.ndarray) -> float:
    return float((1 - a @ b / np.linalg.norm(a) / np.linalg.norm(b)) / 2)


def test_matching_by_brute_force_in_both_directions():
    synthetic, real = _sets(12, 9)
    per_real = [[_cosine(s, r) for s in synthetic] for r in real]
    per_synthetic = [[_cosine(s, r) for r in real] for s in synthetic]
    ours, theirs = matching(synthetic, real), fairdiff_matching(synthetic, real)
    assert ours.distance == pytest.approx(np.mean([min(x) for x in per_real]))
    assert ours.coverage == len({int(np.argmin(x)) for x in per_synthetic}) / len(real)
    assert theirs.distance == pytest.approx(np.mean([min(x) for x in per_synthetic]))
    assert theirs.coverage == len({int(np.argmin(x)) for x in per_real}) / len(real)


def test_copies_of_one_case_cover_little_but_look_good_transposed():
    real = RNG.normal(size=(40, 6))
    copies = np.repeat(real[:1], 40, axis=0)
    assert matching(copies, real).coverage == 1 / 40
    assert matching(copies, real).distance > 0.1
    assert fairdiff_matching(copies, real).distance == pytest.approx(0, abs=1e-9)


def test_precision_and_recall_by_brute_force():
    synthetic, real = _sets(20, 25, 3)

    def lies_in(x: np.ndarray, members: np.ndarray) -> bool:
        radii = [sorted(np.linalg.norm(members - m, axis=1))[3] for m in members]
        return any(np.linalg.norm(x - m) <= r for m, r in zip(members, radii, strict=True))

    found = precision_recall(synthetic, real)
    assert found.precision == np.mean([lies_in(x, real) for x in synthetic])
    assert found.recall == np.mean([lies_in(x, synthetic) for x in real])
    assert 0 < found.recall < 1


def test_precision_and_recall_where_sets_differ():
    real = RNG.normal(size=(40, 3))
    narrow = precision_recall(real[:20] * 0.05, real)
    assert narrow.precision == 1
    assert narrow.recall < 0.3
    assert precision_recall(real + 100, real).precision == 0


def test_equal_vectors_have_no_distance():
    a, _ = _sets()
    assert (np.diag(squared_distances(a + 1e6, a + 1e6)) == 0).all()


@pytest.mark.parametrize("measure", [frechet_distance, kernel_distance, precision_recall])
def test_sets_that_are_too_small_or_differ_are_refused(measure):
    with pytest.raises(ValueError, match=r"expected at least \d vectors a set, found 1 and 5"):
        measure(np.ones((1, 2)), np.ones((5, 2)))
    with pytest.raises(ValueError, match="expected two sets of equal vectors"):
        measure(np.ones((5, 3)), np.ones((5, 2)))
