"""Where along the outline of a structure a model errs, by group, as frozen values."""

from collections.abc import Mapping
from dataclasses import dataclass

from nnunetv2_fair.evaluation.results.values import MetricInfo

#: Name of what is mapped, as a metric of findings.
BOUNDARY_ERROR = "boundary_error"

#: One row per part of the slices, one column per clock hour, NaN where there is no outline: first
#: the rows of the outer outline, then those of the inner one where structures have holes.
Grid = tuple[tuple[float, ...], ...]


@dataclass(frozen=True)
class BoundaryDifference:
    """Difference of the boundary errors of two groups.

    Attributes:
        between: Two groups; the difference is the first minus the second.
        difference: Difference of the means of each cell, in the unit of distances; NaN where fewer
            than five patients of a group have an outline.
        p_values: Permutation p-value of each cell, corrected for all cells of this difference
            (minP); NaN as ``difference``.
        p_value: The smallest of them: whether the two maps differ anywhere; NaN if nothing could
            be tested.
        corrected_p: Corrected by Holm's method over all differences of the attribute.
        family_size: Number of these.
        reason: Why there is no p-value; empty if there is one.
    """

    between: tuple[str, str]
    difference: Grid
    p_values: Grid
    p_value: float
    corrected_p: float
    family_size: int
    reason: str = ""


@dataclass(frozen=True)
class BoundaryMap:
    """Signed boundary errors of one label, averaged in the groups of one attribute.

    An error is positive where the prediction reaches beyond the reference, negative where it stays
    inside, and 0 where the outlines coincide.

    Attributes:
        attribute: Attribute expression.
        label: Label or region.
        unit: ``mm`` or ``px``.
        errors: Group -> mean over its patients of the error in each cell.
        n_patients: Group -> patients with an error in any cell.
        differences: Of each group from the reference group.
        slices: Where the first and the last row lie, such as ``("feet", "head")``; empty for
            pictures.
        has_inner: Whether the grids have the rows of an inner outline.
        clock: Where 12 and 3 o'clock lie: ``("front", "left")`` of the patient, say, or
            ``("top", "right")`` of pictures.
        n_without: Group -> cases of which either mask lacks the label, so that they have no error.
    """

    attribute: str
    label: str
    unit: str
    errors: Mapping[str, Grid]
    n_patients: Mapping[str, int]
    differences: tuple[BoundaryDifference, ...]
    slices: tuple[str, ...]
    has_inner: bool
    clock: tuple[str, str]
    n_without: Mapping[str, int]

    @property
    def rows(self) -> int:
        """Number of parts that the slices are divided into."""
        grid = next(iter(self.errors.values()))
        return len(grid) // (2 if self.has_inner else 1)

    @property
    def metric(self) -> MetricInfo:
        """How to read the errors; neither high nor low ones are good."""
        return MetricInfo(
            BOUNDARY_ERROR,
            "Boundary error",
            self.unit,
            "lower",
            "Distance of each point of the reference's outline to the nearest point of the "
            "predicted outline: positive where the prediction reaches beyond the reference, "
            "negative where it stays inside. Cases in which either mask lacks the label have none.",
        )
