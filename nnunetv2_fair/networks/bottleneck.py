"""Splitting nnU-Net's U-Nets at the bottleneck, the embedding between encoder and decoder."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import nn

from nnunetv2_fair.errors import TrainingError


def unwrapped(network: nn.Module) -> nn.Module:
    """Return the network itself, without the wrappers of ``torch.compile`` and DDP."""
    found: Any = network
    while True:
        if isinstance(found, nn.parallel.DistributedDataParallel):
            found = found.module
        elif hasattr(found, "_orig_mod"):
            found = found._orig_mod
        else:
            return found


class SplitNetwork:
    """A network as encoder and decoder; ``decode(encode(x))`` is the network's output.

    It shares the network's modules and holds none of its own. For an APPLE network ``encode``
    gives the perturbed embedding; split its ``base`` for the original one.

    Args:
        network: Has ``encoder`` and ``decoder``, as nnU-Net's U-Nets do.

    Attributes:
        channels: Channels of every skip, from full resolution down to the bottleneck.
        conv_op: Convolution class of the network, which determines its dimension.
    """

    def __init__(self, network: Any) -> None:
        self._encoder = network.encoder
        self._decoder = network.decoder
        self._perturb = getattr(network, "perturb", list)
        self.channels: tuple[int, ...] = tuple(network.encoder.output_channels)
        self.conv_op: type[nn.Module] = network.encoder.conv_op

    @property
    def bottleneck_channels(self) -> int:
        """Channels of the embedding, the paper's ``N_ec``."""
        return self.channels[-1]

    def encode(self, x: torch.Tensor) -> list[torch.Tensor]:
        """Return the skips, ``(B, channels[i], ...)`` each; the last is the bottleneck."""
        return self._perturb(list(self._encoder(x)))

    def decode(self, skips: Sequence[torch.Tensor]) -> Any:
        """Return logits from skips: a tensor, or a list while deep supervision is on."""
        return self._decoder(list(skips))


def split_at_bottleneck(network: nn.Module) -> SplitNetwork:
    """Split a network into encoder and decoder.

    Args:
        network: As nnU-Net built it, possibly compiled or wrapped for distributed training.

    Raises:
        TrainingError: If the architecture has no embedding through which everything passes
            that the decoder sees besides the skips, as in transformers without a decoder.
    """
    inner: Any = unwrapped(network)
    encoder, decoder = getattr(inner, "encoder", None), getattr(inner, "decoder", None)
    missing = [name for name, part in (("encoder", encoder), ("decoder", decoder)) if part is None]
    reason = ""
    if missing:
        reason = f"it has no {' and no '.join(missing)}"
    elif not (hasattr(encoder, "output_channels") and hasattr(encoder, "conv_op")):
        reason = f"its encoder, {type(encoder).__name__}, states neither channels nor convolutions"
    elif not getattr(encoder, "return_skips", False) or not hasattr(decoder, "deep_supervision"):
        reason = "its decoder does not take the encoder's stages one by one"
    if reason:
        raise TrainingError(
            f"The network {type(inner).__name__} cannot be split at a bottleneck: {reason}. "
            "Methods that work on the embedding need nnU-Net's U-Nets (PlainConvUNet, "
            "ResidualEncoderUNet). Choose plans with one of these, such as -p nnUNetPlans or "
            "-p nnUNetResEncUNetMPlans."
        )
    return SplitNetwork(inner)
