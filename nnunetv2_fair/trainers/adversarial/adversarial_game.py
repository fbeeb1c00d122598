"""What the losses of APPLE and ADV share: a segmentation loss alongside a discriminator."""

import torch
from torch import nn

from nnunetv2_fair.losses.monitor import MonitoredLoss
from nnunetv2_fair.trainers.adversarial.adversary import Adversary


class AdversarialGame(nn.Module):
    """A segmentation loss that knows the groups of the batch, and what guesses them.

    Args:
        segmentation: nnU-Net's loss or a replacement.
    """

    def __init__(self, segmentation: MonitoredLoss) -> None:
        super().__init__()
        self.segmentation = segmentation
        #: What guesses the group; set when training begins.
        self.adversary: Adversary | None = None
        self._groups: torch.Tensor | None = None

    @property
    def loss(self) -> nn.Module:
        """The segmentation loss without the monitor."""
        return self.segmentation.loss

    def set_batch(self, groups: torch.Tensor, *, training: bool) -> None:
        """Set which groups the samples of the coming batch are in.

        Args:
            groups: ``(B,)`` int, -1 for unknown.
            training: Whether the batch belongs to a training step.
        """
        self.segmentation.set_batch(groups, training=training)
        self._groups = groups if training else None

    def take_groups(self) -> torch.Tensor | None:
        """Return the groups of the training batch, once; None in validation."""
        groups, self._groups = self._groups, None
        return groups
