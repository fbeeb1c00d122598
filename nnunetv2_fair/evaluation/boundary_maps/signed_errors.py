"""How far the outline of a prediction is from every point of the reference's, and on which side."""

from collections.abc import Sequence

import numpy as np

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
