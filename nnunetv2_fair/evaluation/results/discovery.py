"""What the search for divergent subgroups found, as frozen values."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from nnunetv2_fair.subgroups.groups import joined


@dataclass(frozen=True)
class Confirmation:
    """A subgroup in the held-out half of the patients, in which it was not searched for.

    Attributes:
        n_cases: Cases with a value.
        n_patients: Patients they come from.
        mean: Mean of the metric over its units; NaN if there are none.
        divergence: ``mean`` minus the mean over all units of the held-out half.
        z: Mean rank minus that of all, in standard errors; NaN if there are too few patients.
        p_value: By permutation, one-sided in the direction that was found; NaN as ``z``.
        corrected_p: By Holm's method, over the subgroups that were tested in this half.
    """

    n_cases: int
    n_patients: int
    mean: float
    divergence: float
    z: float
    p_value: float
    corrected_p: float


@dataclass(frozen=True)
class Subgroup:
    """All units that share the given groups of one or more attributes.

    Where a half of the patients was held out, all numbers but those of ``confirmation`` are of the
    other half.

    Attributes:
        items: Attribute -> group, in the table's order: ``{"sex": "female", "age": "<50"}``.
        n_cases: Cases in the subgroup that have a value.
        n_patients: Patients they come from.
        support: Share of all units (patients by default) that are in it, in 0..1.
        mean: Mean of the metric over its units.
        divergence: ``mean`` minus the mean over all units, in the unit of the metric.
        shrunken_divergence: What is left of ``divergence`` without the luck that makes the
            strongest of many look stronger: between 0 and ``divergence``; NaN as ``z``.
        z: Mean rank of its units minus that of all, in standard errors; its sign decides whether
            the subgroup is better or worse. NaN if everybody is in it.
        p_value: Two-sided, by permutation, uncorrected; NaN as ``z``.
        corrected_p: By permutation of all subgroups at once (maxT).
        contributions: Attribute -> Shapley contribution of its group to ``divergence``; they
            add up to it.
        confirmation: The same subgroup in the held-out half; None if none was held out.
    """

    items: Mapping[str, str]
    n_cases: int
    n_patients: int
    support: float
    mean: float
    divergence: float
    shrunken_divergence: float
    z: float
    p_value: float
    corrected_p: float
    contributions: Mapping[str, float]
    confirmation: Confirmation | None = None

    @property
    def name(self) -> str:
        """As people read it: ``sex=female, age=<50``."""
        return joined(f"{attribute}={group}" for attribute, group in self.items.items())

    @property
    def deciding_p(self) -> float:
        """The corrected p-value that decides: that of the held-out half where there is one."""
        return self.corrected_p if self.confirmation is None else self.confirmation.corrected_p


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
        left_out: Columns that were not searched, as they organise the data.
        min_support: Smallest share of the units that was searched: the one asked for, or what
            the smallest number of patients makes of it.
        permutations: How often patients were permuted.
        n_units: Units (patients by default) that were searched.
        n_held_out: Units of the patients who were held out for confirmation; 0: nobody.
        n_searched: Subgroups that are large enough.
        n_tests: Those of them that have a test: the family of the correction.
        n_redundant: Subgroups that were passed over because others account for them.
        overall: Mean of the metric over all units that were searched.
        held_out_overall: Mean over the held-out units; NaN if there are none.
        subgroups: First those that are shown to diverge, worse ones before better ones, then
            others; each by the size of z. Those that others account for are left out.
        heatmaps: One per pair of attributes, over all patients.
    """

    metric: str
    label: str
    attributes: tuple[str, ...]
    left_out: tuple[str, ...]
    min_support: float
    permutations: int
    n_units: int
    n_held_out: int
    n_searched: int
    n_tests: int
    n_redundant: int
    overall: float
    held_out_overall: float
    subgroups: tuple[Subgroup, ...] = ()
    heatmaps: tuple[PairHeatmap, ...] = field(default=())
