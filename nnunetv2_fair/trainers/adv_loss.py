"""ADV's loss: segmentation, and an encoder that works against a discriminator."""

from typing import Any

import torch
from torch import nn

from nnunetv2_fair.losses.monitor import MonitoredLoss
from nnunetv2_fair.networks.tap import BottleneckTap
from nnunetv2_fair.trainers.adversary import Adversary


class AdversarialLoss(nn.Module):
    """nnU-Net's loss; its gradient also holds the discriminator's, reversed at the bottleneck.

    The value is that of the segmentation alone, so that curves stay comparable.

    Args:
        segmentation: nnU-Net's loss or one in its place.
    """

    def __init__(self, segmentation: MonitoredLoss) -> None:
        super().__init__()
        self.segmentation = segmentation
        #: Weight of the reversed gradient.
        self.strength = 0.0
        #: Who guesses the group, and from where; set when training begins.
        self.adversary: Adversary | None = None
        self.tap: BottleneckTap | None = None
        self._groups: torch.Tensor | None = None

    @property
    def loss(self) -> nn.Module:
        """The segmentation loss without the monitor."""
        return self.segmentation.loss

    def set_batch(self, groups: torch.Tensor, *, training: bool) -> None:
        """Say which groups the samples of the coming batch are in.

        Args:
            groups: ``(B,)`` int, -1 for unknown.
            training: Whether the batch belongs to a training step.
        """
        self.segmentation.set_batch(groups, training=training)
        self._groups = groups if training else None

    def forward(self, output: Any, target: Any) -> torch.Tensor:
        """Return the loss of the batch: a scalar."""
        groups, self._groups = self._groups, None
        segmentation = self.segmentation(output, target)
        if groups is None or self.adversary is None or self.tap is None:
            return segmentation
        # minus the discriminator's loss: the encoder's gradient of it comes out reversed
        against = self.strength * self.adversary.play((self.tap.take(),), groups)
        return segmentation + against - against.detach()
