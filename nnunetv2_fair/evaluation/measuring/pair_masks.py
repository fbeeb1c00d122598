"""Both masks of one case, for measures that look at whole regions."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from nnunetv2_fair.errors import EvaluationError
from nnunetv2_fair.evaluation.masks.geometry import ArrayGeometry
from nnunetv2_fair.evaluation.masks.label_maps import read_label_map
from nnunetv2_fair.evaluation.metrics.regions import region_mask


@dataclass(frozen=True)
class PairMasks:
    """The label maps of a reference and a prediction of it.

    Attributes:
        reference: Labels, 2D or 3D.
        prediction: Labels, of the same shape if the grids were checked.
        geometry: Of the reference.
    """

    reference: np.ndarray = field(repr=False)
    prediction: np.ndarray = field(repr=False)
    geometry: ArrayGeometry

    def of(self, values: Sequence[int]) -> tuple[np.ndarray, np.ndarray]:
        """Return a region in the reference and in the prediction, as masks."""
        return region_mask(self.reference, values), region_mask(self.prediction, values)


def read_pair(reference: Path, prediction: Path, ignore: int | None) -> PairMasks:
    """Read both masks of a case.

    Args:
        reference: Reference mask.
        prediction: Mask that is compared with it.
        ignore: Value of reference voxels that become background in both; None if there is none.

    Raises:
        EvaluationError: If one cannot be read; it names both.
    """
    try:
        first, second = read_label_map(reference), read_label_map(prediction)
    except (EvaluationError, OSError, MemoryError) as error:
        raise EvaluationError(f"{reference} or {prediction}: {error}") from error
    masks = [first.labels, second.labels]
    if ignore is not None:
        ignored = first.labels == ignore
        masks = [np.where(ignored, 0, labels) for labels in masks]
    return PairMasks(masks[0], masks[1], first.geometry)
