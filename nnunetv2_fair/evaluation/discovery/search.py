"""Finds subgroups, in any combination of attributes, whose scores diverge from the average.

Source: Pastor, de Alfaro and Baralis, "Looking for trouble: analyzing classifier behavior via
pattern divergence", SIGMOD 2021 (divergence, Shapley contributions); the tests are those of
:mod:`nnunetv2_fair.evaluation.discovery.permutation`.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import sparse

from nnunetv2_fair.errors import EvaluationError
from nnunetv2_fair.evaluation.discovery.attributes import searched_attributes
from nnunetv2_fair.evaluation.discovery.confirmation import confirmations, held_out_patients
from nnunetv2_fair.evaluation.discovery.heatmaps import pair_heatmaps
from nnunetv2_fair.evaluation.discovery.lattice import Lattice
from nnunetv2_fair.evaluation.discovery.permutation import Evidence, subgroup_tests
from nnunetv2_fair.evaluation.discovery.rows import Rows
from nnunetv2_fair.evaluation.discovery.selection import distinct_subgroups
from nnunetv2_fair.evaluation.discovery.settings import N_CONFIRMED, DiscoverySettings
from nnunetv2_fair.evaluation.discovery.shrinkage import signal_shares
from nnunetv2_fair.evaluation.results.discovery import Discovery, Subgroup
from nnunetv2_fair.evaluation.results.evaluation import EvaluationResult
from nnunetv2_fair.evaluation.results.tables.per_case import (
    EmptyDistance,
    evaluated_rows,
    metric_values,
    representative,
)
from nnunetv2_fair.evaluation.results.values import MetricInfo
from nnunetv2_fair.evaluation.statistics.group_comparison import StatisticsSettings
from nnunetv2_fair.subgroups.divergence import (
    CaseLabels,
    Divergences,
    find_divergences,
    label_cases,
)
from nnunetv2_fair.subgroups.table import DemographicsTable

#: Subgroups to show.
TOP = 20

_DEFINITIONS: Mapping[str, str] = {
    "divergence": "Mean of the subgroup minus mean of all; 0 is average.",
    "shrunken_divergence": "What is left of the divergence without the luck that makes the "
    "strongest of many look stronger than they are (empirical Bayes over all subgroups).",
    "rank_z": "Mean rank of the subgroup minus mean rank of all, in standard errors. Ranks do not "
    "depend on how extreme single values are.",
    "subgroup_p": "How often patients who are dealt out to the groups at random give a subgroup, "
    "any of those searched, that diverges as strongly as this one.",
    "confirmation": "Half of the patients were searched. The strongest subgroups were then tested "
    "in the other half by permutation, one-sided, corrected by Holm's method.",
    "contribution": "Shapley contribution: how much of the divergence comes from this group, "
    "averaged over the orders in which the groups may be added. The contributions add up to the "
    "divergence.",
}


@dataclass(frozen=True)
class _Cases:
    """Cases with a value.

    Attributes:
        codes: (n, attributes) position of the group, -1 where it is unknown.
        values: (n,) of the metric.
        patients: (n,) number of the patient, from 0 without gaps.
    """

    codes: np.ndarray
    values: np.ndarray
    patients: np.ndarray

    def of(self, patients: np.ndarray) -> "_Cases":
        """Return the cases of some patients, who are marked."""
        chosen = patients[self.patients]
        _, renumbered = np.unique(self.patients[chosen], return_inverse=True)
        return _Cases(self.codes[chosen], self.values[chosen], renumbered.ravel())

    def rows(self, statistics: StatisticsSettings) -> Rows:
        """Return one row per unit and combination of groups."""
        return Rows.of(self.codes, self.values, self.patients, statistics.unit)


@dataclass(frozen=True)
class _Search:
    """Every subgroup that is large enough, with its test. S subgroups.

    Attributes:
        rows: What was searched.
        known: Attributes and their groups.
        min_support: Smallest share of the rows.
        found: (S) the subgroups.
        membership: (S, n) the rows in each of them.
        n_patients: (S,) patients they come from.
        lattice: The subgroups and their parts.
        evidence: Their tests.
    """

    rows: Rows
    known: CaseLabels
    min_support: float
    found: Divergences
    membership: sparse.csr_matrix
    n_patients: np.ndarray
    lattice: Lattice
    evidence: Evidence

    @classmethod
    def of(
        cls,
        rows: Rows,
        known: CaseLabels,
        statistics: StatisticsSettings,
        settings: DiscoverySettings,
        generator: np.random.Generator,
    ) -> "_Search":
        """Find and test the subgroups."""
        min_support = min(1.0, max(settings.min_support, statistics.min_patients / len(rows)))
        found = find_divergences(rows.codes, rows.values, min_support)
        # checks that combinations of groups can be numbered
        lattice = Lattice(found, known.groups)
        membership = rows.membership(found.codes)
        n_patients = rows.n_patients_in(membership)
        enough = n_patients >= statistics.min_patients
        return cls(
            rows,
            known,
            min_support,
            found.chosen(enough),
            membership[enough],
            n_patients[enough],
            lattice,
            subgroup_tests(rows, membership[enough], settings.permutations, generator),
        )

    def strongest(self, wanted: int) -> tuple[list[int], int]:
        """Return the strongest subgroups, and how many they account for were passed over."""
        lengths = (self.found.codes >= 0).sum(axis=1)
        return distinct_subgroups(self.rows, self.membership, self.evidence.z, lengths, wanted)

    def subgroups(self, chosen: Sequence[int]) -> list[Subgroup]:
        """Describe some of the subgroups."""
        shares = signal_shares(self.evidence.z)
        return [self._subgroup(index, float(shares[index])) for index in chosen]

    def _subgroup(self, index: int, share: float) -> Subgroup:
        names, groups = self.known.attributes, self.known.groups
        codes = self.found.codes[index]
        inside = self.membership[index].indices
        divergence = float(self.found.divergence[index])
        contributions = self.lattice.contributions(codes)
        return Subgroup(
            items={names[a]: groups[a][code] for a, code in enumerate(codes) if code >= 0},
            n_cases=int(self.rows.n_cases[inside].sum()),
            n_patients=int(self.n_patients[index]),
            support=len(inside) / len(self.rows),
            mean=float(self.rows.values[inside].mean()),
            divergence=divergence,
            shrunken_divergence=share * divergence,
            z=float(self.evidence.z[index]),
            p_value=float(self.evidence.p_values[index]),
            corrected_p=float(self.evidence.corrected[index]),
            contributions={names[a]: value for a, value in contributions.items()},
        )


def discover(
    per_case: pd.DataFrame,
    table: DemographicsTable,
    metric: MetricInfo,
    labels: Sequence[str],
    empty_distance: EmptyDistance,
    statistics: StatisticsSettings,
    settings: DiscoverySettings,
) -> Discovery:
    """Search all combinations of the groups of all attributes.

    Args:
        per_case: Rows as in ``EvaluationResult.per_case``.
        table: Demographics; attributes that can form groups are searched, but for columns that
            organise the data, such as ``split`` and ``fold``.
        metric: Metric to search by.
        labels: All labels; the one that represents them is searched.
        empty_distance: What an infinite distance counts as.
        statistics: Unit, smallest group, confidence and seed.
        settings: How to search.

    Raises:
        EvaluationError: If no attribute can form groups, a value is infinite, or there are more
            combinations than can be numbered.
    """
    attributes, left_out = searched_attributes(table)
    known = label_cases(table, attributes)
    label = representative(labels)
    cases = _cases(per_case, known, metric, label, labels, empty_distance)
    generator = statistics.generator("discovery", metric.name, label)
    held_out: Rows | None = None
    searched = cases
    if settings.confirm:
        other_half = held_out_patients(cases.codes, cases.patients, generator)
        if len(other_half) < 2:
            raise EvaluationError(
                "--confirm needs two halves of the patients, but a single patient has a value of "
                f"{metric.title}. Leave it out."
            )
        searched, held_out = cases.of(~other_half), cases.of(other_half).rows(statistics)
    search = _Search.of(searched.rows(statistics), known, statistics, settings, generator)
    chosen, n_redundant = search.strongest(TOP if held_out is None else N_CONFIRMED)
    subgroups = search.subgroups(chosen)
    if held_out is not None and subgroups:
        tests = confirmations(
            held_out,
            search.found.codes[chosen],
            [subgroup.z for subgroup in subgroups],
            statistics.min_patients,
            settings.permutations,
            generator,
        )
        subgroups = [
            dataclasses.replace(subgroup, confirmation=test)
            for subgroup, test in zip(subgroups, tests, strict=True)
        ]
    return Discovery(
        metric=metric.name,
        label=label,
        attributes=known.attributes,
        left_out=left_out,
        min_support=search.min_support,
        permutations=settings.permutations,
        n_units=len(search.rows),
        n_held_out=0 if held_out is None else len(held_out),
        n_searched=len(search.found),
        n_tests=int((~np.isnan(search.evidence.z)).sum()),
        n_redundant=n_redundant,
        overall=float(search.rows.values.mean()),
        held_out_overall=float("nan") if held_out is None else float(held_out.values.mean()),
        subgroups=tuple(_in_order(subgroups, metric, 1 - statistics.confidence)),
        heatmaps=tuple(
            pair_heatmaps(
                cases.rows(statistics), known.attributes, known.groups, statistics.min_patients
            )
        ),
    )


def with_discovery(
    result: EvaluationResult, table: DemographicsTable, settings: DiscoverySettings
) -> EvaluationResult:
    """Return the result with the subgroups whose first metric diverges.

    Args:
        result: The evaluation.
        table: Demographics of its cases.
        settings: How to search.

    Raises:
        EvaluationError: As :func:`discover`.
    """
    given = result.settings
    statistics = StatisticsSettings.of_result(given)
    found = discover(
        result.per_case,
        table,
        result.metrics[0],
        result.labels,
        given["empty_distance"],
        statistics,
        settings,
    )
    notes = result.notes
    if found.left_out:
        notes += (
            f"The search for subgroups left out {', '.join(found.left_out)}: by their names, these "
            "columns organise the data. Rename a column to have it searched.",
        )
    return dataclasses.replace(
        result,
        discovery=found,
        notes=notes,
        definitions={**result.definitions, **_DEFINITIONS},
        settings={**given, "discover": dataclasses.asdict(settings)},
    )


def _cases(
    per_case: pd.DataFrame,
    known: CaseLabels,
    metric: MetricInfo,
    label: str,
    labels: Sequence[str],
    empty_distance: EmptyDistance,
) -> _Cases:
    """Return the cases that have a value of the metric, and their groups."""
    rows = evaluated_rows(per_case)
    values, _ = metric_values(rows, metric, label, labels, empty_distance)
    if np.isinf(values).any():
        raise EvaluationError(
            f"{int(np.isinf(values).sum())} cases have an infinite {metric.title}, so no "
            "mean can be computed. Discover with --empty-distance diagonal or nan, or by another "
            "metric (the first of --metrics is searched)."
        )
    defined = ~np.isnan(values)
    if not defined.any():
        raise EvaluationError(
            f"No case has a value of {metric.title} for '{label}': nothing to discover."
        )
    chosen = rows[rows["label"] == label]
    codes = known.codes[known.rows(chosen["case"])]
    _, patients = np.unique(chosen["patient"][defined].astype(str), return_inverse=True)
    return _Cases(codes[defined], values[defined], patients.ravel())


def _in_order(subgroups: Sequence[Subgroup], metric: MetricInfo, level: float) -> list[Subgroup]:
    """Sort: shown to diverge, worse before better, then the others; each by the size of z."""
    worse = -1 if metric.better == "higher" else 1

    def place(subgroup: Subgroup) -> tuple[int, float]:
        if not subgroup.deciding_p < level:
            return 2, -abs(subgroup.z)
        return int(np.sign(subgroup.z) != worse), -abs(subgroup.z)

    return sorted(subgroups, key=place)
