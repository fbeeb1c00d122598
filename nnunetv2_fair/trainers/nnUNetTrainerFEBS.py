"""FEBS: fair error-bound scaling of the Dice loss."""

from typing import ClassVar

import torch
from torch import nn

from nnunetv2_fair.losses.febs import FEBSLoss
from nnunetv2_fair.trainers.base import SubgroupTrainer
from nnunetv2_fair.trainers.shared.names import Option, number_option


class nnUNetTrainerFEBS(SubgroupTrainer):
    """Scales predictions of worse groups down inside the Dice loss, so that they weigh more.

    Source: Tian et al., "FairSeg: A Large-Scale Medical Image Segmentation Dataset for Fairness
    Learning Using Segment Anything Model with Fair Error-Bound Scaling", ICLR 2024.
    """

    OPTIONS: ClassVar[tuple[Option, ...]] = (
        number_option(
            "gamma", 1.0, 0.0, 10.0, "how strongly worse groups are scaled; 0 scales none"
        ),
    )

    def changes(self) -> list[str]:
        """Return what happens in the Dice loss."""
        clause = (
            "groups that are segmented worse count more in the Dice loss "
            f"(gamma {self.option('gamma'):g})"
        )
        return [clause, *super().changes()]

    def adapt_loss(self, loss: nn.Module) -> nn.Module:
        """Return the scaled loss."""
        return FEBSLoss(loss, self.option("gamma"))

    def prepare_loss(self, cases: list[str]) -> None:
        """Set the number of groups in the loss."""
        super().prepare_loss(cases)
        n_groups = len(self.grouping.names)
        self.adapted_loss.set_group_weights(torch.ones(n_groups + 1, device=self.device))
