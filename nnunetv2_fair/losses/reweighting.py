"""Weights inversely proportional to group sizes (Lee et al., MELBA 2025, Eqs. 1 and 2)."""

from collections.abc import Sequence

import numpy as np

#: Epsilon of Eq. 1.
_EPSILON = 1e-6


def paper_weights(sizes: Sequence[int]) -> np.ndarray:
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
    sizes: Sequence[int],
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
