"""Labels made worse on purpose, by a dose in millimetres (pixels where a picture has none).

All functions keep what label maps are: one label per voxel, no new values, and no background
between labels that touch. They move the border of the foreground as a whole; borders between
labels stay where they are, except with :func:`smoothed`.

Distances are those between centres of voxels. What lies beyond the image is neither background
nor foreground: a mask that reaches the image's edge is not eroded from there.
"""

from collections.abc import Callable, Sequence
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

How = Literal["erode", "dilate", "shift", "smooth", "drop"]
HOWS: tuple[How, ...] = get_args(How)

#: Distances are sums of squares of spacings: this much of a millimetre is rounding.
_ROUNDING = 1e-9


def eroded(labels: NDArray[Any], depth: float, spacing: Sequence[float]) -> NDArray[Any]:
    """Return labels without the voxels that are at most ``depth`` from the background.

    Args:
        labels: ([slices,] rows, columns) integers; 0 is background.
        depth: In the unit of ``spacing``, 0 or more.
        spacing: Of the array's axes.
    """
    foreground = labels > 0
    if foreground.all():
        return labels.copy()  # there is no background to be near to
    distance = ndimage.distance_transform_edt(foreground, sampling=spacing)
    return np.where(distance > depth + _ROUNDING, labels, 0).astype(labels.dtype)


def dilated(labels: NDArray[Any], depth: float, spacing: Sequence[float]) -> NDArray[Any]:
    """Return labels with background at most ``depth`` away given the label nearest to it.

    Args:
        labels: As for :func:`eroded`.
        depth: As for :func:`eroded`.
        spacing: As for :func:`eroded`.
    """
    if not labels.any():
        return labels.copy()
    distance, nearest = ndimage.distance_transform_edt(
        labels == 0, sampling=spacing, return_indices=True
    )
    grown = labels[tuple(nearest)]
    return np.where(distance <= depth + _ROUNDING, grown, labels).astype(labels.dtype)


def shifted(
    labels: NDArray[Any], length: float, spacing: Sequence[float], direction: Sequence[float]
) -> NDArray[Any]:
    """Return labels moved by whole voxels, as near as they come to a vector.

    Args:
        labels: As for :func:`eroded`. What leaves the image is lost.
        length: Of the vector, in the unit of ``spacing``.
        spacing: As for :func:`eroded`.
        direction: Of the vector along the array's axes; of any length above 0.
    """
    vector = np.asarray(direction, float) * (length / float(np.linalg.norm(direction)))
    steps = [round(float(v) / s) for v, s in zip(vector, spacing, strict=True)]
    result = np.zeros_like(labels)
    into, out = [], []
    for step, size in zip(steps, labels.shape, strict=True):
        kept = max(size - abs(step), 0)
        start = min(abs(step), size)
        moved = (slice(start, start + kept), slice(0, kept))
        into.append(moved[step < 0])
        out.append(moved[step >= 0])
    result[tuple(into)] = labels[tuple(out)]
    return result


def smoothed(labels: NDArray[Any], width: float, spacing: Sequence[float]) -> NDArray[Any]:
    """Return for every voxel the label with the largest share around it, by a Gaussian window.

    Corners are rounded, thin parts and small gaps vanish.

    Args:
        labels: As for :func:`eroded`.
        width: Standard deviation of the window, in the unit of ``spacing``; 0 changes nothing.
        spacing: As for :func:`eroded`.
    """
    if width <= 0:
        return labels.copy()
    sigma = [width / s for s in spacing]
    result = np.zeros_like(labels)
    # a label wins ties against the background, and a lower one against a higher
    largest = ndimage.gaussian_filter((labels == 0).astype(float), sigma, mode="nearest")
    for value in sorted(np.unique(labels[labels > 0]).tolist(), reverse=True):
        share = ndimage.gaussian_filter((labels == value).astype(float), sigma, mode="nearest")
        wins = share >= largest - 1e-12
        result[wins] = value
        largest = np.maximum(largest, share)
    return result


def dropped(labels: NDArray[Any], share: float, rng: np.random.Generator) -> NDArray[Any]:
    """Return labels without some of the pieces of the foreground, each lost by chance.

    Args:
        labels: As for :func:`eroded`. Voxels that touch at a corner are of one piece.
        share: Probability of each piece, 0 to 1.
        rng: Source of randomness. A larger share loses the same pieces and more, for the same
            state of it.
    """
    touching = np.ones((3,) * labels.ndim)
    pieces, count = ndimage.label(labels > 0, structure=touching)
    lost = np.flatnonzero(rng.uniform(size=count) < share) + 1
    return np.where(np.isin(pieces, lost), 0, labels).astype(labels.dtype)


def degraded(
    labels: NDArray[Any],
    how: How,
    amount: float,
    spacing: Sequence[float],
    rng: np.random.Generator,
    direction: Sequence[float] | None = None,
) -> NDArray[Any]:
    """Return labels made worse in one of the ways :data:`HOWS`.

    Args:
        labels: As for :func:`eroded`.
        how: What happens to them.
        amount: Share of the pieces with ``drop``; otherwise in the unit of ``spacing``.
        spacing: As for :func:`eroded`.
        rng: Source of randomness of ``drop``, and of the direction of ``shift`` if none is given:
            every direction is equally likely.
        direction: Of ``shift``, along the array's axes.
    """
    if how == "drop":
        return dropped(labels, amount, rng)
    if how == "shift":
        chosen = list(rng.normal(size=labels.ndim)) if direction is None else direction
        return shifted(labels, amount, spacing, chosen)
    moves: dict[str, Callable[..., NDArray[Any]]] = {
        "erode": eroded,
        "dilate": dilated,
        "smooth": smoothed,
    }
    return moves[how](labels, amount, spacing)
