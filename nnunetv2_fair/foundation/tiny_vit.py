"""LiteMedSAM's image encoder: a TinyViT that keeps a quarter of the resolution.

Parameters have the names of the published weights, so that these load without a map.

Source: Wu et al., "TinyViT", ECCV 2022 (blocks); LiteMedSAM's public weights, from whose shapes
the first convolutions, of one pixel, and the resolution follow.
"""

from collections import OrderedDict
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812 - torch's own habit
from torch import nn

#: Channels, layers, attention heads and window of each stage; the first has convolutions only.
_WIDTHS, _DEPTHS, _HEADS, _WINDOWS = (64, 128, 160, 320), (2, 2, 6, 2), (2, 4, 5, 10), (7, 7, 14, 7)
#: How much wider a block is inside.
_EXPANSION = 4
#: Steps in pixels from one stage to the next.
_STRIDES = (2, 2, 1)


class _NormalisedConv(nn.Sequential):
    def __init__(
        self, n_in: int, n_out: int, size: int = 1, stride: int = 1, groups: int = 1
    ) -> None:
        conv = nn.Conv2d(n_in, n_out, size, stride, size // 2, groups=groups, bias=False)
        super().__init__(OrderedDict(c=conv, bn=nn.BatchNorm2d(n_out)))


class _Convolutions(nn.Module):
    """Block of the first stage: wider inside, each channel convolved by itself."""

    def __init__(self, width: int) -> None:
        super().__init__()
        inside = _EXPANSION * width
        self.conv1 = _NormalisedConv(width, inside)
        self.conv2 = _NormalisedConv(inside, inside, 3, groups=inside)
        self.conv3 = _NormalisedConv(inside, width)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        inside = F.gelu(self.conv2(F.gelu(self.conv1(x))))
        return F.gelu(x + self.conv3(inside))


class _Downsampling(nn.Module):
    """From one stage to the next."""

    def __init__(self, n_in: int, n_out: int, stride: int) -> None:
        super().__init__()
        self.conv1 = _NormalisedConv(n_in, n_out)
        self.conv2 = _NormalisedConv(n_out, n_out, 3, stride, n_out)
        self.conv3 = _NormalisedConv(n_out, n_out)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        out: torch.Tensor = self.conv3(F.gelu(self.conv2(F.gelu(self.conv1(x)))))
        return out


class _Attention(nn.Module):
    """Attention within a window, with a bias for every distance of two positions."""

    indices: torch.Tensor

    def __init__(self, width: int, heads: int, window: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm = nn.LayerNorm(width)
        self.qkv = nn.Linear(width, 3 * width)
        self.proj = nn.Linear(width, width)
        self.attention_biases = nn.Parameter(torch.zeros(heads, window * window))
        rows, columns = torch.meshgrid(torch.arange(window), torch.arange(window), indexing="ij")
        rows, columns = rows.flatten(), columns.flatten()
        distance = (rows[:, None] - rows).abs() * window + (columns[:, None] - columns).abs()
        self.register_buffer("indices", distance, persistent=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        n, positions, width = x.shape
        # a head's queries, keys and values are beside each other
        parts = self.qkv(self.norm(x)).view(n, positions, self.heads, 3, -1).unbind(3)
        query, key, value = (part.transpose(1, 2) for part in parts)
        bias = self.attention_biases[:, self.indices]
        seen = F.scaled_dot_product_attention(query, key, value, attn_mask=bias)
        out: torch.Tensor = self.proj(seen.transpose(1, 2).reshape(n, positions, width))
        return out


class _Mlp(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.fc1 = nn.Linear(width, _EXPANSION * width)
        self.fc2 = nn.Linear(_EXPANSION * width, width)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        out: torch.Tensor = self.fc2(F.gelu(self.fc1(self.norm(x))))
        return out


class _Block(nn.Module):
    """Attention in windows, a convolution of each channel, and a multilayer perceptron."""

    def __init__(self, width: int, heads: int, window: int) -> None:
        super().__init__()
        self.window = window
        self.attn = _Attention(width, heads, window)
        self.local_conv = _NormalisedConv(width, width, 3, groups=width)
        self.mlp = _Mlp(width)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = x + self._in_windows(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)
        x = self.local_conv(x)
        return x + self.mlp(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)

    def _in_windows(self, x: torch.Tensor) -> torch.Tensor:
        n, height, width, channels = x.shape
        size = self.window
        x = F.pad(x, (0, 0, 0, -width % size, 0, -height % size))
        rows, columns = x.shape[1] // size, x.shape[2] // size
        x = x.view(n, rows, size, columns, size, channels).transpose(2, 3)
        x = self.attn(x.reshape(n * rows * columns, size * size, channels))
        x = x.view(n, rows, columns, size, size, channels).transpose(2, 3)
        return x.reshape(n, rows * size, columns * size, channels)[:, :height, :width]


class _Stage(nn.Module):
    def __init__(self, blocks: list[nn.Module], downsample: nn.Module | None) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(blocks)
        self.downsample = downsample

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for block in self.blocks:
            x = block(x)
        return x if self.downsample is None else self.downsample(x)


class _PatchEmbedding(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        first, second = _NormalisedConv(3, width // 2), _NormalisedConv(width // 2, width)
        self.seq = nn.Sequential(first, nn.GELU(), second)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        out: torch.Tensor = self.seq(x)
        return out


class _ChannelNorm(nn.Module):
    """Normalises the channels of every position."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        shape = self.weight.shape
        normed = F.layer_norm(x.permute(0, 2, 3, 1), shape, self.weight, self.bias, eps=1e-6)
        return normed.permute(0, 3, 1, 2)


class TinyVit(nn.Module):
    """Image -> embedding of a quarter of its sides.

    Args:
        channels: Channels of the embedding.
        widths: Channels of the four stages, each a multiple of its number of heads.
    """

    def __init__(self, channels: int = 256, widths: tuple[int, ...] = _WIDTHS) -> None:
        super().__init__()
        self.patch_embed = _PatchEmbedding(widths[0])
        stages = []
        for i, (width, depth) in enumerate(zip(widths, _DEPTHS, strict=True)):
            blocks: list[nn.Module] = [
                _Block(width, _HEADS[i], _WINDOWS[i]) if i else _Convolutions(width)
                for _ in range(depth)
            ]
            down = _Downsampling(width, widths[i + 1], _STRIDES[i]) if i < len(_STRIDES) else None
            stages.append(_Stage(blocks, down))
        self.layers = nn.ModuleList(stages)
        self.neck = nn.Sequential(
            nn.Conv2d(widths[-1], channels, 1, bias=False),
            _ChannelNorm(channels),
            nn.Conv2d(channels, channels, 3, padding=1, bias=False),
            _ChannelNorm(channels),
        )

    def forward(self, pixel_values: torch.Tensor, **_: Any) -> tuple[torch.Tensor]:
        """Return the embedding.

        Args:
            pixel_values: ``(B, 3, S, S)``, S a multiple of 4.

        Returns:
            ``(B, channels, S / 4, S / 4)`` in a tuple, as transformers' encoders return it.
        """
        x = self.patch_embed(pixel_values)
        for stage in self.layers:
            x = stage(x)
        return (self.neck(x),)
