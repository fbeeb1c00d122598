"""Training of the network: resumable, the same bytes from the same seed, safe to kill."""

import math
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812
from torch import nn

from nnunetv2_fair.errors import ModelError, TrainingError, UsageError
from nnunetv2_fair.files.atomic import replacing
from nnunetv2_fair.files.fingerprints import hash_of
from nnunetv2_fair.synthesis.images.network import (
    NOISE_STEPS,
    MaskToImage,
    NetworkPlan,
    signal_shares,
)

#: Steps of an epoch, as nnU-Net's.
EPOCH = 250
CHECKPOINT = "checkpoint.pth"
_WARM_UP = 50
_SLOWEST_AVERAGE = 0.995


@dataclass(frozen=True)
class TrainingCases:
    """What a model is trained on.

    Attributes:
        images: ``(n, channels, size, size)`` float32, -1 to 1.
        labels: ``(n, size, size)`` uint8 of class numbers.
        groups: ``(n,)`` of group indices.
    """

    images: np.ndarray = field(repr=False)
    labels: np.ndarray = field(repr=False)
    groups: np.ndarray = field(repr=False)


@dataclass(frozen=True)
class TrainingSettings:
    """How it is trained.

    Attributes:
        steps: How many.
        batch: Cases in each.
        rate: Learning rate after warming up; falls by a cosine to 2% of it.
        no_group: Share of cases whose group is not told, for guidance.
        mirror: Mirror half of the cases left to right. Off where sides differ.
        seed: Of weights, batches and noise.
    """

    steps: int = 1500
    batch: int = 8
    rate: float = 1e-3
    no_group: float = 0.1
    mirror: bool = True
    seed: int = 0

    def __post_init__(self) -> None:
        if self.steps < 1 or self.batch < 1 or not 0 < self.rate < 1 or not 0 <= self.no_group < 1:
            raise UsageError(
                f"Found {self.steps} steps of {self.batch} cases, rate {self.rate}, share without "
                f"group {self.no_group}. Expected at least one step of one case, a rate between 0 "
                "and 1, and a share of at least 0 and below 1."
            )


@dataclass(frozen=True)
class Progress:
    """Where a training is, after each epoch and at the end.

    Attributes:
        step: Steps done.
        losses: Loss of every step so far.
        seconds_left: Estimate from this run's own steps.
        network: Averaged network, for samples.
    """

    step: int
    losses: list[float] = field(repr=False)
    seconds_left: float
    network: MaskToImage = field(repr=False)


def train(
    cases: TrainingCases,
    plan: NetworkPlan,
    settings: TrainingSettings,
    folder: Path,
    device: torch.device | str,
    tell: Callable[[Progress], None] = lambda _: None,
    stepped: Callable[[int], None] = lambda _: None,
) -> tuple[MaskToImage, list[float]]:
    """Train, or continue where a killed training stopped.

    Every step draws from a generator seeded by seed and step, so that a training that was killed
    and continued ends in the same weights. Groups are drawn equally often.

    Args:
        cases: Training cases.
        plan: Sizes of the network.
        settings: How to train.
        folder: Where the checkpoint is, or will be; exists.
        device: On which to train; mixed precision (bfloat16) on a GPU.
        tell: Called after every epoch and at the end.
        stepped: Called with the number of steps done, at the start and after every step.

    Returns:
        The averaged network, and the loss of every step.

    Raises:
        ModelError: If the checkpoint is of other data or settings, or damaged.
        TrainingError: If the loss is not finite.
        UsageError: If a group has no training case.
    """
    counts = np.bincount(cases.groups, minlength=len(plan.groups))
    if (counts == 0).any():
        names = [name for name, n in zip(plan.groups, counts, strict=False) if n == 0]
        raise UsageError(f"No training case of group {', '.join(names)}. Leave it out.")
    device = torch.device(device)
    state = _State(cases, plan, settings, folder / CHECKPOINT, device)
    images = torch.from_numpy(cases.images).to(device)
    labels = torch.from_numpy(cases.labels).to(device)
    groups = torch.from_numpy(cases.groups.astype(np.int64)).to(device)
    weights = torch.from_numpy(1 / counts[cases.groups])
    begun, start = time.monotonic(), state.step
    stepped(start)
    while state.step < settings.steps:
        # all chance comes from the CPU, whose generator is the same on every machine
        generator = torch.Generator().manual_seed(_mixed(settings.seed, state.step))
        drawn = torch.multinomial(weights, settings.batch, replacement=True, generator=generator)
        mirrored = torch.rand(settings.batch, generator=generator) < 0.5
        x, y, g = images[drawn], labels[drawn], groups[drawn]
        if settings.mirror:
            turn = mirrored.to(device)
            x = torch.where(turn[:, None, None, None], x.flip(3), x)
            y = torch.where(turn[:, None, None], y.flip(2), y)
        steps = torch.randint(NOISE_STEPS, (settings.batch,), generator=generator)
        noise = torch.randn(x.shape, generator=generator)
        untold = torch.rand(settings.batch, generator=generator) < settings.no_group
        g = torch.where(untold.to(device), plan.no_group, g)
        state.update(x, y, steps.to(device), noise.to(device), g)
        stepped(state.step)
        if state.step % EPOCH == 0 or state.step == settings.steps:
            state.save()
            each = (time.monotonic() - begun) / (state.step - start)
            left = each * (settings.steps - state.step)
            tell(Progress(state.step, list(state.losses), left, state.average))
    return state.average, state.losses


class _State:
    """Network, its moving average, and the optimiser, at one step of a training."""

    def __init__(
        self,
        cases: TrainingCases,
        plan: NetworkPlan,
        settings: TrainingSettings,
        path: Path,
        device: torch.device,
    ) -> None:
        self.settings, self.path, self.device = settings, path, device
        self.mark = _mark(cases, plan, settings)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(settings.seed)
            self.network = MaskToImage(plan).to(device)
            self.average = MaskToImage(plan).to(device).eval()
        self.average.load_state_dict(self.network.state_dict())
        self.optimiser = torch.optim.AdamW(self.network.parameters(), settings.rate)
        self.shares = signal_shares(device)
        self.step = 0
        self.losses: list[float] = []
        if path.exists():
            self._load()

    def update(
        self,
        images: torch.Tensor,
        labels: torch.Tensor,
        steps: torch.Tensor,
        noise: torch.Tensor,
        groups: torch.Tensor,
    ) -> None:
        """Take one step."""
        done = self.step / self.settings.steps
        rate = self.settings.rate * (0.5 * (1 + math.cos(math.pi * done)) + 0.02)
        for part in self.optimiser.param_groups:
            part["lr"] = rate * min(1, (self.step + 1) / _WARM_UP)
        share = self.shares[steps][:, None, None, None]
        noisy = share.sqrt() * images + (1 - share).sqrt() * noise
        velocity = share.sqrt() * noise - (1 - share).sqrt() * images
        with torch.autocast("cuda", torch.bfloat16, enabled=self.device.type == "cuda"):
            predicted = self.network(noisy, labels, steps, groups)
        loss = F.mse_loss(predicted.float(), velocity)
        if not torch.isfinite(loss):
            raise TrainingError(
                f"The loss of step {self.step} is not a finite number. The checkpoint of the last "
                "epoch is kept. Lower the learning rate (--rate), and look for images with values "
                "that are not finite."
            )
        self.optimiser.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(self.network.parameters(), 1.0)
        self.optimiser.step()
        self.losses.append(loss.item())
        self.step += 1
        kept = min(_SLOWEST_AVERAGE, (self.step + 1) / (self.step + 10))
        with torch.no_grad():
            own = dict(self.network.named_parameters())
            for name, value in self.average.named_parameters():
                value.lerp_(own[name], 1 - kept)

    def save(self) -> None:
        """Write the checkpoint, whole or not at all."""
        content = {
            "mark": self.mark,
            "plan": self.network.plan.as_dict(),
            "settings": asdict(self.settings),
            "step": self.step,
            "losses": self.losses,
            "network": self.network.state_dict(),
            "average": self.average.state_dict(),
            "optimiser": self.optimiser.state_dict(),
        }
        with replacing(self.path) as temporary:
            torch.save(content, temporary)

    def _load(self) -> None:
        content = read_checkpoint(self.path, self.device)
        if content["mark"] != self.mark:
            raise ModelError(
                f"{self.path} is of a training on other cases, groups or settings. Continue with "
                "those, or choose an empty folder (--training)."
            )
        self.network.load_state_dict(content["network"])
        self.average.load_state_dict(content["average"])
        self.optimiser.load_state_dict(content["optimiser"])
        self.step, self.losses = content["step"], content["losses"]


def read_checkpoint(path: Path, device: torch.device) -> dict[str, Any]:
    """Read a checkpoint without running code from it.

    Raises:
        ModelError: If it cannot be read, or is no checkpoint of this training.
    """
    try:
        content = torch.load(path, map_location=device, weights_only=True)
        if {"mark", "plan", "step", "losses", "network", "average", "optimiser"} <= set(content):
            return dict(content)
        reason = "it lacks parts"
    except Exception as error:  # torch, zip, pickle: all that a damaged file makes them raise
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
    raise ModelError(
        f"{path} is not a checkpoint of an image model ({reason}). Remove it to train again from "
        "the start."
    )


def trained_network(path: Path, device: torch.device) -> MaskToImage:
    """Return the averaged network of a checkpoint, ready to sample.

    Raises:
        ModelError: As :func:`read_checkpoint`.
    """
    content = read_checkpoint(path, device)
    network = MaskToImage(NetworkPlan.from_dict(content["plan"])).to(device).eval()
    network.load_state_dict(content["average"])
    return network


def _mark(cases: TrainingCases, plan: NetworkPlan, settings: TrainingSettings) -> str:
    arrays = (cases.images, cases.labels, cases.groups)
    return hash_of(
        *(np.ascontiguousarray(array).tobytes() for array in arrays),
        repr((plan, settings)).encode(),
    )


def _mixed(seed: int, step: int) -> int:
    """Return a seed for one step, unrelated to those of its neighbours."""
    return int(np.random.SeedSequence([seed, step]).generate_state(1, np.uint64)[0] >> 1)
