"""Batches in which every group has its intended share."""

import multiprocessing
from collections.abc import Sequence

import numpy as np

#: Batches after which ranks of a distributed training exchange their roles.
_SCHEDULE_BLOCK = 64


def balanced_shares(sizes: Sequence[int], n_unknown: int = 0, level: float = 1.0) -> np.ndarray:
    """Return the share of each group, and as the last entry that of cases of unknown group.

    Unknown cases keep their natural share. The rest goes to the groups: in equal parts at
    ``level`` 1, in proportion to their sizes at ``level`` 0, and linearly in between.

    Args:
        sizes: Training cases of each group, all above 0.
        n_unknown: Training cases of unknown group.
        level: 0 to 1 (Lee et al. 2025, Fig. S2, vary it).

    Returns:
        ``(len(sizes) + 1,)`` floats that sum to 1.
    """
    counted = np.asarray(sizes, dtype=float)
    unknown = n_unknown / (counted.sum() + n_unknown)
    known = level / len(counted) + (1 - level) * counted / counted.sum()
    return np.append(known * (1 - unknown), unknown)


def allot(shares: np.ndarray, n_slots: int, rng: np.random.Generator) -> np.ndarray:
    """Divide slots among groups: each gets its share, rounded down or up at random.

    Systematic sampling: one random offset, equidistant points on the cumulative shares, the
    groups in random order. Equal shares therefore differ by at most one slot, and the
    expectation of every group is exact.

    Args:
        shares: ``(G,)`` that sum to 1.
        n_slots: Slots to divide.
        rng: Source of randomness.

    Returns:
        ``(n_slots,)`` group indices in random order.
    """
    order = rng.permutation(len(shares))
    cumulated = np.cumsum(shares[order])
    points = (np.arange(n_slots) + rng.uniform()) / n_slots * cumulated[-1]
    chosen = order[np.minimum(np.searchsorted(cumulated, points, side="right"), len(order) - 1)]
    return rng.permutation(chosen)


class BalancedSampler:
    """Draws the cases of one batch, every group equally often, with replacement.

    nnU-Net's data loader calls it instead of its own ``get_indices``. Positions are
    shuffled, because nnU-Net forces foreground on the last third of a batch.

    In a distributed training every rank draws its part of one global batch: all ranks compute
    the same division of the global slots from a shared schedule, which changes every 64
    batches; ranks that are a few batches apart still agree.

    Args:
        members: Training cases of each group, then those of unknown group (may be empty).
        shares: Share of each entry of ``members`` (see :func:`balanced_shares`).
        batch_sizes: Batch size of every rank.
        rank: This rank.
        schedule_seed: Seed of the shared schedule; the same on all ranks.

    Raises:
        ValueError: If a group with a share has no members.
    """

    def __init__(
        self,
        members: Sequence[Sequence[str]],
        shares: np.ndarray,
        batch_sizes: Sequence[int],
        rank: int = 0,
        schedule_seed: int = 12345,
    ) -> None:
        if len(members) != len(shares):
            raise ValueError(f"{len(members)} groups but {len(shares)} shares.")
        empty = [i for i, cases in enumerate(members) if not cases and shares[i] > 0]
        if empty:
            raise ValueError(f"Groups {empty} have a share but no case.")
        kept = [i for i, cases in enumerate(members) if cases]
        self._members = [np.asarray(members[i], dtype=object) for i in kept]
        self._shares = np.asarray(shares, dtype=float)[kept]
        self._batch_sizes = tuple(batch_sizes)
        self._rank = rank
        self._seed = schedule_seed
        # shared by the loader's worker processes, so that a rank has one count of batches
        self._drawn = multiprocessing.Value("q", 0) if len(self._batch_sizes) > 1 else None

    def __call__(self) -> np.ndarray:
        """Return the cases of the next batch: ``(batch size of this rank,)`` of str."""
        # nnU-Net seeds numpy's global generator in every worker; everything derives from it
        rng = np.random.default_rng(np.random.randint(2**31, size=4))
        slots = self._slots(rng)
        return np.array([self._members[g][rng.integers(len(self._members[g]))] for g in slots])

    def _slots(self, rng: np.random.Generator) -> np.ndarray:
        if self._drawn is None:
            return allot(self._shares, self._batch_sizes[0], rng)
        with self._drawn.get_lock():
            block = self._drawn.value // _SCHEDULE_BLOCK
            self._drawn.value += 1
        shared = np.random.default_rng((self._seed, block))
        slots = allot(self._shares, sum(self._batch_sizes), shared)
        start = sum(self._batch_sizes[: self._rank])
        return rng.permutation(slots[start : start + self._batch_sizes[self._rank]])
