"""Outlines of a group as coefficients of principal components, drawn by diffusion or as Gaussians.

The coefficients are whitened, so that every direction in which outlines differ has variance 1. One
network learns the noise that was added to the coefficients of all groups; each group is drawn
equally often, whatever its size. Torch works in one thread: the network is so small that several
wait for each other most of the time.

Source: Ho et al. 2020 (training, Algorithm 1), Song et al. 2021 (DDIM sampling), Saharia et al.
2022 (predictions kept within a range); diffusers' schedulers. Cootes et al. 1995 for the baseline,
a Gaussian of the coefficients per group.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from nnunetv2_fair.errors import InstallationError
from nnunetv2_fair.synthesis.masks.outlines import Mask, mask_of

Outlines = NDArray[np.float64]

#: Share of the variance that the components keep.
_KEPT = 0.995
#: Most components.
_MOST = 48
_STEPS_OF_NOISE = 1000


@dataclass(frozen=True)
class Components:
    """Principal components of outlines of all groups.

    Attributes:
        mean: (structures, n, 2).
        axes: (components, structures * n * 2), each times the standard deviation along it.
    """

    mean: Outlines
    axes: NDArray[np.float64]

    def whitened(self, outlines: Outlines) -> NDArray[np.float64]:
        """Return coefficients, (cases, components), of variance 1 in the training cases."""
        flat = (outlines - self.mean).reshape(len(outlines), -1)
        norms = (self.axes**2).sum(axis=1)
        return np.asarray(flat @ self.axes.T / norms)

    def outlines(self, coefficients: NDArray[np.float64]) -> Outlines:
        """Return the outlines of coefficients."""
        flat = coefficients @ self.axes
        return np.asarray(self.mean + flat.reshape(len(flat), *self.mean.shape))


def components_of(outlines: Mapping[str, Outlines]) -> Components:
    """Return the components of all groups, each group counting the same.

    Args:
        outlines: Of the cases of each group, (cases, structures, n, 2).
    """
    weights = np.concatenate([np.full(len(own), 1 / len(own)) for own in outlines.values()])
    weights /= weights.sum()
    every = np.concatenate(list(outlines.values()))
    mean = np.einsum("i,i...->...", weights, every)
    flat = (every - mean).reshape(len(every), -1) * np.sqrt(weights)[:, None]
    _, spread, axes = np.linalg.svd(flat, full_matrices=False)
    share = np.cumsum(spread**2) / max(float((spread**2).sum()), 1e-12)
    k = min(int(np.searchsorted(share, _KEPT)) + 1, _MOST, int((spread > 1e-6).sum()) or 1)
    return Components(mean, axes[:k] * spread[:k, None])


class _Denoiser(nn.Module):
    """Noise in whitened coefficients, given the step and the group."""

    def __init__(self, components: int, groups: int, width: int = 256) -> None:
        super().__init__()
        self.group = nn.Embedding(groups, 32)
        self.step = nn.Sequential(nn.Linear(32, 64), nn.SiLU(), nn.Linear(64, 64))
        self.layers = nn.Sequential(
            nn.Linear(components + 96, width), nn.SiLU(),
            nn.Linear(width, width), nn.SiLU(),
            nn.Linear(width, width), nn.SiLU(),
            nn.Linear(width, components),
        )  # fmt: skip

    def forward(self, x: torch.Tensor, step: torch.Tensor, group: torch.Tensor) -> torch.Tensor:
        frequency = torch.exp(-torch.arange(16) * (np.log(10000.0) / 16))
        angle = step[:, None].float() * frequency[None]
        waves = torch.cat([angle.sin(), angle.cos()], dim=1)
        found: torch.Tensor = self.layers(torch.cat([x, self.step(waves), self.group(group)], 1))
        return found


class ShapeModel:
    """Draws outlines of a group.

    Args:
        outlines: Of the cases of each group, (cases, structures, n, 2).
        diffusion: Learn a diffusion; otherwise draw from a Gaussian per group.
        steps: Steps of training.
        seed: Of the training.

    Raises:
        InstallationError: If diffusion is asked for and diffusers is not installed.
    """

    def __init__(
        self, outlines: Mapping[str, Outlines], *, diffusion: bool, steps: int, seed: int
    ) -> None:
        self.components = components_of(outlines)
        self.groups = tuple(outlines)
        self._known = {g: self.components.whitened(own) for g, own in outlines.items()}
        self.losses: list[float] = []
        self._network: nn.Module | None = None
        if diffusion:
            with _one_thread():
                self._network = self._trained(steps, seed)

    def _trained(self, steps: int, seed: int) -> nn.Module:
        scheduler = schedulers()[0](num_train_timesteps=_STEPS_OF_NOISE, clip_sample=False)
        draw = torch.Generator().manual_seed(seed)
        k = len(self.components.axes)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            network = _Denoiser(k, len(self.groups))
        mean = _Denoiser(k, len(self.groups))
        mean.load_state_dict(network.state_dict())
        cases = [torch.tensor(self._known[g], dtype=torch.float32) for g in self.groups]
        best = torch.optim.AdamW(network.parameters(), lr=2e-3, weight_decay=1e-4, fused=True)
        rate = torch.optim.lr_scheduler.CosineAnnealingLR(best, steps)
        share = max(1, 256 // len(cases))
        group = torch.arange(len(cases)).repeat_interleave(share)
        for step in range(steps):
            x = torch.cat([own[torch.randint(len(own), (share,), generator=draw)] for own in cases])
            noise = torch.randn(x.shape, generator=draw)
            at = torch.randint(_STEPS_OF_NOISE, (len(x),), generator=draw)
            loss = ((network(scheduler.add_noise(x, noise, at), at, group) - noise) ** 2).mean()
            best.zero_grad()
            loss.backward()
            best.step()
            rate.step()
            self.losses.append(float(loss.detach()))
            kept = min(0.995, (1 + step) / (10 + step))
            with torch.no_grad():
                torch._foreach_lerp_([*mean.parameters()], [*network.parameters()], 1 - kept)
        return mean.eval()

    def draw(self, group: str, n: int, seed: int) -> Outlines:
        """Return new outlines, (n, structures, points, 2).

        Args:
            group: Its name.
            n: How many.
            seed: Of these.
        """
        if self._network is None:
            known = self._known[group]
            rng = np.random.default_rng(seed)
            spread = np.cov(known.T).reshape(known.shape[1], -1)
            drawn = rng.multivariate_normal(known.mean(axis=0), spread, n, method="svd")
            return self.components.outlines(drawn)
        with _one_thread(), torch.no_grad():
            return self.components.outlines(self._denoised(self._network, group, n, seed))

    def mask_of(
        self, drawn: Outlines, order: Sequence[int], shape: tuple[int, ...], dtype: Any
    ) -> tuple[Mask, str | None]:
        """Return the label map of outlines, as :func:`~.outlines.mask_of`."""
        return mask_of(drawn, order, shape, dtype)

    def _denoised(self, network: nn.Module, group: str, n: int, seed: int) -> NDArray[np.float64]:
        # where noise is all there is, a small error in it is a large one in the coefficients: they
        # are kept within those of the training masks, or a few outlines are far too large
        most = max(float(np.abs(own).max()) for own in self._known.values())
        scheduler = schedulers()[1](
            num_train_timesteps=_STEPS_OF_NOISE, clip_sample=True, clip_sample_range=most
        )
        scheduler.set_timesteps(50)
        source = torch.Generator().manual_seed(seed)
        x = torch.randn((n, len(self.components.axes)), generator=source)
        of = torch.full((n,), self.groups.index(group))
        for at in scheduler.timesteps:
            noise = network(x, at.expand(n), of)
            x = scheduler.step(noise, at, x).prev_sample
        return np.asarray(x.double().numpy())


@contextmanager
def _one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def schedulers() -> tuple[type, type]:
    """Return diffusers' schedulers of training and of sampling.

    Raises:
        InstallationError: If diffusers is not installed.
    """
    try:
        from diffusers.schedulers.scheduling_ddim import DDIMScheduler
        from diffusers.schedulers.scheduling_ddpm import DDPMScheduler
    except ImportError as error:
        raise InstallationError(
            "--model shape needs the package diffusers: pip install 'nnunetv2_fair[synthesis]' "
            "(Python 3.11 or newer). Or draw from the baseline, which needs nothing: --model pca."
        ) from error
    return DDPMScheduler, DDIMScheduler
