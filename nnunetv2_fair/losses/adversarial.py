"""The two sides of APPLE's game on the group logits of a discriminator (Xu et al. 2025)."""

import torch
import torch.nn.functional as F  # noqa: N812 - torch's own habit


def discriminator_loss(
    logits: torch.Tensor, groups: torch.Tensor, weights: torch.Tensor | None = None
) -> torch.Tensor:
    """Return what the discriminator minimises: the cross-entropy (Eq. 3).

    Args:
        logits: ``(B, G)``.
        groups: ``(B,)`` int, 0 to G - 1.
        weights: ``(G,)`` weight of each group's samples, 1 on average over the samples drawn;
            None for the paper's loss. The mean is over the batch and not over its weights, so
            that a rare group keeps its weight in batches that hold only it, or do not hold it.

    Returns:
        Scalar, 0 or more; log G if all groups are equally likely (with weights: on average).
    """
    if weights is None:
        return F.cross_entropy(logits, groups)
    return (weights[groups] * F.cross_entropy(logits, groups, reduction="none")).mean()


def entropy(logits: torch.Tensor) -> torch.Tensor:
    """Return the mean entropy of the discriminator's guesses, 0 to log G.

    Args:
        logits: ``(B, G)``.
    """
    log_probabilities = logits.log_softmax(1)
    return -(log_probabilities.exp() * log_probabilities).sum(1).mean()


def fairness_loss(
    logits: torch.Tensor, groups: torch.Tensor, alpha: float, *, confusion: bool = False
) -> torch.Tensor:
    """Return what the generator minimises in addition to the segmentation loss (Eq. 5).

    ``-CE - alpha H``, with the entropy ``H`` of the guesses. The first term has no minimum: it
    rewards guesses that are confidently wrong. With ``confusion`` it is replaced by the
    cross-entropy to the uniform distribution, whose minimum, log G, is a discriminator that knows
    nothing.

    Args:
        logits: ``(B, G)``.
        groups: ``(B,)`` int, 0 to G - 1.
        alpha: Weight of the entropy, 0 or more.
        confusion: Cross-entropy to the uniform distribution instead of the paper's first term.

    Returns:
        Scalar.
    """
    first = -logits.log_softmax(1).mean() if confusion else -discriminator_loss(logits, groups)
    return first - alpha * entropy(logits)
