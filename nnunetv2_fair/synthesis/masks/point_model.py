"""Outlines of a group as clouds of 512 points in space, drawn by diffusion: FairDiff's own model.

One network for each group, as in the paper; a training can be continued.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from nnunetv2_fair.files.fingerprints import hash_of
from nnunetv2_fair.synthesis.learning.resumable import Settings, Subject, train
from nnunetv2_fair.synthesis.masks.outlines import Mask, nested
from nnunetv2_fair.synthesis.masks.point_clouds import cloud_of, regions_of_cloud
from nnunetv2_fair.synthesis.masks.point_network import PointNetwork, PointPlan

#: Masks that are drawn at once.
_AT_ONCE = 64
OPEN = "no closed outline"


@dataclass(frozen=True)
class PointSettings(Settings):
    """As FairDiff trains: 48 clouds a step, rate 0.0001."""

    steps: int = 200_000
    batch: int = 48
    rate: float = 1e-4


class PointModel:
    """Draws masks of a group.

    Args:
        outlines: Of the cases of each group, (cases, structures, n, 2), n about 512.
        groups: Groups to learn, each in a folder of its own number.
        settings: How to train.
        folder: Where the folders with checkpoints are, or will be; exists.
        device: On which to train and draw.
        plan: Sizes of the networks.
        stepped: Called with the group and its number of steps, at the start and after each.

    Raises:
        ModelError: If a checkpoint is of other masks or settings, or damaged.
        TrainingError: If the loss is not finite.
    """

    def __init__(
        self,
        outlines: Mapping[str, NDArray[np.float64]],
        groups: Sequence[str],
        settings: PointSettings,
        folder: Path,
        device: str,
        plan: PointPlan | None = None,
        stepped: Callable[[str, int], None] = lambda *_: None,
    ) -> None:
        self.plan = plan or PointPlan()
        self._networks: dict[str, PointNetwork] = {}
        self._scales: dict[str, tuple[NDArray[np.float64], float]] = {}
        for group in groups:
            clouds = np.stack([cloud_of(case, self.plan.points) for case in outlines[group]])
            centre = clouds[..., :2].mean(axis=(0, 1))
            spread = float(clouds[..., :2].std())
            self._scales[group] = centre, spread
            clouds[..., :2] = (clouds[..., :2] - centre) / spread
            place = folder / str(list(outlines).index(group))
            place.mkdir(exist_ok=True)

            def told(step: int, group: str = group) -> None:
                stepped(group, step)

            subject = _subject(torch.from_numpy(clouds).float().to(device), self.plan, settings)
            self._networks[group], _ = train(
                subject, settings, place, torch.device(device), stepped=told
            )

    def draw(self, group: str, n: int, seed: int) -> NDArray[np.float64]:
        """Return new clouds, (n, 512, 3), in pixels.

        Args:
            group: Its name.
            n: How many.
            seed: Of these.
        """
        generator = torch.Generator().manual_seed(seed)
        parts = [
            self._networks[group].draw(min(_AT_ONCE, n - start), generator).cpu()
            for start in range(0, n, _AT_ONCE)
        ]
        clouds = np.asarray(torch.cat(parts).double().numpy())
        centre, spread = self._scales[group]
        clouds[..., :2] = clouds[..., :2] * spread + centre
        return clouds

    def mask_of(
        self, drawn: NDArray[np.float64], order: Sequence[int], shape: tuple[int, ...], dtype: Any
    ) -> tuple[Mask, str | None]:
        """Return the label map of a cloud, and why it is not valid (None: it is).

        Args:
            drawn: (512, 3).
            order: Labels, outermost first.
            shape: Rows and columns.
            dtype: Of the label map.
        """
        if not np.isfinite(drawn).all():
            return np.zeros(shape, dtype=dtype), "not finite"
        regions = regions_of_cloud(drawn, len(order), shape)
        if regions is None:
            return np.zeros(shape, dtype=dtype), OPEN
        return nested(regions, order, dtype)


def _subject(
    clouds: torch.Tensor, plan: PointPlan, settings: PointSettings
) -> Subject[PointNetwork]:
    def loss(network: PointNetwork, generator: torch.Generator) -> torch.Tensor:
        drawn = torch.randint(len(clouds), (settings.batch,), generator=generator)
        return network.loss(clouds[drawn.to(clouds.device)], generator)

    mark = hash_of(clouds.cpu().numpy().tobytes(), repr((plan, settings)).encode())
    about = {"points": plan.points, "code": plan.code, "widths": plan.widths}
    return Subject(lambda: PointNetwork(plan), loss, mark, about, "a model of masks")
