"""Synthetic cases that resemble one training patient too closely, which must not be given away."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from nnunetv2_fair.errors import DatasetError
from nnunetv2_fair.synthesis.quality.distances import squared_distances

#: Side in pixels to which images are averaged, so that noise hides no copy.
SIDE = 16
#: Share of real patients whose nearest other patient is nearer than the limit.
SHARE = 0.01
#: Why cases are dropped.
TOO_NEAR = "nearer to one patient than patients are"


@dataclass(frozen=True)
class Nearest:
    """How near synthetic cases are to training patients.

    Attributes:
        limit: Root mean square distance below which real patients hardly ever are to each other,
            in units of the image values, averaged to ``SIDE`` pixels.
        distances: ``(n,)`` distance of each synthetic case to the nearest training case.
        real: ``(m,)`` distance of each training case to the nearest case of another patient.
    """

    limit: float
    distances: np.ndarray = field(repr=False)
    real: np.ndarray = field(repr=False)

    @property
    def too_near(self) -> np.ndarray:
        """``(n,)`` of bool: the cases to drop."""
        return self.distances < self.limit


def nearest_training_cases(
    synthetic: np.ndarray, training: np.ndarray, patients: Sequence[str]
) -> Nearest:
    """Compare synthetic images with training images.

    Args:
        synthetic: ``(n, channels, y, x)``.
        training: ``(m, channels, y, x)`` of the same size.
        patients: Patient of each training image; m names.

    Raises:
        DatasetError: If the images are of fewer than two patients, or all patients look the same.
    """
    names = np.asarray(patients)
    if len(set(patients)) < 2:
        raise DatasetError(
            "The training cases are of one patient: nothing says how near patients are to each "
            "other, so copies cannot be told from new cases. Train on at least two patients."
        )
    a, b = (averaged(images).reshape(len(images), -1) for images in (synthetic, training))
    within = squared_distances(b, b)
    within[names[:, None] == names[None]] = np.inf
    real = np.sqrt(within.min(axis=1) / b.shape[1])
    limit = float(np.quantile(real, SHARE))
    if limit == 0:
        raise DatasetError(
            "Training images of different patients are the same, so that copies cannot be told "
            "from new cases. Look for images that are in the dataset twice, and for patients "
            "under two names."
        )
    found = np.sqrt(squared_distances(a, b).min(axis=1) / b.shape[1])
    return Nearest(limit, found, real)


def averaged(images: np.ndarray) -> np.ndarray:
    """Return images averaged to ``SIDE`` pixels; those that are as small stay as they are.

    Args:
        images: ``(n, channels, y, x)``.

    Returns:
        ``(n, channels, SIDE, SIDE)`` of float.
    """
    shape = images.shape[2:]
    rows, columns = (np.linspace(0, size, min(SIDE, size) + 1).astype(int) for size in shape)
    sums = np.add.reduceat(images.astype(np.float64), rows[:-1], axis=2)
    sums = np.add.reduceat(sums, columns[:-1], axis=3)
    return np.asarray(sums / (np.diff(rows)[:, None] * np.diff(columns)[None]))
