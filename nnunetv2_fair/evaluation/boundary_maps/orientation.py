"""In which direction of the patient, or of the image, the axes of a label map run.

Maps of different patients are put on each other without registration: by position in the
reference, seen in the same direction. Directions are those of the patient that the axes are nearest
to, so files that are stored in different orders agree.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import permutations

import numpy as np

from nnunetv2_fair.evaluation.masks.geometry import ArrayGeometry

#: Directions of DICOM's patient coordinates (x, y, z): where lower and higher values lie.
_ENDS = {"x": ("right", "left"), "y": ("front", "back"), "z": ("feet", "head")}
#: Slices -> direction that is shown upwards, and to the right, as radiologists look at them; a
#: minus sign turns it.
_SHOWN = {"z": ("-y", "x"), "y": ("z", "x"), "x": ("z", "y")}
#: Slices this many times as thick as voxels are wide say which way an image was acquired.
_THICK = 1.5


@dataclass(frozen=True)
class View:
    """How positions of an array become slice, upwards and rightwards.

    Attributes:
        slices: Direction of the slices: ``x``, ``y`` or ``z``; empty for pictures.
    """

    slices: str = ""

    @property
    def ends(self) -> tuple[str, ...]:
        """Where the first and the last slice lie; empty for pictures."""
        return _ENDS[self.slices] if self.slices else ()

    @property
    def clock(self) -> tuple[str, str]:
        """Where 12 and 3 o'clock lie."""
        if not self.slices:
            return "top", "right"
        up, right = (_end(direction) for direction in _SHOWN[self.slices])
        return up, right

    def axis(self, geometry: ArrayGeometry) -> int | None:
        """Return the axis of the array along which the slices lie; None for pictures."""
        return _axes(geometry)[self.slices][0] if self.slices else None

    def coordinates(self, positions: np.ndarray, geometry: ArrayGeometry) -> np.ndarray:
        """Return where voxels lie, seen from this direction.

        Args:
            positions: (n, dimensions) positions in the array, of two or three dimensions.
            geometry: Its grid.

        Returns:
            (n, 3): slice, upwards, rightwards, in the unit of the spacing; the slice of pictures
            is 0.
        """
        if geometry.dimensions == 2:
            rows, columns = geometry.spacing
            up, right = -positions[:, 0] * rows, positions[:, 1] * columns
            return np.stack([np.zeros(len(positions)), up, right], axis=1)
        axes = _axes(geometry)
        directions = (self.slices, *_SHOWN[self.slices])
        places = [_along(name, axes, positions, geometry) for name in directions]
        return np.stack(places, axis=1)


def common_view(geometries: Iterable[ArrayGeometry]) -> View:
    """Return how to look at all cases: along the slices of most of them.

    Args:
        geometries: Grids of all cases; all of two or all of three dimensions.
    """
    votes = Counter(_slices(geometry) for geometry in geometries)
    if not votes:
        return View()
    return View(min(votes, key=lambda name: (-votes[name], name)))


def _slices(geometry: ArrayGeometry) -> str:
    """Return the direction of a volume's slices; that of the body if they are thin."""
    if geometry.dimensions != 3:
        return ""
    axes = _axes(geometry)
    order = sorted(axes, key=lambda name: geometry.spacing[axes[name][0]])
    thickest, next_one = order[-1], order[-2]
    ratio = geometry.spacing[axes[thickest][0]] / geometry.spacing[axes[next_one][0]]
    return thickest if ratio >= _THICK else "z"


def _axes(geometry: ArrayGeometry) -> dict[str, tuple[int, int]]:
    """Return direction -> axis of the array nearest to it, and 1 or -1 where it runs against it."""
    if geometry.placement is None or len(geometry.placement[1]) != 9:
        return {"z": (0, 1), "y": (1, 1), "x": (2, 1)}
    # columns of the matrix are the axes x, y, z of the file, which are 2, 1, 0 of the array
    direction = np.asarray(geometry.placement[1]).reshape(3, 3)
    best = max(permutations(range(3)), key=lambda p: sum(abs(direction[i, p[i]]) for i in range(3)))
    return {
        name: (2 - best[row], 1 if direction[row, best[row]] >= 0 else -1)
        for row, name in enumerate("xyz")
    }


def _along(
    name: str, axes: dict[str, tuple[int, int]], positions: np.ndarray, geometry: ArrayGeometry
) -> np.ndarray:
    axis, sign = axes[name.lstrip("-")]
    turned = -sign if name.startswith("-") else sign
    along: np.ndarray = positions[:, axis] * (geometry.spacing[axis] * turned)
    return along


def _end(name: str) -> str:
    low, high = _ENDS[name.lstrip("-")]
    return low if name.startswith("-") else high
