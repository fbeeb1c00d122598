"""Distances between two sets of feature vectors: formulas only, NumPy only."""

from dataclasses import dataclass

import numpy as np

#: Neighbours in precision and recall, as in their paper.
NEIGHBOURS = 3
#: Vectors that are compared at once, so that memory stays below a few hundred MB.
_CHUNK = 512


@dataclass(frozen=True)
class Matching:
    """How two sets match by nearest neighbours.

    Attributes:
        distance: Minimum matching distance, 0 to 1; lower is better.
        coverage: Share, 0 to 1; higher is better.
    """

    distance: float
    coverage: float


@dataclass(frozen=True)
class PrecisionRecall:
    """How far two sets overlap.

    Attributes:
        precision: Share of synthetic cases that lie where real ones are, 0 to 1.
        recall: Share of real cases that lie where synthetic ones are, 0 to 1.
    """

    precision: float
    recall: float


def frechet_distance(first: np.ndarray, second: np.ndarray) -> float:
    """Return the Frechet distance between Gaussians fitted to two sets.

    The trace of the square root of the product of both covariances is the sum of the singular
    values of the product of both centred sets, so that no matrix root is taken, which fails
    where there are fewer vectors than features.

    Args:
        first: ``(n, d)`` with n at least 2.
        second: ``(m, d)`` with m at least 2.

    Returns:
        The squared distance, at least 0, in squared units of the features. It falls with n for
        sets of one distribution: compare it with the floor at the same n.

    Raises:
        ValueError: If there are fewer than two vectors, or the features differ in number.

    Source:
        Heusel et al. 2017, equation 6.
    """
    first, second = _checked(first, second, least=2)
    a = (first - first.mean(0)) / np.sqrt(len(first) - 1)
    b = (second - second.mean(0)) / np.sqrt(len(second) - 1)
    between = np.linalg.svd(a @ b.T, compute_uv=False).sum()
    means = np.sum((first.mean(0) - second.mean(0)) ** 2)
    return max(float(means + np.sum(a**2) + np.sum(b**2) - 2 * between), 0.0)


def kernel_distance(first: np.ndarray, second: np.ndarray) -> float:
    """Return the squared maximum mean discrepancy with the kernel ``(x.y / d + 1) ** 3``.

    Args:
        first: ``(n, d)`` with n at least 2.
        second: ``(m, d)`` with m at least 2.

    Returns:
        The unbiased estimate: 0 on average for sets of one distribution, so that it may be below.

    Raises:
        ValueError: As :func:`frechet_distance`.

    Source:
        Binkowski et al. 2018, section 4.
    """
    first, second = _checked(first, second, least=2)
    within = sum(_mean_off_diagonal(_kernel(x, x)) for x in (first, second))
    return float(within - 2 * _kernel(first, second).mean())


def matching(synthetic: np.ndarray, real: np.ndarray) -> Matching:
    """Return minimum matching distance and coverage: do the real cases find a likeness?

    The distance is the mean, over real cases, of that to the nearest synthetic case. Coverage is
    the share of real cases that are nearest to some synthetic case.

    Args:
        synthetic: ``(n, d)``.
        real: ``(m, d)``.

    Raises:
        ValueError: If a set is empty, or the features differ in number.

    Source:
        Achlioptas et al. 2018, section 2; distances as :func:`cosine_distances`.
    """
    between = cosine_distances(*_checked(synthetic, real))
    return Matching(
        float(between.min(axis=0).mean()), len(np.unique(between.argmin(axis=1))) / len(real)
    )


def fairdiff_matching(synthetic: np.ndarray, real: np.ndarray) -> Matching:
    """Return the measures that FairDiff's code calls by the names of :func:`matching`.

    Its matrix of distances is transposed: the distance is the mean, over synthetic cases, of that
    to the nearest real case, which rewards blur; coverage counts the synthetic cases that are
    nearest to some real case, divided by the number of real cases. Only for comparison with its
    tables.

    Args:
        synthetic: ``(n, d)``.
        real: ``(m, d)``.

    Raises:
        ValueError: As :func:`matching`.
    """
    between = cosine_distances(*_checked(synthetic, real))
    return Matching(
        float(between.min(axis=1).mean()), len(np.unique(between.argmin(axis=0))) / len(real)
    )


def precision_recall(
    synthetic: np.ndarray, real: np.ndarray, neighbours: int = NEIGHBOURS
) -> PrecisionRecall:
    """Return how many synthetic cases lie among the real ones, and the reverse.

    A case lies in a set if it is within the distance of a member of it to that member's k-th
    nearest other member.

    Args:
        synthetic: ``(n, d)`` with n above ``neighbours``.
        real: ``(m, d)`` with m above ``neighbours``.
        neighbours: k, at least 1.

    Raises:
        ValueError: If a set is too small, or the features differ in number.

    Source:
        Kynkaanniemi et al. 2019, equations 1 to 3.
    """
    synthetic, real = _checked(synthetic, real, least=neighbours + 1)
    between = squared_distances(synthetic, real)
    return PrecisionRecall(
        float((between <= _radii(real, neighbours)[None]).any(axis=1).mean()),
        float((between <= _radii(synthetic, neighbours)[:, None]).any(axis=0).mean()),
    )


def cosine_distances(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Return ``(n, m)`` distances ``(1 - cosine) / 2``, 0 to 1."""
    a, b = (
        x / np.maximum(np.linalg.norm(x, axis=1, keepdims=True), 1e-12) for x in (first, second)
    )
    return np.clip((1 - a @ b.T) / 2, 0, 1)


def squared_distances(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Return ``(n, m)`` squared Euclidean distances, exactly 0 for equal vectors."""
    out = np.empty((len(first), len(second)))
    for i, vector in enumerate(first):
        for start in range(0, len(second), _CHUNK):
            part = slice(start, start + _CHUNK)
            out[i, part] = np.sum((second[part] - vector) ** 2, axis=1)
    return out


def _radii(vectors: np.ndarray, neighbours: int) -> np.ndarray:
    within = squared_distances(vectors, vectors)
    np.fill_diagonal(within, np.inf)
    return np.partition(within, neighbours - 1, axis=1)[:, neighbours - 1]


def _kernel(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    return (first @ second.T / first.shape[1] + 1) ** 3


def _mean_off_diagonal(square: np.ndarray) -> float:
    n = len(square)
    return float((square.sum() - np.trace(square)) / (n * (n - 1)))


def _checked(
    first: np.ndarray, second: np.ndarray, least: int = 1
) -> tuple[np.ndarray, np.ndarray]:
    a, b = np.asarray(first, np.float64), np.asarray(second, np.float64)
    if a.ndim != 2 or b.ndim != 2 or a.shape[1] != b.shape[1]:
        raise ValueError(f"expected two sets of equal vectors, found shapes {a.shape}, {b.shape}")
    if min(len(a), len(b)) < least:
        raise ValueError(f"expected at least {least} vectors a set, found {len(a)} and {len(b)}")
    return a, b
