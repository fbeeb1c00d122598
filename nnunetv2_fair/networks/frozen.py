"""Retraining the last part of a trained network: everything before it stays as it is."""

from typing import Any

import torch
from torch import nn

from nnunetv2_fair.errors import TrainingError
from nnunetv2_fair.networks.bottleneck import unwrapped


class RetrainedPart:
    """The decoder of a network, or its segmentation heads alone; the rest of it is frozen.

    What is frozen has no gradients, so nothing of its forward pass is kept for the backward pass,
    and stays in evaluation mode (:meth:`train`): it neither updates the running statistics of a
    batch normalisation nor drops features. The network itself is not changed, nor are the names
    of its weights.

    Args:
        network: With the parts ``encoder`` and ``decoder``, as nnU-Net's U-Nets have; possibly
            compiled, not yet wrapped for distributed training.
        heads: Retrain the decoder's ``seg_layers`` alone.

    Raises:
        TrainingError: If the network has no such parts.
    """

    def __init__(self, network: nn.Module, *, heads: bool = False) -> None:
        self._network: Any = unwrapped(network)
        frozen, retrained = _parts(self._network, heads=heads)
        self._frozen, self._retrained = frozen, retrained
        self._network.requires_grad_(False)
        retrained.requires_grad_(True)
        # nnU-Net's decoder holds the encoder as a part of itself
        frozen.requires_grad_(False)

    def train(self) -> None:
        """Switch the part that learns to training mode, all else to evaluation mode."""
        self._network.eval()
        self._retrained.train()
        self._frozen.eval()

    def parameters(self) -> dict[str, nn.Parameter]:
        """Return what learns, by its name in the network."""
        return {n: p for n, p in self._network.named_parameters() if p.requires_grad}

    @torch.no_grad()
    def copy_weights(self) -> dict[str, torch.Tensor]:
        """Return a copy of the weights that learn, by their names in the network."""
        return {name: value.detach().clone() for name, value in self.parameters().items()}

    @torch.no_grad()
    def set_weights(self, weights: dict[str, torch.Tensor]) -> None:
        """Put back what :meth:`copy_weights` returned."""
        for name, value in self.parameters().items():
            value.copy_(weights[name])


def _parts(network: Any, *, heads: bool) -> tuple[nn.Module, nn.Module]:
    """Return what is frozen and what is retrained; the first may be a part of the second."""
    encoder: Any = getattr(network, "encoder", None)
    decoder: Any = getattr(network, "decoder", None)
    layers: Any = getattr(decoder, "seg_layers", None)
    wanted = {"encoder": encoder, "decoder": decoder}
    if heads:
        wanted["decoder.seg_layers"] = layers
    missing = [name for name, part in wanted.items() if not isinstance(part, nn.Module)]
    if missing:
        raise TrainingError(
            f"The network {type(network).__name__} cannot be retrained in part: looked for "
            f"{', '.join(wanted)}, and it has no {' and no '.join(missing)}. Retraining the "
            "decoder needs a network with an encoder and a decoder, such as nnU-Net's U-Nets "
            "(PlainConvUNet, ResidualEncoderUNet). Choose plans with one of these, such as "
            "-p nnUNetPlans or -p nnUNetResEncUNetMPlans."
        )
    return encoder, layers if heads else decoder
