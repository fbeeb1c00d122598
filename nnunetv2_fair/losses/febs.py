"""Fair error-bound scaling (Tian et al., FairSeg, ICLR 2024)."""

import math
from typing import Any, Literal

import torch
from torch import nn

from nnunetv2_fair.losses.nnunet_form import DiceSums
from nnunetv2_fair.losses.weighted import GroupLoss

#: Keeps the ratio of two vanishing losses at 1.
_EPSILON = 1e-6


class FEBSLoss(GroupLoss):
    """Half cross-entropy, half Dice loss in which some groups' predictions are scaled down.

    With ``D_g`` the Dice of group g's samples in the batch as one image, averaged over labels::

        l_g = 1 - D_g
        s_g = tanh((min_h l_h / l_g) ** gamma) / tanh(1)        direction ``code``
        s_g = tanh((l_g / max_h l_h) ** gamma) / tanh(1)        direction ``paper``
        loss = 0.5 cross-entropy - 0.5 Dice(s_g(i) p_i, reference)

    ``s_g`` is 1 for the best group and less for the others (``code``), or 1 for the worst and
    less for the others (``paper``); it carries no gradient. A group whose predictions are
    scaled down has a *smaller* gradient of its Dice: the published code turns attention to the
    group that is segmented best, the paper means to turn it to the worst.

    With gamma 0 or one group in the batch every ``s_g`` is 1 and the loss is 0.5 times nnU-Net's.
    Groups that are not in the batch are left out of minimum and maximum. Samples of unknown
    group are not scaled. With deep supervision every resolution has its own scales.

    Args:
        plain: nnU-Net's loss.
        gamma: 0 or above; larger widens the difference between groups.
        direction: Whose predictions are scaled down.
    """

    def __init__(
        self, plain: nn.Module, gamma: float = 1.0, direction: Literal["code", "paper"] = "code"
    ) -> None:
        super().__init__(plain)
        self.gamma = gamma
        self.direction = direction

    def training_loss(self, output: Any, target: Any, groups: torch.Tensor) -> torch.Tensor:
        """Return the scaled loss (see :meth:`GroupLoss.training_loss`)."""
        form = self.form
        total: Any = 0
        for level_weight, level_output, level_target in form.levels(output, target):
            sums, sizes = form.cross_entropy(level_output, level_target)
            cross_entropy = sums.sum() / sizes.sum().clamp_min(1)
            dice_sums = form.dice_sums(level_output, level_target)
            scaled = dice_sums.with_scaled_predictions(self.scales(dice_sums, groups)[groups])
            dice = form.dice(form.over_batch(scaled) if form.batch_dice else scaled)
            terms = form.weight_ce * cross_entropy - form.weight_dice * dice.mean()
            total = total + 0.5 * level_weight * terms
        return total

    @torch.no_grad()
    def scales(self, dice_sums: DiceSums, groups: torch.Tensor) -> torch.Tensor:
        """Return the scale of each group's predictions.

        Args:
            dice_sums: Of the samples of this process.
            groups: ``(B,)`` int, -1 for unknown.

        Returns:
            ``(G + 1,)`` above 0 to 1; 1 for groups that are not in the batch and, last, for
            unknown.
        """
        slots = torch.where(groups < 0, self.n_groups, groups)
        pooled = dice_sums.per_group(slots, self.n_groups + 1, self.form.distributed)
        losses = (1 - self.form.dice(pooled).mean(1)).clamp_min(0)
        # a group without valid voxels has no probability either
        present = pooled.predicted.sum(1) > 0
        present[-1] = False
        if self.direction == "code":
            smallest = losses.masked_fill(~present, math.inf).min()
            ratio = (smallest + _EPSILON) / (losses + _EPSILON)
        else:
            ratio = (losses + _EPSILON) / (losses.masked_fill(~present, 0).max() + _EPSILON)
        scales = torch.tanh(ratio**self.gamma) / math.tanh(1)
        return torch.where(present, scales, 1.0)
