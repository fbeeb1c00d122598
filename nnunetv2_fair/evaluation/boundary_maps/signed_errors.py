"""How far the outline of a prediction is from every point of the reference's, and on which side."""

from collections.abc import Sequence

import numpy as np
from scipy.ndimage import binary_dilation, binary_fill_holes, generate_binary_structure

from nnunetv2_fair.evaluation.metrics.nearest_points import nearest_distances
from nnunetv2_fair.evaluation.metrics.surface_distances import Surfaces


def signed_errors(
    reference: np.ndarray, prediction: np.ndarray, spacing: Sequence[float]
) -> tuple[np.ndarray, np.ndarray] | None:
    """Return the outline of the reference, and how far the prediction's is from each of its points.

    The outline of a mask is its voxels with a face neighbour outside it, as for all surface
    distances here. The error of a point is its distance to the nearest point of the prediction's
    outline: positive if it lies inside the prediction, which then reaches beyond the reference,
    negative if it lies outside.

    Args:
        reference: Boolean mask of two or three dimensions.
        prediction: Boolean mask of the same shape.
        spacing: Distance of voxel centres along each axis.

    Returns:
        (n, dimensions) points of the reference's outline, (n,) errors in the unit of the spacing;
        None if either mask is empty.
    """
    outline = Surfaces(reference).of((1,))
    other = Surfaces(prediction).of((1,))
    if not len(outline) or not len(other):
        return None
    distances = nearest_distances(outline, other, spacing)
    inside = prediction[tuple(outline.T)]
    return outline, np.where(inside, distances, -distances)


def is_inner(mask: np.ndarray, outline: np.ndarray, slices: int | None) -> np.ndarray:
    """Return which points of an outline lie around a hole, such as the cavity in the heart muscle.

    Outer and inner outline are kept apart: where a ring is moved to one side, one of them reaches
    beyond the reference and the other stays inside, and their mean would be 0.

    Args:
        mask: Boolean mask.
        outline: (n, dimensions) points of its outline.
        slices: Axis of the slices, in each of which holes are looked for; None for pictures.
    """
    step = generate_binary_structure(mask.ndim, 1)
    if slices is not None:
        across = [slice(None)] * mask.ndim
        for side in (0, 2):
            across[slices] = slice(side, side + 1)
            step[tuple(across)] = False
    box = tuple(slice(low, high + 1) for low, high in zip(*_ends(outline), strict=True))
    part = mask[box]
    holes = binary_fill_holes(part, step) & ~part
    near: np.ndarray = binary_dilation(holes, step)[tuple((outline - outline.min(axis=0)).T)]
    return near


def _ends(outline: np.ndarray) -> tuple[list[int], list[int]]:
    return outline.min(axis=0).tolist(), outline.max(axis=0).tolist()
