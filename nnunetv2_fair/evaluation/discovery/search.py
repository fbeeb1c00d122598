"""Finds subgroups, in any combination of attributes, whose scores diverge from the average.

Source: Pastor, de Alfaro and Baralis, "Looking for trouble: analyzing classifier behavior via
pattern divergence", SIGMOD 2021 (divergence, Welch's t, Shapley contributions, redundancy).
"""

import dataclasses
import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from nnunetv2_fair.errors import EvaluationError
from nnunetv2_fair.evaluation.discovery.lattice import Lattice
from nnunetv2_fair.evaluation.discovery.welch import welch_tests
from nnunetv2_fair.evaluation.results.discovery import (
    Correction,
    Discovery,
    PairHeatmap,
    Subgroup,
)
from nnunetv2_fair.evaluation.results.evaluation import EvaluationResult
from nnunetv2_fair.evaluation.results.tables.per_case import (
    EmptyDistance,
    evaluated_rows,
    metric_values,
    representative,
)
from nnunetv2_fair.evaluation.results.values import MetricInfo
from nnunetv2_fair.evaluation.statistics.corrections import CORRECTIONS
from nnunetv2_fair.evaluation.statistics.group_comparison import StatisticsSettings, Unit
from nnunetv2_fair.subgroups.divergence import (
    CaseLabels,
    Divergences,
    attributes_with_groups,
    find_divergences,
    label_cases,
)
from nnunetv2_fair.subgroups.table import DemographicsTable

#: Subgroups to show.
TOP = 20
#: An item that moves the mean by less than this share of the standard deviation is redundant.
REDUNDANT = 0.1

_DEFINITIONS: Mapping[str, str] = {
    "divergence": "Mean of the subgroup minus mean of all; 0 is average.",
    "welch_t": "Welch's t of the subgroup against everybody else, two-sided.",
    "contribution": "Shapley contribution: how much of the divergence comes from this group, "
    "averaged over the orders in which the groups may be added. The contributions add up to the "
    "divergence.",
}


@dataclass(frozen=True)
class DiscoverySettings:
    """How to search.

    Attributes:
        correction: ``holm`` or ``fdr`` (Benjamini and Hochberg).
        min_support: Smallest share of the units that a subgroup may hold. Subgroups of fewer
            patients than the statistics' smallest group are never searched.
    """

    correction: Correction = "holm"
    min_support: float = 0.01


@dataclass(frozen=True)
class _Rows:
    """What is searched: one row per unit and combination of groups.

    Attributes:
        codes: (n, attributes) position of the group, -1 where it is unknown.
        values: (n,) mean over the cases of the row.
        patients: (n,) number of the patient.
        n_cases: (n,) cases of the row.
    """

    codes: np.ndarray
    values: np.ndarray
    patients: np.ndarray
    n_cases: np.ndarray

    def members(self, codes: np.ndarray) -> np.ndarray:
        """Return which rows are in the subgroup of these codes."""
        used = codes >= 0
        return np.asarray((self.codes[:, used] == codes[used]).all(axis=1))

    def n_patients(self, chosen: np.ndarray) -> int:
        """Return how many patients the chosen rows come from."""
        return len(np.unique(self.patients[chosen]))


@dataclass(frozen=True)
class _Search:
    """Every subgroup that is large enough, with its test. S subgroups.

    Attributes:
        rows: What was searched.
        names: Attributes.
        groups: Their groups.
        found: The subgroups.
        lattice: The same, with their parts.
        t: (S,) Welch's t; NaN where there is no test.
        p_values: (S,) uncorrected.
        corrected: (S,) corrected.
        redundant: (S,) whether a part of the subgroup says the same.
    """

    rows: _Rows
    names: tuple[str, ...]
    groups: Sequence[Sequence[str]]
    found: Divergences
    lattice: Lattice
    t: np.ndarray
    p_values: np.ndarray
    corrected: np.ndarray
    redundant: np.ndarray

    @classmethod
    def of(
        cls, rows: _Rows, known: CaseLabels, min_support: float, correction: Correction
    ) -> "_Search":
        """Search.

        Args:
            rows: What to search.
            known: Attributes and their groups.
            min_support: Smallest share of the rows.
            correction: How to correct the tests for their number.
        """
        found = find_divergences(rows.codes, rows.values, min_support)
        lattice = Lattice(found, known.groups)
        t, p_values = welch_tests(found, rows.values)
        spread = rows.values.std(ddof=1) if len(rows.values) > 1 else 0.0
        return cls(
            rows,
            known.attributes,
            known.groups,
            found,
            lattice,
            t,
            p_values,
            np.array(CORRECTIONS[correction](p_values)),
            lattice.smallest_steps() <= REDUNDANT * spread,
        )

    def order(self, confidence: float) -> np.ndarray:
        """Return the subgroups to show, those shown to diverge first, each by how much they do."""
        # NaN sorts last
        unsure = ~(self.corrected < 1 - confidence)
        order = np.lexsort((self.lattice.lengths, -np.abs(self.found.divergence), unsure))
        return np.asarray(order[~self.redundant[order]])

    def top(self, confidence: float, min_patients: int) -> Iterator[Subgroup]:
        """Yield the subgroups to show, as many as there are."""
        for index in self.order(confidence):
            inside = self.rows.members(self.found.codes[index])
            n_patients = self.rows.n_patients(inside)
            if n_patients >= min_patients:
                yield self._subgroup(index, inside, n_patients)

    def _subgroup(self, index: int, inside: np.ndarray, n_patients: int) -> Subgroup:
        codes = self.found.codes[index]
        return Subgroup(
            items={
                self.names[a]: self.groups[a][code] for a, code in enumerate(codes) if code >= 0
            },
            n_cases=int(self.rows.n_cases[inside].sum()),
            n_patients=n_patients,
            support=float(self.found.n_cases[index] / len(self.rows.values)),
            mean=float(self.rows.values[inside].mean()),
            divergence=float(self.found.divergence[index]),
            t=float(self.t[index]),
            p_value=float(self.p_values[index]),
            corrected_p=float(self.corrected[index]),
            contributions={
                self.names[a]: value for a, value in self.lattice.contributions(index).items()
            },
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
        table: Demographics; attributes that can form groups are searched.
        metric: Metric to search by.
        labels: All labels; the one that represents them is searched.
        empty_distance: What an infinite distance counts as.
        statistics: Unit, smallest group and confidence.
        settings: How to search.

    Raises:
        EvaluationError: If no attribute can form groups, a value is infinite, or there are more
            combinations than can be numbered.
    """
    known = _labels(table)
    rows = _rows(per_case, known, metric, labels, empty_distance, statistics.unit)
    fewest = max(settings.min_support, statistics.min_patients / len(rows.values))
    search = _Search.of(rows, known, min(1.0, fewest), settings.correction)
    top = search.top(statistics.confidence, statistics.min_patients)
    return Discovery(
        metric=metric.name,
        label=representative(labels),
        attributes=known.attributes,
        min_support=min(1.0, fewest),
        correction=settings.correction,
        n_units=len(rows.values),
        n_searched=len(search.found),
        n_tests=int((~np.isnan(search.p_values)).sum()),
        n_redundant=int(search.redundant.sum()),
        overall=float(rows.values.mean()),
        subgroups=tuple(itertools.islice(top, TOP)),
        heatmaps=tuple(_heatmaps(rows, known.attributes, known.groups, statistics.min_patients)),
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
    statistics = StatisticsSettings(
        unit=given["unit"],
        min_patients=int(given["min_patients"]),
        confidence=float(given["confidence"]),
    )
    found = discover(
        result.per_case,
        table,
        result.metrics[0],
        result.labels,
        given["empty_distance"],
        statistics,
        settings,
    )
    return dataclasses.replace(
        result,
        discovery=found,
        definitions={**result.definitions, **_DEFINITIONS},
        settings={**given, "discover": dataclasses.asdict(settings)},
    )


def _labels(table: DemographicsTable) -> CaseLabels:
    """Return the groups of all attributes that can form some."""
    attributes = attributes_with_groups(table)
    if not attributes:
        raise EvaluationError(
            f"{table.source} has no attribute with groups, so there is nothing to discover. Add "
            "columns, or bin numeric ones with --bins."
        )
    return label_cases(table, attributes)


def _rows(
    per_case: pd.DataFrame,
    known: CaseLabels,
    metric: MetricInfo,
    labels: Sequence[str],
    empty_distance: EmptyDistance,
    unit: Unit,
) -> _Rows:
    """Return what is searched: the metric's values of the label, and their groups."""
    rows, label = evaluated_rows(per_case), representative(labels)
    values, _ = metric_values(rows, metric, label, labels, empty_distance)
    if np.isinf(values).any():
        raise EvaluationError(
            f"{int(np.isinf(values).sum())} cases have an infinite {metric.title}, so no "
            "mean can be computed. Discover with --empty-distance diagonal or nan, or by another "
            "metric (the first of --metrics is searched)."
        )
    chosen = rows[rows["label"] == label]
    codes = known.codes[known.rows(chosen["case"])]
    found = _unit_rows(codes, values, chosen["patient"].to_numpy(dtype=object), unit)
    if not len(found.values):
        raise EvaluationError(
            f"No case has a value of {metric.title} for '{label}': nothing to discover."
        )
    return found


def _unit_rows(codes: np.ndarray, values: np.ndarray, patients: np.ndarray, unit: Unit) -> _Rows:
    defined = ~np.isnan(values)
    codes, values = codes[defined], values[defined]
    _, patient = np.unique(patients[defined].astype(str), return_inverse=True)
    if unit == "case":
        return _Rows(codes, values, patient, np.ones(len(values), dtype=int))
    # a patient whose groups change between visits has a row for each combination
    keys, row = np.unique(np.column_stack([patient, codes]), axis=0, return_inverse=True)
    n_cases = np.bincount(row.ravel(), minlength=len(keys))
    sums = np.bincount(row.ravel(), weights=values, minlength=len(keys))
    with np.errstate(invalid="ignore"):
        return _Rows(keys[:, 1:], sums / n_cases, keys[:, 0], n_cases)


def _heatmaps(
    rows: _Rows, names: Sequence[str], groups: Sequence[Sequence[str]], min_patients: int
) -> Iterator[PairHeatmap]:
    """Yield the means over every combination of the groups of two attributes."""
    for first, second in itertools.combinations(range(len(names)), 2):
        mean, n_cases, n_patients = _grid(
            rows, (first, second), (len(groups[first]), len(groups[second])), min_patients
        )
        yield PairHeatmap(
            rows=names[first],
            columns=names[second],
            row_groups=tuple(groups[first]),
            column_groups=tuple(groups[second]),
            mean=tuple(tuple(map(float, row)) for row in mean),
            n_cases=tuple(tuple(map(int, row)) for row in n_cases),
            n_patients=tuple(tuple(map(int, row)) for row in n_patients),
        )


def _grid(
    rows: _Rows, pair: tuple[int, int], shape: tuple[int, int], min_patients: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return means (NaN of too few patients), cases and patients of every cell."""
    codes = rows.codes[:, list(pair)]
    known = (codes >= 0).all(axis=1)
    cell = codes[known, 0] * shape[1] + codes[known, 1]
    size = shape[0] * shape[1]
    counts = np.bincount(cell, minlength=size)
    sums = np.bincount(cell, weights=rows.values[known], minlength=size)
    cases = np.bincount(cell, weights=rows.n_cases[known], minlength=size).astype(int)
    seen = np.unique(np.column_stack([cell, rows.patients[known]]), axis=0)
    patients = np.bincount(seen[:, 0], minlength=size)
    with np.errstate(invalid="ignore"):
        means = np.where(patients >= min_patients, sums / counts, np.nan)
    return means.reshape(shape), cases.reshape(shape), patients.reshape(shape)
