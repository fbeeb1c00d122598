"""What the search for divergent subgroups found, as frozen values."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from nnunetv2_fair.subgroups.groups import joined

Correction = Literal["holm", "fdr"]


@dataclass(frozen=True)
class Subgroup:
    """All units that share the given groups of one or more attributes.

    Attributes:
        items: Attribute -> group, in the table's order: ``{"sex": "female", "age": "<50"}``.
        n_cases: Cases in the subgroup that have a value.
        n_patients: Patients they come from.
        support: Share of all units (patients by default) that are in it, in 0..1.
        mean: Mean of the metric over its units.
        divergence: ``mean`` minus the mean over all units, in the unit of the metric.
        t: Welch's t of the subgroup against all other units; NaN if one side is a single unit.
        p_value: Two-sided, uncorrected; NaN as ``t``.
        corrected_p: Corrected over every subgroup that was searched and has a test.
        contributions: Attribute -> Shapley contribution of its group to ``divergence``; they
            add up to it.
    """

    items: Mapping[str, str]
    n_cases: int
    n_patients: int
    support: float
    mean: float
    divergence: float
    t: float
    p_value: float
    corrected_p: float
    contributions: Mapping[str, float]

    @property
    def name(self) -> str:
        """As people read it: ``sex=female, age=<50``."""
        return joined(f"{attribute}={group}" for attribute, group in self.items.items())


@dataclass(frozen=True)
class PairHeatmap:
    """The metric over every combination of the groups of two attributes.

    Attributes:
        rows: Attribute of the rows.
        columns: Attribute of the columns.
        row_groups: Groups of ``rows``, in the table's order.
        column_groups: Groups of ``columns``.
        mean: (row, column) mean over the units; NaN where there are too few patients.
        n_cases: (row, column) cases.
        n_patients: (row, column) patients they come from.
    """

    rows: str
    columns: str
    row_groups: tuple[str, ...]
    column_groups: tuple[str, ...]
    mean: tuple[tuple[float, ...], ...]
    n_cases: tuple[tuple[int, ...], ...]
    n_patients: tuple[tuple[int, ...], ...]


@dataclass(frozen=True)
class Discovery:
    """Subgroups whose scores diverge from the average of all.

    Attributes:
        metric: Name of the metric.
        label: Label or region, or ``average``.
        attributes: Attributes that were searched, numeric ones in their bins.
        min_support: Smallest share of the units that was searched: the one asked for, or what
            the smallest number of patients makes of it.
        correction: ``holm`` (no false finding at all) or ``fdr`` (few of the findings are false).
        n_units: Units (patients by default) that were searched.
        n_searched: Subgroups that are large enough.
        n_tests: Those of them that have a test: the family of the correction.
        n_redundant: Subgroups that were left out because a part of them says the same.
        overall: Mean of the metric over all units.
        subgroups: Most divergent ones that are not redundant: first those whose corrected p-value
            is below 1 - confidence, then others; each by absolute divergence.
        heatmaps: One per pair of attributes.
    """

    metric: str
    label: str
    attributes: tuple[str, ...]
    min_support: float
    correction: Correction
    n_units: int
    n_searched: int
    n_tests: int
    n_redundant: int
    overall: float
    subgroups: tuple[Subgroup, ...] = ()
    heatmaps: tuple[PairHeatmap, ...] = field(default=())
