"""How one automated mask differs from the expert's: too small, too large, or shifted."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import NoReturn

import numpy as np

from nnunetv2_fair.errors import EvaluationError, shorten_lines
from nnunetv2_fair.evaluation.boundary_maps.signed_errors import signed_errors
from nnunetv2_fair.evaluation.measuring.one_case import CasePair
from nnunetv2_fair.evaluation.measuring.pair_masks import read_pair
from nnunetv2_fair.files.nifti import quiet_itk
from nnunetv2_fair.files.pool import map_unordered

#: What is measured, in the order to show: name -> whether its values have a sign, so that 0 means
#: no error.
MEASURES: Mapping[str, bool] = {"volume": True, "boundary": True, "shift": False}

#: Name of a measure -> what it is.
DEFINITIONS: Mapping[str, str] = {
    "volume": "Logarithm of the volume of the automated mask over that of the expert's (areas in "
    "pictures), shown as the percentage by which it is larger. Undefined where a mask is empty.",
    "boundary": "Mean distance of the automated outline from the expert's, positive where it lies "
    "outside the expert's mask, negative where it lies inside; over the points of both outlines, "
    "which count alike. Errors of both signs cancel: a mask that is merely shifted has 0.",
    "shift": "Distance between the centres of both masks, 0 or more.",
}


@dataclass(frozen=True)
class ErrorTask:
    """What to measure, small enough to send to another process.

    Attributes:
        regions: Label or region -> its values.
        ignore: Value of the expert's voxels that are left out of both masks; None if there is none.
    """

    regions: Mapping[str, tuple[int, ...]]
    ignore: int | None


@dataclass(frozen=True)
class MaskErrors:
    """Errors of one case.

    Attributes:
        case: Case name.
        values: Label -> measure -> value; a label that either mask lacks is not here.
        problem: Why the case could not be read; empty if it could.
    """

    case: str
    values: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    problem: str = ""


def mask_errors(
    expert: np.ndarray, automated: np.ndarray, spacing: Sequence[float]
) -> dict[str, float]:
    """Return how an automated mask differs from an expert's.

    Args:
        expert: Boolean mask of two or three dimensions.
        automated: Boolean mask of the same shape.
        spacing: Distance of voxel centres along each axis.

    Returns:
        Name of each of :data:`MEASURES` -> value; distances in the unit of the spacing. Empty if
        either mask is.
    """
    of_expert = signed_errors(expert, automated, spacing)
    of_automated = signed_errors(automated, expert, spacing)
    if of_expert is None or of_automated is None:
        return {}
    centres = [np.argwhere(mask).mean(axis=0) for mask in (expert, automated)]
    return {
        "volume": math.log(int(automated.sum()) / int(expert.sum())),
        # seen from one outline alone, a shift would look like a mask that is too small
        "boundary": float((of_expert[1].mean() - of_automated[1].mean()) / 2),
        "shift": float(np.linalg.norm((centres[1] - centres[0]) * np.asarray(spacing))),
    }


def errors_of_all(
    pairs: Iterable[CasePair], task: ErrorTask, processes: int
) -> dict[str, Mapping[str, Mapping[str, float]]]:
    """Return case -> label -> measure -> value.

    Args:
        pairs: Expert and automated masks.
        task: What to measure.
        processes: Number of worker processes; 1 measures in this process.

    Raises:
        EvaluationError: If a mask cannot be read; all cases at once.
    """
    chosen = [pair for pair in pairs if pair.prediction is not None]
    done = map_unordered(
        partial(errors_of_case, task=task), chosen, processes, "Comparing the masks", lost=_lost
    )
    found = [errors for _, errors in done]
    problems = sorted(errors.problem for errors in found if errors.problem)
    if problems:
        raise EvaluationError(f"No results were written:\n{shorten_lines(problems)}")
    return {errors.case: errors.values for errors in found}


@quiet_itk()
def errors_of_case(pair: CasePair, task: ErrorTask) -> MaskErrors:
    """Return the errors of a case that has an automated mask; problems are not raised."""
    if pair.prediction is None:
        return MaskErrors(pair.case)
    try:
        masks = read_pair(pair.reference, pair.prediction, task.ignore)
    except EvaluationError as error:
        return MaskErrors(pair.case, problem=str(error))
    found = {}
    for label, values in task.regions.items():
        errors = mask_errors(*masks.of(values), masks.geometry.spacing)
        if errors:
            found[label] = errors
    return MaskErrors(pair.case, found)


def _lost(pair: CasePair, ending: str) -> NoReturn:
    raise EvaluationError(f"case '{pair.case}': the process that compared its masks {ending}.")
