"""Where the voxels of a label map are, and how two label maps differ in that."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

#: Differences in position below this share of a voxel are rounding.
_SUBVOXEL = 0.1
_SPACING_TOLERANCE = 1e-3
_DIRECTION_TOLERANCE = 1e-3


@dataclass(frozen=True)
class ArrayGeometry:
    """Grid of a label map; axes in the order of the array, axes of length 1 left out.

    Origin and direction are as in the file, in the order of ``ImageGeometry`` (x, y, z).

    Attributes:
        shape: Voxels along each axis.
        spacing: Distance of voxel centres along each axis.
        unit: ``mm``, or ``px`` for pictures, whose spacing is 1.
        placement: Origin and direction cosines as in the file; None for pictures.
    """

    shape: tuple[int, ...]
    spacing: tuple[float, ...]
    unit: str
    placement: tuple[tuple[float, ...], tuple[float, ...]] | None

    @property
    def dimensions(self) -> int:
        """Number of axes."""
        return len(self.shape)

    @property
    def diagonal(self) -> float:
        """Length of the image diagonal, in ``unit``: no distance in the image is longer."""
        return math.sqrt(sum((n * s) ** 2 for n, s in zip(self.shape, self.spacing, strict=True)))

    def __str__(self) -> str:
        size = " x ".join(str(n) for n in self.shape)
        spacing = " x ".join(f"{s:.4g}" for s in self.spacing)
        return f"{size} {'pixels' if self.unit == 'px' else f'voxels of {spacing} mm'}"


def geometry_difference(reference: ArrayGeometry, prediction: ArrayGeometry) -> str | None:
    """Return in words how two grids differ, or None if they are the same up to rounding."""
    if reference.shape != prediction.shape:
        return f"size: the reference has {reference}, the prediction {prediction}"
    if reference.unit != prediction.unit:  # one of them says nothing about where it is
        return None
    if reference == prediction:
        return None
    if not np.allclose(reference.spacing, prediction.spacing, rtol=_SPACING_TOLERANCE, atol=0):
        return f"spacing: the reference has {reference}, the prediction {prediction}"
    first, second = reference.placement, prediction.placement
    if first is None or second is None or len(first[0]) != len(second[0]):
        return None
    if not np.allclose(first[1], second[1], rtol=0, atol=_DIRECTION_TOLERANCE):
        return (
            f"orientation: the reference has direction {_numbers(first[1])}, the prediction "
            f"{_numbers(second[1])}"
        )
    if not np.allclose(first[0], second[0], rtol=0, atol=_SUBVOXEL * min(reference.spacing)):
        return (
            f"position: the reference has its origin at {_numbers(first[0])} mm, the prediction "
            f"at {_numbers(second[0])} mm"
        )
    return None


def _numbers(values: Sequence[float]) -> str:
    return "(" + ", ".join(f"{value:.4g}" for value in values) + ")"
