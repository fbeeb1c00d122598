"""Covariates of difficulty of many cases, measured in several processes."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from nnunetv2_fair.errors import EvaluationError, shorten_lines
from nnunetv2_fair.evaluation.difficulty.covariates import Covariates, contrast, noise, size_of
from nnunetv2_fair.evaluation.downstream.images import read_intensities
from nnunetv2_fair.evaluation.masks.label_maps import LabelMap, read_label_map
from nnunetv2_fair.evaluation.metrics.overlap import count_overlap, dice
from nnunetv2_fair.files.nifti import quiet_itk
from nnunetv2_fair.files.pool import map_unordered


@dataclass(frozen=True)
class DifficultyOrder:
    """A case to measure.

    Attributes:
        case: Its name.
        image: Its first channel.
        reference: Its reference.
        labels: Values of each label or region.
        prediction: Mask of a model that has not seen the case; None: none.
        looks: Whether contrast and noise are needed, for which the image is read.
    """

    case: str
    image: Path
    reference: Path
    labels: tuple[tuple[int, ...], ...]
    prediction: Path | None = None
    looks: bool = True


def measure(orders: Sequence[DifficultyOrder], processes: int) -> dict[str, Covariates]:
    """Measure all cases.

    Args:
        orders: What to measure.
        processes: How many processes do it.

    Returns:
        Covariates by case, in the order of the orders.

    Raises:
        EvaluationError: If files cannot be read or do not fit together; all of them at once.
    """
    done = dict(map_unordered(measure_case, orders, processes, "measuring"))
    found: dict[str, Covariates] = {}
    problems = []
    for order in orders:
        result = done[order]
        if isinstance(result, str):
            problems.append(result)
        else:
            found[order.case] = result
    if problems:
        raise EvaluationError(f"Difficulty cannot be measured:\n{shorten_lines(problems, 30)}")
    return found


def measure_case(order: DifficultyOrder) -> Covariates | str:
    """Return the covariates of a case, or what is wrong with it in words."""
    with quiet_itk():
        try:
            return _measure(order)
        except (EvaluationError, OSError) as error:
            return f"case '{order.case}': {error}"


def _measure(order: DifficultyOrder) -> Covariates:
    reference = read_label_map(order.reference)
    labels, spacing = reference.labels, reference.geometry.spacing
    organ = np.isin(labels, [value for values in order.labels for value in values])
    image = read_intensities(order.image, labels.shape).values if order.looks else None
    difficulty = math.nan
    if order.prediction is not None:
        difficulty = 1 - _mean_dice(reference, read_label_map(order.prediction), order)
    return Covariates(
        size_of(organ, spacing),
        math.nan if image is None else contrast(image, organ, spacing),
        math.nan if image is None else noise(image),
        difficulty,
    )


def _mean_dice(reference: LabelMap, prediction: LabelMap, order: DifficultyOrder) -> float:
    one, other = reference.labels, prediction.labels
    if one.shape != other.shape:
        raise EvaluationError(
            f"{order.prediction} has the size {' x '.join(map(str, other.shape))}, the reference "
            f"{' x '.join(map(str, one.shape))}. Predict the case again."
        )
    scores = []
    for values in order.labels:
        score = dice(count_overlap(np.isin(one, values), np.isin(other, values)))
        if not math.isnan(score):
            scores.append(score)
    # nothing to find, and nothing found
    return math.fsum(scores) / len(scores) if scores else 1.0
