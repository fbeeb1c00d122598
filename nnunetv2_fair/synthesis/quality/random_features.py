"""Features of images from convolutions with random weights, which need no training."""

import numpy as np
import torch
from torch import nn

_WIDTHS = (16, 32, 64, 64)
_BATCH = 64


def random_features(images: np.ndarray, seed: int = 0) -> np.ndarray:
    """Return features of images: mean and standard deviation of every channel of a random network.

    Four convolutions of stride 2 with orthogonal weights. Unlike those of a trained segmentation
    network, which normalises its input, these features change with contrast.

    Args:
        images: ``(n, channels, y, x)``, about -1 to 1, at least 16 pixels a side.
        seed: Of the weights; features of different seeds cannot be compared.

    Returns:
        ``(n, 128)`` float64.

    Raises:
        ValueError: If the images are smaller.
    """
    if min(images.shape[2:]) < 16:
        raise ValueError(f"expected at least 16 pixels a side, found {images.shape[2:]}")
    network = _network(images.shape[1], seed)
    found = []
    with torch.no_grad():
        for start in range(0, len(images), _BATCH):
            batch = torch.from_numpy(np.asarray(images[start : start + _BATCH], np.float32))
            last = network(batch)
            found.append(torch.cat([last.mean((2, 3)), last.std((2, 3), correction=0)], 1))
    return torch.cat(found).double().numpy()


def _network(channels: int, seed: int) -> nn.Module:
    generator = torch.Generator().manual_seed(seed)
    layers: list[nn.Module] = []
    for width in _WIDTHS:
        convolution = nn.Conv2d(channels, width, 3, stride=2, padding=1, bias=False)
        # 1.6 keeps the spread of the activations about the same from layer to layer
        nn.init.orthogonal_(convolution.weight, 1.6, generator=generator)
        layers += [convolution, nn.LeakyReLU(0.1)]
        channels = width
    return nn.Sequential(*layers).eval()
