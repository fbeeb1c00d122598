"""Overlap of two masks: Dice and intersection over union."""

import math
from dataclasses import dataclass

import numpy as np

from nnunetv2_fair.errors import EvaluationError


@dataclass(frozen=True)
class OverlapCounts:
    """Voxels in which two masks agree and differ.

    Attributes:
        both: In reference and prediction (true positives).
        prediction_only: In the prediction alone (false positives).
        reference_only: In the reference alone (false negatives).
    """

    both: int
    prediction_only: int
    reference_only: int

    @property
    def reference(self) -> int:
        """Voxels of the reference."""
        return self.both + self.reference_only

    @property
    def prediction(self) -> int:
        """Voxels of the prediction."""
        return self.both + self.prediction_only


def count_overlap(reference: np.ndarray, prediction: np.ndarray) -> OverlapCounts:
    """Count in which voxels two masks agree and differ.

    Args:
        reference: Boolean mask of any shape.
        prediction: Boolean mask of the same shape.

    Raises:
        EvaluationError: If the shapes differ or a mask is not boolean.
    """
    check_masks(reference, prediction)
    both = int(np.count_nonzero(reference & prediction))
    return OverlapCounts(
        both,
        int(np.count_nonzero(prediction)) - both,
        int(np.count_nonzero(reference)) - both,
    )


def dice(counts: OverlapCounts) -> float:
    """Return the Dice coefficient 2 |R and P| / (|R| + |P|), in 0..1; NaN if both masks are empty.

    Source: Dice, Measures of the amount of ecologic association between species, 1945.
    """
    total = counts.reference + counts.prediction
    return 2 * counts.both / total if total else math.nan


def iou(counts: OverlapCounts) -> float:
    """Return the intersection over union of two masks, in 0..1; NaN if both are empty.

    Source: Jaccard, The distribution of the flora in the alpine zone, 1912.
    """
    union = counts.both + counts.prediction_only + counts.reference_only
    return counts.both / union if union else math.nan


def check_masks(reference: np.ndarray, prediction: np.ndarray) -> None:
    """Raise an EvaluationError unless both are boolean arrays of one shape."""
    if reference.shape != prediction.shape:
        raise EvaluationError(
            f"The masks differ in shape: reference {reference.shape}, prediction "
            f"{prediction.shape}. Pass two masks of the same grid."
        )
    for name, mask in (("reference", reference), ("prediction", prediction)):
        if mask.dtype != np.bool_:
            raise EvaluationError(
                f"The {name} is an array of {mask.dtype}, expected a boolean mask. Pass one "
                "label at a time, for example labels == 1."
            )


def volume_error(counts: OverlapCounts) -> float:
    """Return ||P| - |R|| / |R|, from 0; NaN if the reference is empty."""
    if not counts.reference:
        return math.nan
    return abs(counts.prediction - counts.reference) / counts.reference


def detection(counts: OverlapCounts) -> float:
    """Return 1 if the masks share a voxel, 0 if they do not, NaN if both are empty."""
    if not counts.reference and not counts.prediction:
        return math.nan
    return float(counts.both > 0)
