"""Diffusion of the points of a cloud, given what the cloud looks like as a whole.

Every point is denoised on its own by one network that is told the step and a code of the whole
shape. Codes of new shapes come from normal noise through an invertible network.

Source: Luo and Hu 2021. Differences: no batch normalisation, because averaged weights are sampled
from; fewer layers in the invertible network; 200 steps up to a share of noise of 0.05.
"""

from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import nn
from torch.nn.functional import leaky_relu

from nnunetv2_fair.synthesis.masks.point_clouds import POINTS

#: Steps of noise, and the noise of the first and the last.
NOISE_STEPS, _FIRST, _LAST = 200, 1e-4, 0.05
#: Weight of the code's distribution beside the noise in the loss.
_CODE_WEIGHT = 0.001


@dataclass(frozen=True)
class PointPlan:
    """Sizes of the network.

    Attributes:
        points: Of a cloud.
        code: Numbers that describe a shape.
        widths: Channels of the layers that denoise a point.
        encoder: Channels of the layers that describe a cloud.
        couplings: Layers of the invertible network.
    """

    points: int = POINTS
    code: int = 256
    widths: tuple[int, ...] = (128, 256, 512, 256, 128)
    encoder: tuple[int, ...] = (128, 128, 256, 512)
    couplings: int = 8


def noise_levels() -> torch.Tensor:
    """Return ``(200,)`` variances of the noise that each step adds, growing evenly."""
    return torch.linspace(_FIRST, _LAST, NOISE_STEPS, dtype=torch.float64)


def with_noise(x: torch.Tensor, noise: torch.Tensor, steps: torch.Tensor) -> torch.Tensor:
    """Return clouds after steps of noise.

    Args:
        x: ``(n, points, 3)``.
        noise: The same shape, standard normal.
        steps: ``(n,)``, 0 to 199.

    Source:
        Ho et al. 2020, equation 4.
    """
    kept = torch.cumprod(1 - noise_levels(), 0).to(x)[steps][:, None, None]
    return kept.sqrt() * x + (1 - kept).sqrt() * noise


def one_step_back(
    x: torch.Tensor, predicted: torch.Tensor, step: int, fresh: torch.Tensor
) -> torch.Tensor:
    """Return clouds before a step of noise.

    Args:
        x: ``(n, points, 3)`` after it.
        predicted: Noise in them.
        step: Which, 0 to 199.
        fresh: Standard normal, not used by step 0.

    Source:
        Ho et al. 2020, Algorithm 2, with the variance of equation 7.
    """
    levels = noise_levels()
    kept = torch.cumprod(1 - levels, 0)
    level, now = levels[step], kept[step]
    mean = (x - float(level / (1 - now).sqrt()) * predicted) / float((1 - level).sqrt())
    if step == 0:
        return mean
    return mean + float(((1 - kept[step - 1]) / (1 - now) * level).sqrt()) * fresh


class PointNetwork(nn.Module):
    """Describes clouds, denoises points, and makes codes of new shapes.

    Args:
        plan: Sizes.
    """

    def __init__(self, plan: PointPlan) -> None:
        super().__init__()
        self.plan = plan
        self.encoder = _Encoder(plan)
        sizes = (3, *plan.widths, 3)
        self.layers = nn.ModuleList(
            _Told(one, other, plan.code + 3) for one, other in pairwise(sizes)
        )
        self.couplings = nn.ModuleList(_Coupling(plan.code, i) for i in range(plan.couplings))

    def loss(self, clouds: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        """Return the loss of clouds, ``(n, points, 3)``, with chance from a CPU generator."""
        device = clouds.device
        steps = torch.randint(NOISE_STEPS, (len(clouds),), generator=generator).to(device)
        noise = torch.randn(clouds.shape, generator=generator).to(device)
        mean, log_variance = self.encoder(clouds)
        wiggle = torch.randn(mean.shape, generator=generator).to(device)
        code = mean + (log_variance / 2).exp() * wiggle
        plain, stretched = code, torch.zeros(len(code), device=device)
        for coupling in self._chain():
            plain, more = coupling.to_noise(plain)
            stretched = stretched + more
        prior = (plain**2 / 2).sum(1) - stretched - log_variance.sum(1) / 2
        found = self(with_noise(clouds, noise, steps), steps, code)
        return ((found - noise) ** 2).mean() + _CODE_WEIGHT * prior.mean()

    def _chain(self) -> list["_Coupling"]:
        return [layer for layer in self.couplings if isinstance(layer, _Coupling)]

    def forward(self, x: torch.Tensor, steps: torch.Tensor, code: torch.Tensor) -> torch.Tensor:
        """Return the noise in clouds.

        Args:
            x: ``(n, points, 3)``.
            steps: ``(n,)``, 0 to 199.
            code: ``(n, code)``.
        """
        level = noise_levels().to(x)[steps][:, None]
        told = torch.cat([level, level.sin(), level.cos(), code], dim=1)[:, None]
        out = x
        for i, layer in enumerate(self.layers):
            out = layer(out, told)
            if i < len(self.layers) - 1:
                out = leaky_relu(out, 0.01)
        return x + out

    @torch.no_grad()
    def draw(self, n: int, generator: torch.Generator) -> torch.Tensor:
        """Return new clouds, ``(n, points, 3)``, with chance from a CPU generator."""
        device = next(self.parameters()).device
        code = torch.randn(n, self.plan.code, generator=generator).to(device)
        for coupling in reversed(self._chain()):
            code = coupling.to_code(code)
        x = torch.randn(n, self.plan.points, 3, generator=generator).to(device)
        for step in reversed(range(NOISE_STEPS)):
            fresh = torch.randn(x.shape, generator=generator).to(device)
            x = one_step_back(x, self(x, torch.full((n,), step, device=device), code), step, fresh)
        return x


class _Encoder(nn.Module):
    """Mean and logarithm of the variance of a cloud's code: what its points have in common."""

    def __init__(self, plan: PointPlan) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        before = 3
        for width in plan.encoder:
            layers += [nn.Linear(before, width), nn.LeakyReLU(0.01)]
            before = width
        self.points = nn.Sequential(*layers)
        self.whole = nn.Sequential(
            nn.Linear(before, before // 2),
            nn.LeakyReLU(0.01),
            nn.Linear(before // 2, 2 * plan.code),
        )

    def forward(self, clouds: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        found = self.whole(self.points(clouds).amax(dim=1))
        mean, log_variance = found.chunk(2, dim=1)
        return mean, log_variance.clamp(-12, 4)


class _Told(nn.Module):
    """A layer that is scaled and shifted by what it is told (Luo and Hu's concat squash)."""

    def __init__(self, before: int, after: int, told: int) -> None:
        super().__init__()
        self.layer = nn.Linear(before, after)
        self.scale = nn.Linear(told, after)
        self.shift = nn.Linear(told, after, bias=False)

    def forward(self, x: torch.Tensor, told: torch.Tensor) -> torch.Tensor:
        found: torch.Tensor = self.layer(x) * self.scale(told).sigmoid() + self.shift(told)
        return found


class _Coupling(nn.Module):
    """Half of a code scaled and shifted by what the other half says: it can be undone."""

    def __init__(self, code: int, turn: int) -> None:
        super().__init__()
        self.turn = turn % 2
        half = code // 2
        self.kept, self.changed = (half, code - half) if self.turn == 0 else (code - half, half)
        last = nn.Linear(code, 2 * self.changed)
        # it begins by changing nothing
        nn.init.zeros_(last.weight)
        nn.init.zeros_(last.bias)
        self.says = nn.Sequential(nn.Linear(self.kept, code), nn.ReLU(), last)

    def to_noise(self, code: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return what a code comes from, and the logarithm of how much it is stretched."""
        kept, changed = self._parts(code)
        scale, shift = self._said(kept)
        return self._whole(kept, changed * scale.exp() + shift), scale.sum(dim=1)

    def to_code(self, noise: torch.Tensor) -> torch.Tensor:
        """Return what :meth:`to_noise` was given."""
        kept, changed = self._parts(noise)
        scale, shift = self._said(kept)
        return self._whole(kept, (changed - shift) * (-scale).exp())

    def _said(self, kept: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        scale, shift = self.says(kept).chunk(2, dim=1)
        return 2 * torch.tanh(scale / 2), shift

    def _parts(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        if self.turn == 0:
            return x[:, : self.kept], x[:, self.kept :]
        return x[:, self.changed :], x[:, : self.changed]

    def _whole(self, kept: torch.Tensor, changed: torch.Tensor) -> torch.Tensor:
        return torch.cat([kept, changed] if self.turn == 0 else [changed, kept], dim=1)
