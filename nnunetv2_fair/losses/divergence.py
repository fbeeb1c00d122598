"""nnU-Net's loss, combined with one in which samples of divergent subgroups count more."""

from typing import Any

import torch
from torch import nn

from nnunetv2_fair.losses.monitor import GroupMonitor, MonitoredLoss
from nnunetv2_fair.losses.nnunet_form import LossForm


class DivergenceWeightedLoss(nn.Module):
    """``alpha * L + (1 - alpha) * mean_i(w_i L_i)`` over the samples i of a batch.

    ``L`` is nnU-Net's loss and ``L_i`` its value for sample i alone (cross-entropy plus soft
    Dice, summed over the outputs of deep supervision). Without weights (validation, and before
    the first divergences are known), and at alpha 1, it is ``L`` itself.

    Source: Poeta et al., "Divergence-aware training with automatic subgroup mitigation for
    breast tumor segmentation", 2025, Eqs. 3 and 4. They sum over the dataset; for a batch we
    use the mean.

    Args:
        loss: nnU-Net's loss, as nnU-Net built it.
        alpha: 0 to 1.
        monitor: Watches, case by case; whoever sets the weights tells it the cases.

    Raises:
        TrainingError: If ``loss`` is not nnU-Net's.
    """

    def __init__(self, loss: nn.Module, alpha: float, monitor: GroupMonitor) -> None:
        super().__init__()
        self._form = LossForm.of(loss)
        self.loss = MonitoredLoss(loss, monitor, self._form.target_format)
        self._alpha = alpha
        self._weights: torch.Tensor | None = None

    def set_weights(self, weights: torch.Tensor | None) -> None:
        """Set the weights of the coming batch only.

        Args:
            weights: ``(B,)``, 0 or more, on the device of the batch; None for nnU-Net's loss.
        """
        self._weights = weights

    def forward(self, output: Any, target: Any) -> torch.Tensor:
        """Return the loss of one batch, a scalar."""
        plain = self.loss(output, target)
        weights, self._weights = self._weights, None
        if weights is None or self._alpha == 1:
            return plain
        losses = self.per_sample(output, target)
        return self._alpha * plain + (1 - self._alpha) * (weights * losses).mean()

    def per_sample(self, output: Any, target: Any) -> torch.Tensor:
        """Return ``(B,)``: nnU-Net's loss of every sample as if it were a batch on its own."""
        form = self._form
        batch = output if form.level_weights is None else output[0]
        losses = torch.zeros(len(batch), device=batch.device)
        for weight, level_output, level_target in form.levels(output, target):
            sums, sizes = form.cross_entropy(level_output, level_target)
            dice = form.dice(form.dice_sums(level_output, level_target)).mean(1)
            cross_entropy = sums / sizes.clamp(min=1)
            losses = losses + weight * (form.weight_ce * cross_entropy - form.weight_dice * dice)
        return losses
