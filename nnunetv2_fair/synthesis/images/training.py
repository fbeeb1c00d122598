"""What the image networks learn from, and their loss."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812
from torch import nn

from nnunetv2_fair.errors import UsageError
from nnunetv2_fair.files.fingerprints import hash_of
from nnunetv2_fair.synthesis.images.network import NOISE_STEPS, ImageNetwork, ImagePlan
from nnunetv2_fair.synthesis.learning import resumable
from nnunetv2_fair.synthesis.learning.resumable import Progress, Settings, Subject


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
class TrainingSettings(Settings):
    """How it is trained.

    Attributes:
        no_group: Share of cases whose group is not told, for guidance.
        mirror: Mirror half of the cases left to right. Off where sides differ.
    """

    no_group: float = 0.1
    mirror: bool = True

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 <= self.no_group < 1:
            raise UsageError(
                f"Found a share without group of {self.no_group}. Expected at least 0 and below 1."
            )


def train(
    cases: TrainingCases,
    plan: ImagePlan,
    settings: TrainingSettings,
    folder: Path,
    device: torch.device | str,
    tell: Callable[[Progress[ImageNetwork]], None] = lambda _: None,
    stepped: Callable[[int], None] = lambda _: None,
) -> tuple[ImageNetwork, list[float]]:
    """Train, or continue where a killed training stopped. Groups are drawn equally often.

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
    batches = _Batches(cases, plan, settings, device)

    def loss(learnt: nn.Module, generator: torch.Generator) -> torch.Tensor:
        return batches.loss(plan.network(learnt), generator)

    def told(progress: Progress[nn.Module]) -> None:
        network = plan.network(progress.network)
        tell(Progress(progress.step, progress.losses, progress.seconds_left, network))

    subject: Subject[nn.Module] = Subject(
        plan.build, loss, _mark(cases, plan, settings), plan.as_dict(), "an image model"
    )
    average, losses = resumable.train(subject, settings, folder, device, told, stepped)
    return plan.network(average), losses


class _Batches:
    """Training cases on a device, drawn and made noisy."""

    def __init__(
        self,
        cases: TrainingCases,
        plan: ImagePlan,
        settings: TrainingSettings,
        device: torch.device,
    ) -> None:
        self.settings, self.plan, self.device = settings, plan, device
        self.images = torch.from_numpy(cases.images).to(device)
        self.labels = torch.from_numpy(cases.labels).to(device)
        self.groups = torch.from_numpy(cases.groups.astype(np.int64)).to(device)
        self.weights = torch.from_numpy(1 / np.bincount(cases.groups)[cases.groups])

    def loss(self, network: ImageNetwork, generator: torch.Generator) -> torch.Tensor:
        """Return the loss of a batch."""
        n = self.settings.batch
        drawn = torch.multinomial(self.weights, n, replacement=True, generator=generator)
        mirrored = torch.rand(n, generator=generator) < 0.5
        drawn = drawn.to(self.device)
        images, labels, groups = self.images[drawn], self.labels[drawn], self.groups[drawn]
        if self.settings.mirror:
            turn = mirrored.to(self.device)
            images = torch.where(turn[:, None, None, None], images.flip(3), images)
            labels = torch.where(turn[:, None, None], labels.flip(2), labels)
        steps = torch.randint(NOISE_STEPS, (n,), generator=generator).to(self.device)
        with torch.autocast("cuda", torch.bfloat16, enabled=self.device.type == "cuda"):
            x = network.encoded(images).float()
            noise = torch.randn(x.shape, generator=generator).to(self.device)
            untold = torch.rand(n, generator=generator) < self.settings.no_group
            groups = torch.where(untold.to(self.device), self.plan.no_group, groups)
            share = network.shares(self.device)[steps][:, None, None, None]
            noisy = share.sqrt() * x + (1 - share).sqrt() * noise
            predicted = network(noisy, labels, steps, groups)
        velocity = share.sqrt() * noise - (1 - share).sqrt() * x
        return F.mse_loss(predicted.float(), noise if network.predicts_noise else velocity)


def _mark(cases: TrainingCases, plan: ImagePlan, settings: TrainingSettings) -> str:
    arrays = (cases.images, cases.labels, cases.groups)
    return hash_of(
        *(np.ascontiguousarray(array).tobytes() for array in arrays),
        repr((plan, settings)).encode(),
    )
