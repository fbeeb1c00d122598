"""Reweighting: samples of small groups count more in the loss."""

import math
from typing import ClassVar

import torch
from torch import nn

from nnunetv2_fair.losses.reweighting import group_weights
from nnunetv2_fair.losses.weighted import SampleWeightedLoss
from nnunetv2_fair.trainers.base import SubgroupTrainer
from nnunetv2_fair.trainers.shared.introduction import has_small_group
from nnunetv2_fair.trainers.shared.names import Option, choice_option, number_option


class nnUNetTrainerReweighting(SubgroupTrainer):
    """Weights every sample's cross-entropy and Dice inversely to its group's size.

    Weights follow from the training cases of the fold. Their mean over the samples that are
    drawn is 1, so that learning rate and gradient clipping keep their meaning; ``scaleraw``
    gives the paper's. Cases of unknown group have the mean weight.

    Source: Lee et al., "Understanding-informed Bias Mitigation for Fair CMR Segmentation",
    MELBA 2025, section 4.4.
    """

    OPTIONS: ClassVar[tuple[Option, ...]] = (
        number_option(
            "cap",
            math.inf,
            1.0,
            1e6,
            "largest weight of a case, in multiples of the mean weight; inf means no cap",
        ),
        choice_option(
            "scale",
            "mean",
            ("mean", "raw"),
            "mean: weights average 1 over the samples drawn; raw: they sum to 1 over the groups",
        ),
    )

    def changes(self) -> list[str]:
        """Return that weights follow from the sizes of groups."""
        return ["samples of small groups count more in the loss", *super().changes()]

    def adapt_loss(self, loss: nn.Module) -> nn.Module:
        """Return nnU-Net's loss with a weight per sample."""
        return SampleWeightedLoss(loss)

    def prepare_loss(self, cases: list[str]) -> None:
        """Compute the weights from the training cases."""
        super().prepare_loss(cases)
        cap = self.option("cap")
        weights = group_weights(
            list(self.grouping.counts(cases).values()),
            list(self.drawing_shares(cases)),
            cap=None if math.isinf(cap) else cap,
            raw=self.option("scale") == "raw",
        )
        self.adapted_loss.set_group_weights(
            torch.tensor(weights, dtype=torch.float32, device=self.device)
        )
        # they tell how large groups are: not into the log, and not if a group is small
        if has_small_group(self.group_sizes(cases)):
            self._show("Weights are not shown: a group has too few patients.")
            return
        named = zip((*self.grouping.names, "no known group"), weights, strict=True)
        self._show("Weight of a case: " + ", ".join(f"{name} {w:.4g}" for name, w in named))
