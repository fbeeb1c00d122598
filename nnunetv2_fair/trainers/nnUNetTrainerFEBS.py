"""FEBS: fair error-bound scaling of the Dice loss."""

from typing import ClassVar

import torch
from torch import nn

from nnunetv2_fair.losses.febs import FEBSLoss
from nnunetv2_fair.trainers.base import SubgroupTrainer
from nnunetv2_fair.trainers.shared.names import Option, choice_option, number_option


class nnUNetTrainerFEBS(SubgroupTrainer):
    """Scales predictions of some groups down inside the Dice loss.

    By default those of the worse groups, as the published code does; the gradient of their Dice
    becomes smaller, not larger. ``directionpaper`` scales those of the better groups, so that the
    worse ones count more, as the paper says.

    Source: Tian et al., "FairSeg: A Large-Scale Medical Image Segmentation Dataset for Fairness
    Learning Using Segment Anything Model with Fair Error-Bound Scaling", ICLR 2024.
    """

    OPTIONS: ClassVar[tuple[Option, ...]] = (
        number_option("gamma", 1.0, 0.0, 10.0, "how far apart groups are scaled; 0 scales none"),
        choice_option(
            "direction",
            "code",
            ("code", "paper"),
            "code: predictions of worse groups are scaled down, as published; paper: those of "
            "better groups, so that worse ones count more",
        ),
    )

    def changes(self) -> list[str]:
        """Return what happens in the Dice loss."""
        scaled = {"code": "worse", "paper": "better"}[self.option("direction")]
        clause = (
            f"predictions of groups that are segmented {scaled} are scaled down in the Dice loss, "
            f"and count less in its gradient (gamma {self.option('gamma'):g})"
        )
        return [clause, *super().changes()]

    def adapt_loss(self, loss: nn.Module) -> nn.Module:
        """Return the scaled loss."""
        return FEBSLoss(loss, self.option("gamma"), self.option("direction"))

    def prepare_loss(self, cases: list[str]) -> None:
        """Set the number of groups in the loss."""
        super().prepare_loss(cases)
        n_groups = len(self.grouping.names)
        self.adapted_loss.set_group_weights(torch.ones(n_groups + 1, device=self.device))
