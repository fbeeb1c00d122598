"""Weights inversely proportional to group sizes (Lee et al., MELBA 2025, Eqs. 1 and 2)."""

from collections.abc import Sequence

import numpy as np
import torch

from nnunetv2_fair.losses.distributed import sum_over_ranks

#: Epsilon of Eq. 1.
_EPSILON = 1e-6


def paper_weights(sizes: Sequence[float]) -> np.ndarray:
    """Return the paper's normalised weights.

    Eq. 1: ``w_g = n / (n_g + 1e-6)`` with n cases in all groups; Eq. 2: divided by their sum.

    Args:
        sizes: Training cases of each group. A group without any is never drawn; its weight is 0
            and it is left out of the sum (by Eq. 1 it would be ten orders of magnitude above all
            others).

    Returns:
        ``(G,)`` weights that sum to 1.
    """
    counted = np.asarray(sizes, dtype=float)
    weights = np.where(counted > 0, counted.sum() / (counted + _EPSILON), 0.0)
    return weights / weights.sum()


def group_weights(
    sizes: Sequence[float],
    shares: Sequence[float] | None = None,
    *,
    cap: float | None = None,
    raw: bool = False,
) -> np.ndarray:
    """Return the weight of each group's samples, and as the last entry that of unknown samples.

    The paper's weights are scaled so that the mean over the samples drawn for training is 1, and
    the loss stays on the scale of nnU-Net's. A sample of unknown group has the mean weight.

    Args:
        sizes: Training cases of each group; at least one above 0.
        shares: ``(G,)`` or ``(G + 1,)`` how often each group is drawn (unknown last, ignored);
            in proportion to ``sizes`` by default.
        cap: Largest weight, in multiples of the mean, at least 1. The other weights rise in
            proportion until the mean is 1 again. None: no cap.
        raw: The paper's scale instead: weights sum to 1 over the groups. With 15 and 4,221
            cases the mean over the training set is then 0.007, and the cross-entropy's gradient
            smaller by the same factor.

    Returns:
        ``(G + 1,)`` weights.

    Raises:
        ValueError: If the cap is below 1, which no weights with mean 1 can satisfy.
    """
    if cap is not None and cap < 1:
        raise ValueError(f"The cap must be at least 1, not {cap}.")
    weights = paper_weights(sizes)
    n_groups = len(weights)
    drawn = np.asarray(sizes if shares is None else shares, dtype=float)[:n_groups]
    drawn = drawn / drawn.sum()
    capped = np.zeros(n_groups, dtype=bool)
    scaled = weights / (drawn @ weights)
    # every round caps at least one more group, or is the last
    while cap is not None and (scaled[~capped] > cap).any():
        capped |= scaled > cap
        scaled[capped] = cap
        rest = drawn[~capped] @ weights[~capped]
        if rest > 0:
            scaled[~capped] = weights[~capped] * (1 - cap * drawn[capped].sum()) / rest
    if raw:
        scaled = scaled / scaled.sum()
    return np.append(scaled, drawn @ scaled)


def batch_weights(
    groups: torch.Tensor, n_groups: int, *, raw: bool = False, distributed: bool = False
) -> torch.Tensor:
    """Return the weight of each group's samples if only the batch's samples are counted.

    Eqs. 1 and 2 with the counts of the batch, as the paper's public code applies them. A group's
    samples then have the same total weight in every batch that holds it.

    Args:
        groups: ``(B,)`` int, -1 for unknown; on the training device.
        n_groups: Number of groups G.
        raw: True: weights sum to 1 over the groups in the batch; False: the mean over its
            samples is 1.
        distributed: Whether other processes hold further parts of the batch.

    Returns:
        ``(G + 1,)`` float32 weights; 0 for groups that are not in the batch; the last, for
        samples of unknown group, is the mean weight (1 if no sample has a known group).
    """
    slots = torch.where(groups < 0, n_groups, groups)
    ones = torch.ones(len(groups), device=groups.device)
    counts = torch.zeros(n_groups + 1, device=groups.device).index_add(0, slots, ones)
    counts = sum_over_ranks(counts, distributed)[:-1]
    inverse = torch.where(counts > 0, counts.sum() / (counts + _EPSILON), 0.0)
    weights = inverse / inverse.sum().clamp_min(_EPSILON)
    mean = (counts * weights).sum() / counts.sum().clamp_min(1)
    anyone = counts.sum() > 0
    if not raw:
        weights = torch.where(anyone, weights / mean.clamp_min(_EPSILON), weights)
        mean = torch.ones_like(mean)
    return torch.cat([weights, torch.where(anyone, mean, 1.0)[None]])
