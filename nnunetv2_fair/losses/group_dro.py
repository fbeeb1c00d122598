"""GroupDRO: the worst group's loss counts most (Sagawa et al., ICLR 2020)."""

import math
from collections.abc import Sequence
from typing import Any, Literal

import torch
import torch.distributed as dist
from torch import nn

from nnunetv2_fair.losses.distributed import joined_over_ranks, sum_over_ranks
from nnunetv2_fair.losses.weighted import GroupLoss

#: How the groups' losses become one: see :class:`GroupDRO`.
Objective = Literal["online", "hardmax", "mean"]


def tail_shares(losses: torch.Tensor, slots: torch.Tensor, tail: float) -> torch.Tensor:
    """Return how much of each sample is in the tail of its group: the worst ``tail`` share.

    The mean of a group's losses, weighted by these shares, is their conditional value at risk:
    the mean of the largest ``tail n_g`` losses, where the last one counts in part.

    Args:
        losses: ``(B,)``.
        slots: ``(B,)`` int, group of every sample.
        tail: Above 0, at most 1.

    Returns:
        ``(B,)``, 0 to 1; in each group they sum to ``tail n_g``.

    Source: Rockafellar and Uryasev, "Conditional value-at-risk for general loss distributions",
    Journal of Banking and Finance 2002, proposition 8.
    """
    worst_first = losses.argsort(descending=True)
    order = worst_first[slots[worst_first].argsort(stable=True)]
    counts = torch.bincount(slots, minlength=1)
    starts = counts.cumsum(0) - counts
    rank = torch.empty_like(order)
    rank[order] = torch.arange(len(order), device=order.device) - starts[slots[order]]
    return (tail * counts[slots].to(losses.dtype) - rank).clamp(0, 1)


class GroupDRO(nn.Module):
    """Sagawa et al.'s online algorithm: exponentiated gradient ascent on group weights ``q``.

    With ``l_g`` the mean loss of group g in the batch, in every training step::

        a_g = l_g + size_adjustment / sqrt(n_g)
        q_g <- q_g exp(step_size a_g), groups in the batch renormalised to their former joint mass
        loss = K/B sum_g q_g l_g  +  U/B (mean loss of the unknown samples)

    for K samples of known and U of unknown group, B = K + U. Where all groups are in the batch
    and no group is unknown this is the published algorithm. A group that is not in the batch
    keeps its ``q`` bit for bit; in the published code it shrinks whenever it is not drawn.
    The adjustment affects ``q`` only: in the loss it would be a constant.

    ``q`` starts uniform over the groups that have training cases and is 0 for the others.

    With a ``tail`` below 1, ``l_g`` is the mean of the largest ``tail n_g`` losses of group g in
    the batch instead of all ``n_g`` (see :func:`tail_shares`).

    Args:
        n_groups: Number of groups.
        step_size: The paper's eta_q.
        size_adjustment: The paper's C, in units of the loss.
        group_sizes: ``(G,)`` training cases of each group; needed for the adjustment.
        objective: ``online``: as above. ``hardmax``: Lee et al.'s formula, ``max_g l_g`` (chosen
            by ``a_g``) over the groups in the batch. ``mean``: their public code, the plain mean
            of ``l_g`` over the groups in the batch. The last two leave ``q`` as it is.
        tail: Share of each group's samples in the batch that counts, above 0 and at most 1.
        distributed: Whether the batch is spread over processes; ``q`` is then the same in all of
            them.
        device: Where ``q`` is stored.

    Raises:
        ValueError: If sizes are needed but missing, or do not match the number of groups.
    """

    q: torch.Tensor
    adjustments: torch.Tensor

    def __init__(
        self,
        n_groups: int,
        step_size: float = 0.01,
        size_adjustment: float = 0.0,
        group_sizes: Sequence[int] | None = None,
        *,
        objective: Objective = "online",
        tail: float = 1.0,
        distributed: bool = False,
        device: torch.device | str = "cpu",
    ) -> None:
        super().__init__()
        if group_sizes is None and size_adjustment:
            raise ValueError("The size adjustment needs group_sizes.")
        if group_sizes is not None and (len(group_sizes) != n_groups or not any(group_sizes)):
            raise ValueError(f"Sizes {list(group_sizes)} do not fit {n_groups} groups.")
        self.step_size = step_size
        self.objective = objective
        self.tail = tail
        self.distributed = distributed
        # thousands of small updates add up, so float64, which MPS does not support
        dtype = torch.float32 if torch.device(device).type == "mps" else torch.float64
        sizes = torch.ones(n_groups) if group_sizes is None else torch.tensor(group_sizes)
        start = (sizes > 0).to(dtype)
        self.register_buffer("q", (start / start.sum()).to(device))
        adjustments = size_adjustment / sizes.clamp(min=1).to(dtype).sqrt()
        self.register_buffer("adjustments", adjustments.to(device), persistent=False)

    def forward(
        self,
        losses: torch.Tensor,
        groups: torch.Tensor,
        *,
        sizes: torch.Tensor | None = None,
        training: bool = True,
    ) -> torch.Tensor:
        """Update ``q`` (if ``training``), then return the robust loss of the batch.

        Args:
            losses: ``(B,)`` mean loss of each sample, or ``(B, T)`` for a loss that is the sum of
                T terms, such as the outputs of deep supervision.
            groups: ``(B,)`` int, -1 for unknown.
            sizes: How much each sample counts in the mean of its group, shaped like ``losses``
                (voxels that are not ignored); 1 by default. Samples of size 0 are ignored.
            training: False leaves ``q`` unchanged.

        Returns:
            Scalar, dtype of ``losses``.
        """
        group_losses, counts = self.group_losses(losses, groups, sizes)
        known, unknown = group_losses[:-1], group_losses[-1]
        present = counts[:-1] > 0
        adjusted = known.detach() + self.adjustments
        if self.objective == "hardmax":
            worst = adjusted.masked_fill(~present, -math.inf).argmax()
            robust = known.gather(0, worst[None])[0]
        elif self.objective == "mean":
            robust = known.sum() / present.sum().clamp_min(1)  # 0 for absent groups
        else:
            if training:
                self._update(adjusted, present)
            robust = (self.q.clone() * known).sum()  # a later step changes q in place
        n_known, n_unknown = counts[:-1].sum(), counts[-1]
        n_all = (n_known + n_unknown).clamp_min(1)
        return (n_known / n_all * robust + n_unknown / n_all * unknown).to(losses.dtype)

    def group_losses(
        self, losses: torch.Tensor, groups: torch.Tensor, sizes: torch.Tensor | None = None
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the mean loss and the number of samples of each group, over all processes.

        Args:
            losses: See :meth:`forward`.
            groups: See :meth:`forward`.
            sizes: See :meth:`forward`.

        Returns:
            ``(G + 1,)`` means, 0 where there is no sample, and ``(G + 1,)`` counts; the last entry
            is for the unknown samples.
        """
        terms = losses.reshape(len(losses), -1).to(self.q.dtype)
        weights = torch.ones_like(terms) if sizes is None else sizes.reshape(terms.shape).to(terms)
        n_slots = len(self.q) + 1
        slots = torch.where(groups < 0, n_slots - 1, groups)
        counted = (weights.sum(1, keepdim=True) > 0).to(terms)
        if self.tail < 1:
            weights = weights * self._in_tail(terms.detach().sum(1), slots, counted[:, 0])
        columns = torch.cat([terms * weights, weights, counted], 1)
        sums = columns.new_zeros((n_slots, columns.shape[1])).index_add(0, slots, columns)
        sums = sum_over_ranks(sums, self.distributed)
        n_terms = terms.shape[1]
        totals, divisors = sums[:, :n_terms], sums[:, n_terms:-1].detach()
        means = totals / torch.where(divisors > 0, divisors, 1)
        return means.sum(1), sums[:, -1].detach()

    @torch.no_grad()
    def _in_tail(
        self, losses: torch.Tensor, slots: torch.Tensor, counted: torch.Tensor
    ) -> torch.Tensor:
        """Return ``(B, 1)`` shares; samples of unknown group, or of size 0, have no tail."""
        unknown = len(self.q)
        # samples that do not count must not take places in the tail
        placed = torch.where(counted > 0, slots, unknown)
        rows = torch.stack([losses, placed.to(losses)], 1)
        everyone = joined_over_ranks(rows, self.distributed)
        shares = tail_shares(everyone[:, 0], everyone[:, 1].long(), self.tail)
        if self.distributed:
            ranks = torch.full((len(rows),), dist.get_rank(), device=rows.device)
            shares = shares[joined_over_ranks(ranks.to(rows)) == dist.get_rank()]
        return torch.where(placed == unknown, 1.0, shares)[:, None].to(losses)

    @torch.no_grad()
    def _update(self, adjusted: torch.Tensor, present: torch.Tensor) -> None:
        # in logarithms, so that no loss and no step size overflows
        smallest = torch.finfo(self.q.dtype).tiny
        logits = self.q.clamp_min(smallest).log() + self.step_size * adjusted
        mass = (self.q * present).sum()
        updated = mass * logits.masked_fill(~present, -math.inf).softmax(0)
        # where no group is in the batch, softmax is NaN
        self.q.copy_(torch.where(present, updated, self.q))


class GroupDROLoss(GroupLoss):
    """GroupDRO on nnU-Net's cross-entropy; the Dice loss is not a mean over samples and left out.

    A sample's loss is its cross-entropy over voxels that are not ignored, at every resolution
    of deep supervision with nnU-Net's weight, times the sample's weight. A group's mean is over
    its voxels. With one group the loss is therefore nnU-Net's cross-entropy.

    Args:
        plain: nnU-Net's loss.
    """

    dro: GroupDRO

    def __init__(self, plain: nn.Module) -> None:
        super().__init__(plain)
        self.dro = GroupDRO(1)

    def training_loss(self, output: Any, target: Any, groups: torch.Tensor) -> torch.Tensor:
        """Return the robust loss; one update of ``q`` (see :meth:`GroupLoss.training_loss`)."""
        weights = self.weights_of(groups)
        losses, sizes = [], []
        for level_weight, level_output, level_target in self.form.levels(output, target):
            level_sums, level_sizes = self.form.cross_entropy(level_output, level_target)
            scale = self.form.weight_ce * level_weight * weights
            losses.append(scale * level_sums / level_sizes.clamp_min(1))
            sizes.append(level_sizes)
        return self.dro(torch.stack(losses, 1), groups, sizes=torch.stack(sizes, 1))
