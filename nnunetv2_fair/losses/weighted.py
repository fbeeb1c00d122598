"""nnU-Net's loss with a weight per sample."""

from abc import ABC, abstractmethod
from typing import Any

import torch
from torch import nn

from nnunetv2_fair.losses.nnunet_form import LossForm
from nnunetv2_fair.losses.reweighting import batch_weights


class GroupLoss(nn.Module, ABC):
    """Base class of losses that treat groups differently in training steps.

    In validation, and whenever no groups have been set, it equals the wrapped loss.

    Args:
        plain: nnU-Net's loss (see :meth:`LossForm.of`).
    """

    group_weights: torch.Tensor

    def __init__(self, plain: nn.Module) -> None:
        super().__init__()
        self.plain = plain
        self.form = LossForm.of(plain)
        self._groups: torch.Tensor | None = None
        self._raw_batch_weights: bool | None = None
        self.set_group_weights(torch.ones(1))

    def set_group_weights(self, weights: torch.Tensor) -> None:
        """Set the weight of each group's samples, on the training device.

        Args:
            weights: ``(G + 1,)`` for G groups, the last for samples of unknown group.
        """
        # not part of the state: weights follow from the table
        self.register_buffer("group_weights", weights, persistent=False)

    def count_batches(self, *, raw: bool) -> None:
        """Take weights from the groups' counts in each batch instead of the weights set.

        Args:
            raw: See :func:`nnunetv2_fair.losses.reweighting.batch_weights`.
        """
        self._raw_batch_weights = raw

    @property
    def n_groups(self) -> int:
        """Number of groups."""
        return len(self.group_weights) - 1

    def set_batch(self, groups: torch.Tensor, *, training: bool) -> None:
        """Say which groups the samples of the coming batch are in.

        Args:
            groups: ``(B,)`` int, -1 for unknown.
            training: Whether the batch belongs to a training step.
        """
        self._groups = groups if training else None

    def forward(self, output: Any, target: Any) -> torch.Tensor:
        """Return the loss of the batch: a scalar."""
        groups, self._groups = self._groups, None
        if groups is None:
            return self.plain(output, target)
        return self.training_loss(output, target, groups)

    @abstractmethod
    def training_loss(self, output: Any, target: Any, groups: torch.Tensor) -> torch.Tensor:
        """Return the loss to minimise.

        Args:
            output: As the network returns it.
            target: As the loader provides it.
            groups: ``(B,)`` int, -1 for unknown.
        """

    def weights_of(self, groups: torch.Tensor) -> torch.Tensor:
        """Return the weights of samples, ``(B,)``, from their groups."""
        weights = self.group_weights
        if self._raw_batch_weights is not None:
            weights = batch_weights(
                groups,
                self.n_groups,
                raw=self._raw_batch_weights,
                distributed=self.form.distributed,
            )
        # -1 selects the last entry, that of unknown samples
        return weights[groups]


class SampleWeightedLoss(GroupLoss):
    """nnU-Net's loss, every sample with its group's weight.

    With weights ``w_i`` of the batch's samples::

        cross-entropy   sum_i w_i (CE of i's voxels, summed) / (valid voxels of the batch)
        Dice, batch     of the sums over samples of w_i overlap_i, w_i predicted_i, w_i reference_i
        Dice, else      mean over samples of w_i Dice_i

    which is nnU-Net's loss where all weights are 1. The batch Dice is a ratio, so only ratios of
    weights matter to it; the cross-entropy scales with them.
    """

    def training_loss(self, output: Any, target: Any, groups: torch.Tensor) -> torch.Tensor:
        """Return the weighted loss (see :meth:`GroupLoss.training_loss`)."""
        return self.weighted_loss(output, target, self.weights_of(groups))

    def weighted_loss(self, output: Any, target: Any, weights: torch.Tensor) -> torch.Tensor:
        """Return the loss with the given weights, ``(B,)``."""
        form = self.form
        total: Any = 0
        for level_weight, level_output, level_target in form.levels(output, target):
            sums, sizes = form.cross_entropy(level_output, level_target)
            cross_entropy = (weights * sums).sum() / sizes.sum().clamp_min(1)
            dice_sums = form.dice_sums(level_output, level_target)
            if form.batch_dice:
                dice = form.dice(form.over_batch(dice_sums.weighted(weights)))
            else:
                dice = form.dice(dice_sums) * weights[:, None]
            terms = form.weight_ce * cross_entropy - form.weight_dice * dice.mean()
            total = total + level_weight * terms
        return total


class DiceWeightedLoss(GroupLoss):
    """nnU-Net's loss, every sample's Dice with its weight; the cross-entropy is not told apart.

    With weights ``w_i`` of the batch's samples::

        (mean of w_i) cross-entropy - mean over samples of w_i Dice_i

    The public code of Lee et al. computes this: it multiplies the samples' cross-entropies, a
    row, by their weights, a column, and averages the table that results. Dice is that of each
    sample, whatever nnU-Net's plans say. Where all weights are 1, this is nnU-Net's loss without
    ``batch_dice``.
    """

    def training_loss(self, output: Any, target: Any, groups: torch.Tensor) -> torch.Tensor:
        """Return the weighted loss (see :meth:`GroupLoss.training_loss`)."""
        form, weights = self.form, self.weights_of(groups)
        total: Any = 0
        for level_weight, level_output, level_target in form.levels(output, target):
            sums, sizes = form.cross_entropy(level_output, level_target)
            cross_entropy = weights.mean() * sums.sum() / sizes.sum().clamp_min(1)
            dice = form.dice(form.dice_sums(level_output, level_target)) * weights[:, None]
            terms = form.weight_ce * cross_entropy - form.weight_dice * dice.mean()
            total = total + level_weight * terms
        return total
