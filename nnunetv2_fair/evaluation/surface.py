"""Distances between the surfaces of two masks.

The surface of a mask is the set of its voxels that have a face neighbour outside it; what lies
outside the array counts as outside the mask. Distances run between voxel centres.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.spatial import cKDTree

from nnunetv2_fair.errors import EvaluationError
from nnunetv2_fair.evaluation.overlap import check_masks


@dataclass(frozen=True)
class SurfaceMetrics:
    """Surface distances of one pair of masks, in the unit of the spacing.

    Attributes:
        hd: Hausdorff distance: the farthest any surface voxel is from the other surface.
        hd95: Maximum of the two directed 95th percentiles (linear interpolation).
        nsd: Share of all surface voxels within the tolerance of the other surface, in 0..1.
        assd: Mean distance over the surface voxels of both masks.

    Both masks empty: all NaN. One of them empty: distances are infinite and ``nsd`` is 0.
    """

    hd: float
    hd95: float
    nsd: float
    assd: float


BOTH_EMPTY = SurfaceMetrics(math.nan, math.nan, math.nan, math.nan)
ONE_EMPTY = SurfaceMetrics(math.inf, math.inf, 0.0, math.inf)


def surface_metrics(
    reference: np.ndarray,
    prediction: np.ndarray,
    spacing_mm: Sequence[float],
    tolerance_mm: float = 1.0,
) -> SurfaceMetrics:
    """Compare the surfaces of two masks.

    An axis of length 1 is no dimension: a 2D image that is stored as a volume of one slice is
    compared in 2D, otherwise all its voxels would lie on the surface.

    Args:
        reference: Boolean mask, 2D or 3D.
        prediction: Boolean mask of the same shape.
        spacing_mm: Distance of neighbouring voxel centres along each axis of the arrays.
        tolerance_mm: Distance that still counts as agreement in ``nsd``.

    Raises:
        EvaluationError: If the masks or the spacing do not fit together.

    Source: Huttenlocher et al. 1993 (Hausdorff distance); Nikolov et al., arXiv:1809.04430
    (surface Dice at a tolerance, here over voxels instead of surface elements).
    """
    check_masks(reference, prediction)
    spacing = np.asarray(spacing_mm, dtype=float)
    if spacing.shape != (reference.ndim,) or not (np.isfinite(spacing) & (spacing > 0)).all():
        raise EvaluationError(
            f"The spacing {tuple(spacing_mm)} does not fit masks of shape {reference.shape}: "
            "expected one positive number per axis."
        )
    if not tolerance_mm >= 0:
        raise EvaluationError(f"The tolerance is {tolerance_mm}, expected 0 or more.")

    axes = [axis for axis, length in enumerate(reference.shape) if length > 1]
    shape = tuple(reference.shape[axis] for axis in axes) or (1,)
    spacing = spacing[axes] if axes else spacing[:1]
    reference, prediction = reference.reshape(shape), prediction.reshape(shape)

    box = bounding_box(reference | prediction)
    if box is None:
        return BOTH_EMPTY
    reference, prediction = reference[box], prediction[box]
    if not reference.any() or not prediction.any():
        return ONE_EMPTY

    edge_r, edge_p = surface(reference), surface(prediction)
    to_prediction = _distances(edge_r, edge_p, spacing)
    to_reference = _distances(edge_p, edge_r, spacing)
    both = np.concatenate([to_prediction, to_reference])
    # 3 * 0.1 mm must count as within 0.3 mm, which binary fractions would deny
    within = both <= tolerance_mm * (1 + 1e-9)
    return SurfaceMetrics(
        hd=float(both.max()),
        hd95=float(max(np.percentile(to_prediction, 95), np.percentile(to_reference, 95))),
        nsd=float(within.mean()),
        assd=float(both.mean()),
    )


def bounding_box(mask: np.ndarray) -> tuple[slice, ...] | None:
    """Return the smallest box that holds all True voxels; None if there are none."""
    slices = []
    for axis in range(mask.ndim):
        others = tuple(other for other in range(mask.ndim) if other != axis)
        occupied = np.flatnonzero(mask.any(axis=others))
        if not occupied.size:
            return None
        slices.append(slice(int(occupied[0]), int(occupied[-1]) + 1))
    return tuple(slices)


def surface(mask: np.ndarray) -> np.ndarray:
    """Return the voxels of a boolean mask that have a face neighbour outside it."""
    interior = mask.copy()
    for axis in range(mask.ndim):
        inner = np.moveaxis(interior, axis, 0)
        source = np.moveaxis(mask, axis, 0)
        inner[1:] &= source[:-1]
        inner[:-1] &= source[1:]
        inner[0] = inner[-1] = False
    return mask & ~interior


def _distances(start: np.ndarray, target: np.ndarray, spacing: np.ndarray) -> np.ndarray:
    """Return the distance of every ``start`` voxel to the nearest ``target`` voxel."""
    distances = np.zeros(int(np.count_nonzero(start)))
    apart = ~target[start]  # voxels on both surfaces are 0 apart: only the others are looked up
    if apart.any():
        tree = cKDTree(np.argwhere(target) * spacing)
        distances[apart] = tree.query(np.argwhere(start)[apart] * spacing)[0]
    return distances
