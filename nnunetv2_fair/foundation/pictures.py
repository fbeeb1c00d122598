"""Images as a model sees them, boxes in its pixels, and its masks on the original grid.

Source: the preprocessing of ``segment-anything``, MedSAM and LiteMedSAM. Theirs resize with
Pillow, scikit-image and OpenCV; here torch does (with antialiasing), so that values differ a
little at edges.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 - torch's own habit
from numpy.typing import NDArray

from nnunetv2_fair.cropping.box import Box
from nnunetv2_fair.cropping.images import is_picture, read_channel
from nnunetv2_fair.foundation.families import IMAGENET, Family, Sizes

#: Hounsfield units that become black and white (MedSAM: level 40, width 400).
_SOFT_TISSUE = (-160.0, 240.0)
#: Percentiles of the values that are not 0 that become black and white (MedSAM).
_PERCENTILES = (0.5, 99.5)


def read_slices(path: Path, *, is_ct: bool) -> NDArray[np.float32]:
    """Return the slices of an image in colour, 0 (black) to 255.

    Pictures of 8 bits are taken as they are. Of CT, soft tissue fills the range. Of all other
    images, the 0.5th to the 99.5th percentile of the values that are not 0 do, over all slices.

    Args:
        path: A picture, grey or RGB, or a volume.
        is_ct: Whether values are Hounsfield units.

    Returns:
        ``(slices, rows, columns, channels)``; of grey images there is one channel.

    Raises:
        ConversionError: If the file is unreadable or damaged.
    """
    voxels = read_channel(path)
    if is_picture(path):
        voxels = voxels[None]
        voxels = voxels if voxels.ndim == 4 else voxels[..., None]
    else:
        voxels = (voxels if voxels.ndim == 3 else voxels[None])[..., None]
    if voxels.dtype == np.uint8:
        return voxels.astype(np.float32)
    values = voxels.astype(np.float32)
    low, high = _SOFT_TISSUE if is_ct else _percentiles(values)
    scaled = (values.clip(low, high) - low) * (255 / max(high - low, 1e-6))
    return scaled.astype(np.float32)


def _percentiles(values: NDArray[np.float32]) -> tuple[float, float]:
    shown = values[values != 0]
    if not shown.size:
        return 0.0, 1.0
    low, high = np.percentile(shown, _PERCENTILES)
    return float(low), float(high)


@dataclass(frozen=True)
class Fit:
    """How a slice fits into the square that a model sees.

    Attributes:
        shape: Rows and columns of the slice.
        family: Of the model.
        sizes: Of the model.
    """

    shape: tuple[int, int]
    family: Family
    sizes: Sizes

    @property
    def resized(self) -> tuple[int, int]:
        """Rows and columns of the slice in the square; the rest of it is padding."""
        side = self.sizes.image
        if self.family.stretched:
            return side, side
        longest = max(self.shape)
        rows, columns = (max(1, int(n * side / longest + 0.5)) for n in self.shape)
        return rows, columns

    def prepared(self, picture: NDArray[np.float32]) -> torch.Tensor:
        """Return a slice as the model sees it.

        Args:
            picture: ``(rows, columns, 1 or 3)``, 0 to 255.

        Returns:
            ``(3, S, S)`` float32.
        """
        pixels = torch.from_numpy(np.ascontiguousarray(picture)).permute(2, 0, 1)[None]
        pixels = F.interpolate(
            pixels, self.resized, mode=self.family.interpolation, antialias=True
        ).clamp(0, 255)[0].expand(3, -1, -1)  # fmt: skip
        if self.family.imagenet:
            mean, deviation = (torch.tensor(values)[:, None, None] for values in IMAGENET)
            pixels = (pixels - mean) / deviation
        else:
            darkest = pixels.min()
            pixels = (pixels - darkest) / (pixels.max() - darkest).clamp_min(1e-8)
        rows, columns = self.resized
        return F.pad(pixels, (0, self.sizes.image - columns, 0, self.sizes.image - rows))

    def boxes(self, boxes: Sequence[Box]) -> torch.Tensor:
        """Return boxes in pixels of the square.

        Args:
            boxes: In pixels of the slice.

        Returns:
            ``(len(boxes), 4)`` float32: first column and row, last column and row.
        """
        (rows, columns), (height, width) = self.resized, self.shape
        corners = [
            (b.start[1] * columns / width, b.start[0] * rows / height,
             b.end[1] * columns / width, b.end[0] * rows / height)
            for b in boxes
        ]  # fmt: skip
        return torch.tensor(corners, dtype=torch.float32)

    def on_slice(self, logits: torch.Tensor) -> torch.Tensor:
        """Return the model's masks on the grid of the slice.

        Args:
            logits: ``(N, m, m)``.

        Returns:
            ``(N, rows, columns)``.
        """
        side = self.sizes.image
        whole = F.interpolate(logits[None], (side, side), mode="bilinear", align_corners=False)
        rows, columns = self.resized
        inside = whole[..., :rows, :columns]
        return F.interpolate(inside, self.shape, mode="bilinear", align_corners=False)[0]

    def as_masks(self, masks: NDArray[Any]) -> NDArray[np.uint8]:
        """Return masks of the slice on the grid of the model's masks.

        Args:
            masks: ``(N, rows, columns)`` of 0 and 1.

        Returns:
            ``(N, m, m)`` of 0 and 1; padding is 0.
        """
        share = self.sizes.mask / self.sizes.image
        rows, columns = (max(1, round(n * share)) for n in self.resized)
        values = torch.from_numpy(masks.astype(np.float32))[None]
        small = F.interpolate(values, (rows, columns), mode="bilinear", antialias=True)[0]
        padded = F.pad(small, (0, self.sizes.mask - columns, 0, self.sizes.mask - rows))
        found: NDArray[np.uint8] = (padded > 0.5).numpy().astype(np.uint8)
        return found
