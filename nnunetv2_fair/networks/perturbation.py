"""APPLE's perturbation of the embedding: the generator, and the network that contains it."""

from itertools import pairwise
from typing import Any, NamedTuple

import torch
from torch import nn

from nnunetv2_fair.networks.bottleneck import split_at_bottleneck

#: Channels of the generator at the bottleneck, and its residual blocks.
_WIDTHS, _N_BLOCKS = (32, 64, 128), 4
#: The same at higher resolutions, where a generator of full size would cost more than the U-Net.
_SMALL_WIDTHS, _SMALL_N_BLOCKS = (8, 16, 16), 1


class _ConvBlock(nn.Sequential):
    """Convolution, group normalisation, LeakyReLU; the shape is kept.

    Instance normalisation would remove each sample's channel means, which the discriminator sees,
    and fails on an embedding with a single position; batch normalisation would mix samples.
    """

    def __init__(self, conv_op: Any, n_in: int, n_out: int) -> None:
        super().__init__(
            conv_op(n_in, n_out, 3, padding=1), nn.GroupNorm(n_out // 4, n_out), nn.LeakyReLU()
        )


class _ResidualBlock(nn.Module):
    def __init__(self, conv_op: Any, width: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            _ConvBlock(conv_op, width, width), conv_op(width, width, 3, padding=1)
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.layers(x)


class PerturbationGenerator(nn.Module):
    """Computes a perturbation with the shape of its input; initially it is zero.

    Convolutions of 32, 64 and 128 channels, four residual blocks, convolutions of 64, 32 and
    ``channels``. The last convolution starts at zero.

    Source: Xu et al., npj Digital Medicine 2025, G_p. The paper does not give strides; nnU-Net's
    embeddings are as small as 4x4, so there are none.

    Args:
        channels: Channels of the input.
        conv_op: ``nn.Conv2d`` or ``nn.Conv3d``.
        small: 8, 16 and 16 channels and one residual block instead.
    """

    def __init__(self, channels: int, conv_op: Any, *, small: bool = False) -> None:
        super().__init__()
        widths = _SMALL_WIDTHS if small else _WIDTHS
        n_blocks = _SMALL_N_BLOCKS if small else _N_BLOCKS
        down = (channels, *widths)
        up = tuple(reversed(widths))
        last = conv_op(up[-1], channels, 3, padding=1)
        nn.init.zeros_(last.weight)
        nn.init.zeros_(last.bias)
        self.layers = nn.Sequential(
            *(_ConvBlock(conv_op, *pair) for pair in pairwise(down)),
            *(_ResidualBlock(conv_op, widths[-1]) for _ in range(n_blocks)),
            *(_ConvBlock(conv_op, *pair) for pair in pairwise(up)),
            last,
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the perturbation of ``x``."""
        return self.layers(x)


class PerturbedOutput(NamedTuple):
    """What a :class:`PerturbedNetwork` returns in training, with L perturbed levels.

    Attributes:
        segmentation: What the decoder returns.
        original: The L embeddings as the encoder gave them, ``f_o``.
        perturbed: The L embeddings that the decoder saw, ``f_p``.
    """

    segmentation: Any
    original: tuple[torch.Tensor, ...]
    perturbed: tuple[torch.Tensor, ...]


class PerturbedNetwork(nn.Module):
    """A frozen U-Net whose decoder sees ``f_o + G(f_o)`` instead of the embedding ``f_o``.

    The U-Net stays in evaluation mode and its parameters have no gradients; its encoder runs
    without gradients altogether. In training the output holds the embeddings too
    (:class:`PerturbedOutput`), otherwise it is the U-Net's.

    Args:
        base: One of nnU-Net's U-Nets.
        all_levels: Perturb every skip, each with its own generator; those above the bottleneck
            are small.

    Raises:
        TrainingError: If the architecture has no bottleneck.
    """

    def __init__(self, base: nn.Module, *, all_levels: bool = False) -> None:
        super().__init__()
        split = split_at_bottleneck(base)
        self.base = base.requires_grad_(False).eval()
        channels = split.channels if all_levels else split.channels[-1:]
        # nearest the bottleneck first, so that its generator has the same name in both cases
        self.generators = nn.ModuleList(
            PerturbationGenerator(n, split.conv_op, small=level > 0)
            for level, n in enumerate(reversed(channels))
        )

    @property
    def encoder(self) -> Any:
        """The encoder of the U-Net, without perturbation."""
        return self.base.encoder

    @property
    def decoder(self) -> Any:
        """The decoder of the U-Net: nnU-Net switches deep supervision on and off there."""
        return self.base.decoder

    @property
    def latent_channels(self) -> int:
        """Channels of all perturbed embeddings together."""
        return sum(self.encoder.output_channels[-len(self.generators) :])

    def train(self, mode: bool = True) -> "PerturbedNetwork":
        """Switch the generators' mode; the U-Net stays in evaluation mode."""
        super().train(mode)
        self.base.eval()
        return self

    def perturb(self, skips: list[torch.Tensor]) -> list[torch.Tensor]:
        """Return the skips with their perturbations added; other levels are unchanged."""
        perturbed = list(skips)
        for level, generator in enumerate(self.generators, start=1):
            perturbed[-level] = skips[-level] + generator(skips[-level])
        return perturbed

    def forward(self, x: torch.Tensor) -> Any:
        """Return logits, in training with the embeddings (:class:`PerturbedOutput`)."""
        with torch.no_grad():
            skips = list(self.encoder(x))
        perturbed = self.perturb(skips)
        segmentation = self.decoder(perturbed)
        if not self.training:
            return segmentation
        n_levels = len(self.generators)
        return PerturbedOutput(segmentation, tuple(skips[-n_levels:]), tuple(perturbed[-n_levels:]))
