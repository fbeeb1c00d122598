"""Images drawn from a trained network: deterministic for a seed and a case's name."""

from collections.abc import Callable, Sequence

import numpy as np
import torch

from nnunetv2_fair.synthesis.images.network import NOISE_STEPS, ImageNetwork


def sample(
    network: ImageNetwork,
    labels: np.ndarray,
    groups: np.ndarray,
    names: Sequence[str],
    *,
    seed: int = 0,
    steps: int = 20,
    guidance: float = 1.0,
    batch: int = 16,
    tell: Callable[[int], None] = lambda _: None,
) -> np.ndarray:
    """Draw one image for each mask.

    The noise of a case depends on the seed and on its name alone.

    Args:
        network: Trained.
        labels: ``(n, size, size)`` uint8 of class numbers.
        groups: ``(n,)`` of group indices.
        names: Name of each case; n.
        seed: Of the noise.
        steps: Of sampling, 1 to 1000.
        guidance: 1 follows the group as the training cases do; above, more so.
        batch: Cases at once.
        tell: Called with the number of cases that are done.

    Returns:
        ``(n, channels, size, size)`` float32, -1 to 1.

    Source:
        Song et al. 2021 (DDIM), eta 0; steps spaced from the end as in Lin et al. 2024; guidance as
        in Ho and Salimans 2022.
    """
    device = next(network.parameters()).device
    plan = network.plan
    out = np.empty((len(labels), plan.channels, plan.size, plan.size), np.float32)
    for start in range(0, len(labels), batch):
        part = slice(start, start + batch)
        noise = np.stack([_noise(seed, name, network.shape) for name in names[part]])
        out[part] = _denoised(
            network,
            torch.from_numpy(noise).to(device),
            torch.from_numpy(labels[part]).to(device),
            torch.from_numpy(groups[part].astype(np.int64)).to(device),
            steps,
            guidance,
        )
        tell(min(start + batch, len(labels)))
    return out


@torch.no_grad()
def _denoised(
    network: ImageNetwork,
    x: torch.Tensor,
    labels: torch.Tensor,
    groups: torch.Tensor,
    steps: int,
    guidance: float,
) -> np.ndarray:
    shares = network.shares(x.device)
    times = np.round(np.arange(NOISE_STEPS, 0, -NOISE_STEPS / steps)).astype(int) - 1
    for now, later in zip(times, [*times[1:], -1], strict=True):
        at = torch.full((len(x),), int(now), device=x.device)
        predicted = network(x, labels, at, groups)
        if guidance != 1:
            free = network(x, labels, at, torch.full_like(groups, network.plan.no_group))
            predicted = free + guidance * (predicted - free)
        share = shares[now]
        if network.predicts_noise:
            image = (x - (1 - share).sqrt() * predicted) / share.sqrt()
        else:
            image = share.sqrt() * x - (1 - share).sqrt() * predicted
        if network.bounded:
            image = image.clamp(-1, 1)
        noise = (x - share.sqrt() * image) / (1 - share).sqrt()
        after = shares[later] if later >= 0 else torch.ones_like(share)
        x = after.sqrt() * image + (1 - after).sqrt() * noise
    return np.asarray(network.decoded(x).clamp(-1, 1).float().cpu())


def _noise(seed: int, name: str, shape: Sequence[int]) -> np.ndarray:
    words = np.frombuffer(name.encode("utf-8"), np.uint8)
    rng = np.random.default_rng([seed, len(words), *(int(word) for word in words)])
    return rng.standard_normal(tuple(shape), np.float32)
