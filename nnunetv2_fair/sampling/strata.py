"""Weights with which every group has the same distribution over strata of difficulty.

Source: the weights are those of direct standardisation. arXiv 2511.00477 balances training data by
difficulty and does not say how.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

#: Weight of a case that counts once: weights are whole numbers, since folds list cases.
UNIT = 10
#: No case is listed more often than this for counting once.
_MOST_UNIT = 100

#: What happens to cases of strata that some group has no case in.
Alone = Literal["keep", "drop"]


@dataclass(frozen=True)
class StrataWeights:
    """Weights of cases, and what they were made for.

    Attributes:
        weights: ``(n,)`` whole numbers: how often each case is listed.
        unit: Weight of a case that counts once.
        shared: ``(S,)`` bool: strata in which every group has a case.
    """

    weights: NDArray[np.int64]
    unit: int
    shared: NDArray[np.bool_]


def counts_of(
    groups: NDArray[np.int64], strata: NDArray[np.int64], weights: NDArray[np.int64] | None = None
) -> NDArray[np.float64]:
    """Return how many cases (or which sum of weights) each group has in each stratum: ``(G, S)``.

    Args:
        groups: ``(n,)`` index of each case's group, from 0; -1 for none.
        strata: ``(n,)`` index of each case's stratum, from 0.
        weights: ``(n,)``; 1 by default.
    """
    n_groups, n_strata = int(groups.max()) + 1, int(strata.max()) + 1
    counts = np.zeros((n_groups, n_strata))
    known = groups >= 0
    values = 1 if weights is None else weights[known]
    np.add.at(counts, (groups[known], strata[known]), values)
    return counts


def imbalance(counts: NDArray[np.float64]) -> float:
    """Return how far groups' distributions over strata are apart, from 0 (equal) to 1.

    Args:
        counts: ``(G, S)`` cases or weights.

    Returns:
        The largest total variation distance of two groups: the share of a group's weight that
        would have to move to other strata. Groups without weight are left out.
    """
    present = counts[counts.sum(axis=1) > 0]
    shares = present / present.sum(axis=1, keepdims=True)
    pairs = np.abs(shares[:, None] - shares[None]).sum(axis=2) / 2
    return float(pairs.max(initial=0.0))


def balancing_weights(
    groups: NDArray[np.int64],
    strata: NDArray[np.int64],
    alone: Alone,
    rng: np.random.Generator,
) -> StrataWeights:
    """Return weights with which all groups have the same distribution over strata, that of all.

    A case of group g in stratum s counts ``(n_g n_s) / (n n_gs)`` times: every group keeps its
    total weight, and so does the whole. Cells are met up to a tenth of a case; within a cell,
    weights differ by at most 1.

    Args:
        groups: As for :func:`counts_of`; every group has a case. Cases of no group count once.
        strata: As for :func:`counts_of`.
        alone: What happens to cases of strata that some group has no case in: they count once, or
            not at all.
        rng: Which cases of a cell get the remainder.
    """
    counts = counts_of(groups, strata)
    shared = np.asarray((counts > 0).all(axis=0))
    inside = counts * shared
    together = inside.sum(axis=0) / max(inside.sum(), 1)
    wanted = inside.sum(axis=1, keepdims=True) * together
    ratios = wanted[:, shared] / counts[:, shared]
    least = float(ratios.min(initial=1.0))
    unit = int(min(_MOST_UNIT, max(UNIT, np.ceil(1 / least))))
    weights = np.full(len(groups), unit, dtype=np.int64)
    if alone == "drop":
        weights[(groups >= 0) & ~shared[strata]] = 0
    for group, row in enumerate(wanted):
        totals = _rounded(row * unit)
        for stratum in np.flatnonzero(shared):
            cell = np.flatnonzero((groups == group) & (strata == stratum))
            each, more = divmod(int(totals[stratum]), len(cell))
            weights[cell] = each
            weights[rng.permutation(cell)[:more]] += 1
    return StrataWeights(weights, unit, shared)


def balancing_choice(
    groups: NDArray[np.int64],
    strata: NDArray[np.int64],
    alone: Alone,
    rng: np.random.Generator,
) -> StrataWeights:
    """Return which cases to train on so that all groups have the same distribution over strata.

    Of each stratum, every group keeps the share of its cases that the group with the smallest one
    has there. Each group so keeps the same share of its cases, the overlap of the distributions,
    and no larger common share would do.

    Args:
        groups: As for :func:`balancing_weights`.
        strata: As for :func:`balancing_weights`.
        alone: As for :func:`balancing_weights`.
        rng: Which cases are kept.

    Returns:
        Weights 1 and 0.
    """
    counts = counts_of(groups, strata)
    shared = np.asarray((counts > 0).all(axis=0))
    inside = counts * shared
    sizes = inside.sum(axis=1, keepdims=True)
    wanted = sizes * (inside / np.maximum(sizes, 1)).min(axis=0)
    weights = np.ones(len(groups), dtype=np.int64)
    if alone == "drop":
        weights[(groups >= 0) & ~shared[strata]] = 0
    for group, row in enumerate(wanted):
        kept = np.minimum(_rounded(row), counts[group])
        for stratum in np.flatnonzero(shared):
            cell = np.flatnonzero((groups == group) & (strata == stratum))
            weights[cell] = 0
            weights[rng.permutation(cell)[: int(kept[stratum])]] = 1
    return StrataWeights(weights, 1, shared)


def effective_size(weights: NDArray[np.int64]) -> float:
    """Return how many equally weighted cases say as much as these.

    Source: Kish, Survey Sampling, 1965: the squared sum of weights over the sum of their squares.

    Args:
        weights: ``(n,)``, not all 0; otherwise 0 is returned.
    """
    squares = float((weights.astype(float) ** 2).sum())
    return float(weights.sum()) ** 2 / squares if squares else 0.0


def _rounded(values: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return whole numbers with the rounded sum of all, each rounded down or up."""
    floor = np.floor(values + 1e-9)
    rest = round(float(values.sum())) - int(floor.sum())
    order = np.argsort(floor - values, kind="stable")
    floor[order[:rest]] += 1
    return floor.astype(np.int64)
