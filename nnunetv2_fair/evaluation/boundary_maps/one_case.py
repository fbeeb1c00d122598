"""The boundary errors of one case, by position; what worker processes run."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from nnunetv2_fair.errors import EvaluationError
from nnunetv2_fair.evaluation.boundary_maps.cells import ROWS, cell_of, mean_by_cell
from nnunetv2_fair.evaluation.boundary_maps.orientation import View
from nnunetv2_fair.evaluation.boundary_maps.signed_errors import is_inner, signed_errors
from nnunetv2_fair.evaluation.measuring.one_case import CasePair
from nnunetv2_fair.evaluation.measuring.pair_masks import read_pair
from nnunetv2_fair.files.nifti import quiet_itk


@dataclass(frozen=True)
class BoundaryTask:
    """What to map, small enough to send to another process.

    Attributes:
        regions: Label or region -> its values.
        ignore: Value of reference voxels that are left out of both masks; None if there is none.
        view: How to look at all cases.
    """

    regions: Mapping[str, tuple[int, ...]]
    ignore: int | None
    view: View

    @property
    def rows(self) -> int:
        """Rows of every map."""
        return ROWS if self.view.slices else 1


@dataclass(frozen=True)
class CaseErrors:
    """Boundary errors of one case.

    Attributes:
        case: Case name.
        cells: Label -> (2 * rows * hours,) mean error in each cell, of the outer outline and then
            of the inner one, NaN where there is none; a label that either mask lacks is not here.
        problem: Why the case could not be read; empty if it could.
    """

    case: str
    cells: Mapping[str, np.ndarray] = field(default_factory=dict)
    problem: str = ""


@quiet_itk()
def map_case(pair: CasePair, task: BoundaryTask) -> CaseErrors:
    """Return the boundary errors of a case that has a prediction; problems are not raised."""
    if pair.prediction is None:
        return CaseErrors(pair.case)
    try:
        masks = read_pair(pair.reference, pair.prediction, task.ignore)
    except EvaluationError as error:
        return CaseErrors(pair.case, problem=str(error))
    found = {}
    for label, values in task.regions.items():
        reference, prediction = masks.of(values)
        errors = signed_errors(reference, prediction, masks.geometry.spacing)
        if errors is not None:
            places = task.view.coordinates(errors[0], masks.geometry)
            inner = is_inner(reference, errors[0], task.view.axis(masks.geometry))
            found[label] = mean_by_cell(errors[1], cell_of(places, inner, task.rows), task.rows)
    return CaseErrors(pair.case, found)
