"""Reading the embedding of a network while nnU-Net runs it as a whole."""

from typing import Any

import torch
from torch import nn

from nnunetv2_fair.networks.bottleneck import split_at_bottleneck, unwrapped


class BottleneckTap:
    """Keeps the bottleneck of a network's latest training pass, with its gradient graph.

    The network computes and saves exactly what it would without the tap. Compiled networks can
    be tapped before their first pass.

    Args:
        network: As nnU-Net built it, possibly compiled or wrapped for distributed training.

    Raises:
        TrainingError: If the architecture has no bottleneck.
    """

    def __init__(self, network: nn.Module) -> None:
        self.channels = split_at_bottleneck(network).bottleneck_channels
        self._latest: torch.Tensor | None = None
        encoder: Any = unwrapped(network).encoder
        encoder.register_forward_hook(self._note)

    def _note(self, encoder: nn.Module, inputs: Any, skips: Any) -> None:
        if encoder.training:
            self._latest = skips[-1]

    def take(self) -> torch.Tensor:
        """Return ``(B, channels, ...)`` of the latest training pass, only once.

        Raises:
            RuntimeError: If there was none since the last call.
        """
        latest, self._latest = self._latest, None
        if latest is None:
            raise RuntimeError("The tapped network has not run in training mode since last asked.")
        return latest
