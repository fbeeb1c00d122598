"""Boxes of whole voxels, and windows of one size around them."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nnunetv2_fair.files.volumes import ImageGeometry


@dataclass(frozen=True)
class Box:
    """Part of an array.

    Attributes:
        start: First index along each axis ([slices,] rows, columns).
        end: One more than the last index along each axis.
    """

    start: tuple[int, ...]
    end: tuple[int, ...]

    @property
    def slices(self) -> tuple[slice, ...]:
        """Index that cuts the box out of an array."""
        return tuple(slice(a, b) for a, b in zip(self.start, self.end, strict=True))

    @property
    def lengths(self) -> tuple[int, ...]:
        """Voxels along each axis."""
        return tuple(b - a for a, b in zip(self.start, self.end, strict=True))

    def fits(self, shape: Sequence[int]) -> bool:
        """Return whether an array of that shape holds the whole box."""
        return all(b <= n for b, n in zip(self.end, shape, strict=True))

    def outside(self, mask: NDArray[Any]) -> int:
        """Return how many voxels that are not 0 are outside."""
        return int(np.count_nonzero(mask)) - int(np.count_nonzero(mask[self.slices]))


def box_of(mask: NDArray[Any]) -> Box | None:
    """Return the smallest box that holds all voxels that are not 0; None if all are.

    Args:
        mask: Any number of axes.
    """
    start: list[int] = []
    end: list[int] = []
    found = mask != 0
    # the last axis first: a view that is smaller for every axis after it
    for axis in reversed(range(mask.ndim)):
        others = tuple(other for other in range(mask.ndim) if other != axis)
        positions = np.flatnonzero(found.any(axis=others))
        if not positions.size:
            return None
        start.insert(0, int(positions[0]))
        end.insert(0, int(positions[-1]) + 1)
        found = found[(slice(None),) * axis + (slice(start[0], end[0]),)]
    return Box(tuple(start), tuple(end))


@dataclass(frozen=True)
class Window:
    """Where a crop lies in its image.

    Attributes:
        start: Index of the crop's first voxel along each axis ([slices,] rows, columns); negative
            where the crop begins before the image, which is padded there.
        size: Voxels of the crop along each axis.
        shape: Voxels of the image along each axis.
    """

    start: tuple[int, ...]
    size: tuple[int, ...]
    shape: tuple[int, ...]

    @property
    def in_image(self) -> Box:
        """The part of the image that the crop shows."""
        ends = zip(self.start, self.size, self.shape, strict=True)
        return Box(tuple(max(0, a) for a in self.start), tuple(min(a + s, n) for a, s, n in ends))

    @property
    def in_crop(self) -> Box:
        """The part of the crop that shows the image; the rest is padding."""
        inside = self.in_image
        begins = tuple(a - b for a, b in zip(inside.start, self.start, strict=True))
        return Box(begins, tuple(a + n for a, n in zip(begins, inside.lengths, strict=True)))

    def holds(self, box: Box) -> bool:
        """Return whether the whole box is in the crop."""
        ends = tuple(a + s for a, s in zip(self.start, self.size, strict=True))
        return all(a <= b for a, b in zip(self.start, box.start, strict=True)) and all(
            b <= a for a, b in zip(ends, box.end, strict=True)
        )

    def cut(self, array: NDArray[Any], padding: Any = 0) -> NDArray[Any]:
        """Return the crop of an image.

        Args:
            array: Of the image's shape; a picture in colour has one more axis, behind the others.
            padding: Value of voxels outside the image.
        """
        inside = array[self.in_image.slices]
        if inside.shape[: len(self.size)] == self.size:
            return np.ascontiguousarray(inside)
        crop = np.full((*self.size, *array.shape[len(self.size) :]), padding, array.dtype)
        crop[self.in_crop.slices] = inside
        return crop

    def pasted(self, crop: NDArray[Any]) -> NDArray[Any]:
        """Return a label map of the crop on the grid of the image, with background around it.

        Args:
            crop: Labels of the crop.
        """
        whole = np.zeros(self.shape, crop.dtype)
        whole[self.in_image.slices] = crop[self.in_crop.slices]
        return whole

    def moved(self, geometry: ImageGeometry) -> ImageGeometry:
        """Return the geometry of the crop: every voxel stays where it is in space.

        Args:
            geometry: Of the image; its axes are in the reverse order (x, y[, z]).
        """
        n = len(self.start)
        axes = np.reshape(geometry.direction, (n, n)) * geometry.spacing_mm
        origin = np.asarray(geometry.origin_mm) + axes @ np.asarray(self.start[::-1], float)
        return replace(geometry, origin_mm=tuple(float(value) for value in origin))


def window_around(
    box: Box, size: Sequence[int | None], shape: Sequence[int], shift: Sequence[int] = ()
) -> Window:
    """Return the window of a given size around a box.

    It is centred on the box, and shifted into the image where it would leave it; only where the
    image is smaller than the window, it is centred on the image and padded.

    Args:
        box: What is to be in the window.
        size: Voxels along each axis; None takes the image whole.
        shape: Voxels of the image along each axis.
        shift: Voxels by which the window is moved along each axis, as far as the box stays in it.

    Source: Lee et al., MELBA 2025, section 4.7 (all crops of a dataset have one size).
    """
    start, lengths = [], []
    for axis, (low, high, length) in enumerate(zip(box.start, box.end, shape, strict=True)):
        wanted = size[axis]
        if wanted is None or wanted > length:
            begin = 0 if wanted is None else (length - wanted) // 2
        else:
            begin = (low + high - wanted) // 2
            if shift and high - low <= wanted:
                begin = min(max(begin + shift[axis], high - wanted), low)
            begin = max(0, min(begin, length - wanted))
        start.append(begin)
        lengths.append(length if wanted is None else wanted)
    return Window(tuple(start), tuple(lengths), tuple(shape))
