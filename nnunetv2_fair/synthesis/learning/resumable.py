"""The training loop of every network: resumable, reproducible from its seed, safe to kill."""

import copy
import math
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Generic, TypeVar

import numpy as np
import torch
from torch import nn

from nnunetv2_fair.errors import ModelError, TrainingError, UsageError
from nnunetv2_fair.files.atomic import replacing

#: Steps of an epoch, as nnU-Net's.
EPOCH = 250
CHECKPOINT = "checkpoint.pth"
_WARM_UP = 50
_SLOWEST_AVERAGE = 0.995
_PARTS = {"mark", "about", "step", "losses", "network", "average", "optimiser"}

Network = TypeVar("Network", bound=nn.Module)


@dataclass(frozen=True)
class Settings:
    """How a network is trained.

    Attributes:
        steps: How many.
        batch: Cases in each.
        rate: Learning rate after warming up; falls by a cosine to 2% of it.
        seed: Of weights, batches and noise.
    """

    steps: int = 1500
    batch: int = 8
    rate: float = 1e-3
    seed: int = 0

    def __post_init__(self) -> None:
        if self.steps < 1 or self.batch < 1 or not 0 < self.rate < 1:
            raise UsageError(
                f"Found {self.steps} steps of {self.batch} cases, rate {self.rate}. Expected at "
                "least one step of one case, and a rate between 0 and 1."
            )


@dataclass(frozen=True)
class Progress(Generic[Network]):
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
    network: Network = field(repr=False)


@dataclass(frozen=True)
class Subject(Generic[Network]):
    """What is trained.

    Attributes:
        build: Returns the network at its start; random weights come from the settings' seed.
        loss: Of a network and a generator on the CPU, from which all chance of a step must come.
        mark: Hash of all that the training depends on; a checkpoint with another one is refused.
        about: What the checkpoint says of the network, as plain values.
        what: Names it in messages, such as ``an image model``.
    """

    build: Callable[[], Network] = field(repr=False)
    loss: Callable[[Network, torch.Generator], torch.Tensor] = field(repr=False)
    mark: str
    about: Mapping[str, Any]
    what: str


def train(
    subject: Subject[Network],
    settings: Settings,
    folder: Path,
    device: torch.device,
    tell: Callable[[Progress[Network]], None] = lambda _: None,
    stepped: Callable[[int], None] = lambda _: None,
) -> tuple[Network, list[float]]:
    """Train, or continue where a killed training stopped.

    Every step has a generator seeded by seed and step, so that a training that was killed and
    continued ends in the same weights.

    Args:
        subject: What is trained.
        settings: How.
        folder: Where the checkpoint is, or will be; exists.
        device: On which to train.
        tell: Called after every epoch and at the end.
        stepped: Called with the number of steps done, at the start and after every step.

    Returns:
        The averaged network, and the loss of every step.

    Raises:
        ModelError: If the checkpoint is of other data or settings, or damaged.
        TrainingError: If the loss is not finite.
    """
    state = _State(subject, settings, folder / CHECKPOINT, device)
    begun, start = time.monotonic(), state.step
    stepped(start)
    while state.step < settings.steps:
        state.update()
        stepped(state.step)
        if state.step % EPOCH == 0 or state.step == settings.steps:
            state.save()
            each = (time.monotonic() - begun) / (state.step - start)
            left = each * (settings.steps - state.step)
            tell(Progress(state.step, list(state.losses), left, state.average))
    return state.average, state.losses


class _State(Generic[Network]):
    """Network, its moving average, and the optimiser, at one step of a training."""

    def __init__(
        self, subject: Subject[Network], settings: Settings, path: Path, device: torch.device
    ) -> None:
        self.subject, self.settings, self.path, self.device = subject, settings, path, device
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(settings.seed)
            self.network = subject.build().to(device)
        self.average = copy.deepcopy(self.network).eval()
        self.optimiser = torch.optim.AdamW(self.network.parameters(), settings.rate)
        self.step = 0
        self.losses: list[float] = []
        if path.exists():
            self._load()

    def update(self) -> None:
        """Take one step."""
        done = self.step / self.settings.steps
        rate = self.settings.rate * (0.5 * (1 + math.cos(math.pi * done)) + 0.02)
        for part in self.optimiser.param_groups:
            part["lr"] = rate * min(1, (self.step + 1) / _WARM_UP)
        # all chance comes from the CPU, whose generator is the same on every machine
        generator = torch.Generator().manual_seed(_mixed(self.settings.seed, self.step))
        loss = self.subject.loss(self.network, generator)
        if not torch.isfinite(loss):
            raise TrainingError(
                f"The loss of step {self.step} is not a finite number. The checkpoint of the last "
                "epoch is kept. Lower the learning rate, and look for images with values that are "
                "not finite."
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
            "mark": self.subject.mark,
            "about": dict(self.subject.about),
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
        content = read_checkpoint(self.path, self.device, self.subject.what)
        if content["mark"] != self.subject.mark:
            raise ModelError(
                f"{self.path} is of a training on other cases, groups or settings. Continue with "
                "those, or choose an empty folder (--training)."
            )
        self.network.load_state_dict(content["network"])
        self.average.load_state_dict(content["average"])
        self.optimiser.load_state_dict(content["optimiser"])
        self.step, self.losses = content["step"], content["losses"]


def read_checkpoint(path: Path, device: torch.device, what: str) -> dict[str, Any]:
    """Read a checkpoint without running code from it.

    Args:
        path: Its file.
        device: Where its tensors go.
        what: What it should be of, such as ``an image model``.

    Raises:
        ModelError: If it cannot be read, or is no checkpoint of such a training.
    """
    try:
        content = torch.load(path, map_location=device, weights_only=True)
        if set(content) >= _PARTS:
            return dict(content)
        reason = "it lacks parts"
    except Exception as error:  # torch, zip, pickle: all that a damaged file makes them raise
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
    raise ModelError(
        f"{path} is not a checkpoint of {what} ({reason}). Remove it to train again from the start."
    )


def _mixed(seed: int, step: int) -> int:
    """Return a seed for one step, unrelated to those of its neighbours."""
    return int(np.random.SeedSequence([seed, step]).generate_state(1, np.uint64)[0] >> 1)
