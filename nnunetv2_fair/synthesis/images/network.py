"""The network that makes images from masks: its sizes, and how it is built."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Protocol, cast

import torch
import torch.nn.functional as F  # noqa: N812
from torch import nn

from nnunetv2_fair.errors import InstallationError, UsageError

#: Steps of the noise schedule.
NOISE_STEPS = 1000


class ImagePlan(Protocol):
    """Sizes of a network, and how it is built; its repr says all that it depends on."""

    @property
    def size(self) -> int:
        """Pixels of a side."""

    @property
    def channels(self) -> int:
        """Channels of the images."""

    @property
    def classes(self) -> int:
        """Classes of the masks."""

    @property
    def groups(self) -> tuple[str, ...]:
        """Names of the groups."""

    @property
    def no_group(self) -> int:
        """Index of none."""

    def as_dict(self) -> dict[str, Any]:
        """Return the sizes as plain values."""

    def build(self) -> nn.Module:
        """Return what is trained, as it is before the first step."""

    def network(self, learnt: nn.Module) -> "ImageNetwork":
        """Return the whole network of a trained part."""


class ImageNetwork(nn.Module, ABC):
    """From noise and a mask to an image, by one prediction for each step of noise.

    Attributes:
        plan: Its sizes.
        predicts_noise: Whether it predicts the noise; otherwise the velocity.
        bounded: Whether what is denoised lies between -1 and 1.
    """

    plan: ImagePlan
    predicts_noise: bool
    bounded: bool

    @property
    @abstractmethod
    def shape(self) -> tuple[int, int, int]:
        """Shape of what is denoised."""

    @abstractmethod
    def shares(self, device: torch.device) -> torch.Tensor:
        """Return ``(1000,)`` shares of signal in the variance."""

    @abstractmethod
    def encoded(self, images: torch.Tensor) -> torch.Tensor:
        """Return what is denoised in place of images, ``(n, *shape)``."""

    @abstractmethod
    def decoded(self, x: torch.Tensor) -> torch.Tensor:
        """Return the images, ``(n, channels, size, size)``, of what was denoised."""


@dataclass(frozen=True)
class NetworkPlan:
    """Sizes of the network.

    Attributes:
        size: Pixels of a side of the square images.
        channels: Channels of the images.
        classes: Classes of the masks with the background.
        groups: Names of the groups. Nothing else about people is in a model.
        shuffle: Pixels of a side that become channels: 2 makes 64 x 64 pixels 32 x 32.
        widths: Channels of the network's stages, each half as large as the one before.
    """

    size: int
    channels: int
    classes: int
    groups: tuple[str, ...]
    shuffle: int = 2
    widths: tuple[int, ...] = (32, 64, 96)

    def __post_init__(self) -> None:
        step = self.shuffle * 2 ** (len(self.widths) - 1)
        if self.size % step or self.size < 2 * step:
            raise UsageError(
                f"Images of {self.size} x {self.size} pixels: the side must be a multiple of {step}"
                f" and at least {2 * step}, because the network halves it."
            )
        if not self.groups or self.classes < 2:
            raise UsageError("A model needs at least one group and one structure in the masks.")

    @property
    def no_group(self) -> int:
        """Index that stands for no group in particular."""
        return len(self.groups)

    def as_dict(self) -> dict[str, Any]:
        """Return the sizes as plain values."""
        return asdict(self)

    def build(self) -> nn.Module:
        """Return what is trained, with random weights."""
        return MaskToImage(self)

    def network(self, learnt: nn.Module) -> "ImageNetwork":
        """Return the network of a trained part, which is all of it."""
        return cast("MaskToImage", learnt)


def default_plan(size: int, channels: int, classes: int, groups: Sequence[str]) -> NetworkPlan:
    """Return sizes that fit images: up to 128 pixels for a CPU, above for a GPU."""
    if size <= 128:
        return NetworkPlan(size, channels, classes, tuple(groups))
    return NetworkPlan(
        size, channels, classes, tuple(groups), shuffle=4, widths=(64, 128, 192, 256)
    )


def scratch_plan(
    rows: int, columns: int, channels: int, classes: int, groups: Sequence[str]
) -> NetworkPlan:
    """Return sizes that fit images, which are filled up to squares."""
    return default_plan(padded_size(rows, columns), channels, classes, groups)


def unet_class() -> Any:
    """Return diffusers' ``UNet2DModel``, which is typed as not callable.

    Raises:
        InstallationError: If diffusers is not installed.
    """
    try:
        from diffusers import UNet2DModel
    except ImportError as error:
        raise InstallationError(
            "Making images needs diffusers and Python 3.11 or newer. Run "
            'pip install "nnunetv2_fair[synthesis]".'
        ) from error
    return UNet2DModel


def padded_size(rows: int, columns: int) -> int:
    """Return the side of the smallest square that :func:`default_plan` takes and that holds images.

    Args:
        rows: Of the images.
        columns: Of the images.
    """
    side = max(rows, columns)
    step = 8 if side <= 128 else 32
    return max(-(-side // step) * step, 2 * step)


class MaskToImage(ImageNetwork):
    """diffusers' ``UNet2DModel`` on pixels moved into channels, with the mask beside the image.

    Args:
        plan: Sizes.

    Raises:
        InstallationError: If diffusers is not installed.
    """

    plan: NetworkPlan
    predicts_noise = False
    bounded = True

    def __init__(self, plan: NetworkPlan) -> None:
        super().__init__()
        self.plan = plan
        inner = plan.shuffle**2
        last = len(plan.widths) - 1
        down = ["DownBlock2D"] * last + ["AttnDownBlock2D"]
        self.network = unet_class()(
            sample_size=plan.size // plan.shuffle,
            in_channels=inner * (plan.channels + plan.classes - 1),
            out_channels=inner * plan.channels,
            layers_per_block=1,
            block_out_channels=plan.widths,
            norm_num_groups=8,
            down_block_types=tuple(down),
            up_block_types=("AttnUpBlock2D",) + ("UpBlock2D",) * last,
            num_class_embeds=len(plan.groups) + 1,
        )

    @property
    def shape(self) -> tuple[int, int, int]:
        """As the images."""
        return self.plan.channels, self.plan.size, self.plan.size

    def shares(self, device: torch.device) -> torch.Tensor:
        """Return those of :func:`signal_shares`."""
        return signal_shares(device)

    def encoded(self, images: torch.Tensor) -> torch.Tensor:
        """Return the images."""
        return images

    def decoded(self, x: torch.Tensor) -> torch.Tensor:
        """Return the images."""
        return x

    def forward(
        self, noisy: torch.Tensor, labels: torch.Tensor, steps: torch.Tensor, groups: torch.Tensor
    ) -> torch.Tensor:
        """Return the predicted velocity.

        Args:
            noisy: ``(n, channels, size, size)``.
            labels: ``(n, size, size)`` of class numbers.
            steps: ``(n,)`` of noise steps.
            groups: ``(n,)`` of group indices; ``plan.no_group`` for none.

        Returns:
            As ``noisy``.
        """
        structures = F.one_hot(labels.long(), self.plan.classes)[..., 1:].movedim(-1, 1)
        seen = torch.cat([noisy, structures.to(noisy.dtype) * 2 - 1], dim=1)
        out = self.network(
            F.pixel_unshuffle(seen, self.plan.shuffle), steps, class_labels=groups
        ).sample
        return F.pixel_shuffle(out, self.plan.shuffle)


def signal_shares(device: torch.device) -> torch.Tensor:
    """Return ``(1000,)`` shares of signal in the variance, the squared cosine schedule.

    Source:
        Nichol and Dhariwal 2021, equation 17, betas cut at 0.999.
    """
    step = torch.arange(NOISE_STEPS + 1, dtype=torch.float64) / NOISE_STEPS
    curve = torch.cos((step + 0.008) / 1.008 * torch.pi / 2) ** 2
    kept = (curve[1:] / curve[:-1]).clamp(min=1e-3)
    return kept.cumprod(0).float().to(device)
