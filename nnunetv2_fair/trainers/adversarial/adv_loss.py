"""ADV's loss: segmentation, and an encoder that works against a discriminator."""

from typing import Any

import torch

from nnunetv2_fair.losses.monitor import MonitoredLoss
from nnunetv2_fair.networks.tap import BottleneckTap
from nnunetv2_fair.trainers.adversarial.adversarial_game import AdversarialGame


class AdversarialLoss(AdversarialGame):
    """nnU-Net's loss; its gradient also holds the discriminator's, reversed at the bottleneck.

    The value is that of the segmentation alone, so that curves stay comparable.

    Args:
        segmentation: nnU-Net's loss or a replacement.
    """

    def __init__(self, segmentation: MonitoredLoss) -> None:
        super().__init__(segmentation)
        #: Weight of the reversed gradient.
        self.strength = 0.0
        #: Where the group is guessed from; set when training begins.
        self.tap: BottleneckTap | None = None

    def forward(self, output: Any, target: Any) -> torch.Tensor:
        """Return the loss of the batch: a scalar."""
        groups = self.take_groups()
        segmentation = self.segmentation(output, target)
        if groups is None or self.adversary is None or self.tap is None:
            return segmentation
        # minus the discriminator's loss: the encoder's gradient of it comes out reversed
        against = self.strength * self.adversary.play((self.tap.take(),), groups)
        return segmentation + against - against.detach()
