"""Finds subgroups, in any combination of attributes, whose scores diverge from the average.

Source: Pastor, de Alfaro and Baralis, "Looking for trouble: analyzing classifier behavior via
pattern divergence", SIGMOD 2021 (divergence, Welch's t, Shapley contributions, redundancy).
"""

import dataclasses
import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import scipy.stats

from nnunetv2_fair.errors import EvaluationError, shorten
from nnunetv2_fair.evaluation.results.discovery import (
    Correction,
    Discovery,
    PairHeatmap,
    Subgroup,
)
from nnunetv2_fair.evaluation.results.evaluation import EvaluationResult
from nnunetv2_fair.evaluation.results.per_case import EmptyDistance, evaluated_rows, metric_values
from nnunetv2_fair.evaluation.results.values import MetricInfo
from nnunetv2_fair.evaluation.statistics.corrections import CORRECTIONS
from nnunetv2_fair.evaluation.statistics.group_comparison import StatisticsSettings
from nnunetv2_fair.subgroups.divergence import (
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
            patients than the statistics' smallest group are never looked at.
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
        labels: All labels; the last one is searched.
        empty_distance: What an infinite distance counts as.
        statistics: Unit, smallest group and confidence.
        settings: How to search.

    Raises:
        EvaluationError: If no attribute can form groups, a value is infinite, or there are more
            combinations than can be numbered.
    """
    attributes = attributes_with_groups(table)
    if not attributes:
        raise EvaluationError(
            f"{table.source} has no attribute with groups, so there is nothing to discover. Add "
            "columns, or cut numeric ones with --bins."
        )
    rows = evaluated_rows(per_case)
    values, _ = metric_values(rows, metric, labels[-1], labels, empty_distance)
    if np.isinf(values).any():
        raise EvaluationError(
            f"{int(np.isinf(values).sum())} cases have an infinite {metric.title}, of which no "
            "mean can be taken. Discover with --empty-distance diagonal or nan, or by another "
            "metric (the first of --metrics is searched)."
        )
    chosen = rows[rows["label"] == labels[-1]]
    known = label_cases(table, attributes)
    codes = known.codes[known.rows(chosen["case"])]
    searched = _unit_rows(codes, values, chosen["patient"].to_numpy(dtype=object), statistics.unit)
    if not len(searched.values):
        raise EvaluationError(
            f"No case has a value of {metric.title} for '{labels[-1]}': nothing to discover."
        )
    fewest = max(settings.min_support, statistics.min_patients / len(searched.values))
    found = find_divergences(searched.codes, searched.values, min(1.0, fewest))
    lattice = _Lattice(found, known.groups)
    t, p_values = welch_tests(found, searched.values)
    corrected = np.array(CORRECTIONS[settings.correction](p_values))
    spread = searched.values.std(ddof=1) if len(searched.values) > 1 else 0.0
    redundant = lattice.smallest_steps() <= REDUNDANT * spread
    # NaN sorts last
    unsure = ~(corrected < 1 - statistics.confidence)
    order = np.lexsort((lattice.lengths, -np.abs(found.divergence), unsure))
    names = tuple(attribute.name for attribute in attributes)
    top: list[Subgroup] = []
    for index in order[~redundant[order]]:
        inside = searched.members(found.codes[index])
        n_patients = searched.n_patients(inside)
        if n_patients >= statistics.min_patients and len(top) < TOP:
            top.append(
                Subgroup(
                    items={
                        names[a]: known.groups[a][code]
                        for a, code in enumerate(found.codes[index])
                        if code >= 0
                    },
                    n_cases=int(searched.n_cases[inside].sum()),
                    n_patients=n_patients,
                    support=float(found.n_cases[index] / len(searched.values)),
                    mean=float(searched.values[inside].mean()),
                    divergence=float(found.divergence[index]),
                    t=float(t[index]),
                    p_value=float(p_values[index]),
                    corrected_p=float(corrected[index]),
                    contributions={
                        names[a]: value for a, value in lattice.contributions(index).items()
                    },
                )
            )
        if len(top) == TOP:
            break
    return Discovery(
        metric=metric.name,
        label=labels[-1],
        attributes=names,
        min_support=min(1.0, fewest),
        correction=settings.correction,
        n_units=len(searched.values),
        n_searched=len(found),
        n_tests=int((~np.isnan(p_values)).sum()),
        n_redundant=int(redundant.sum()),
        overall=float(searched.values.mean()),
        subgroups=tuple(top),
        heatmaps=tuple(_heatmaps(searched, names, known.groups, statistics.min_patients)),
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


def _unit_rows(codes: np.ndarray, values: np.ndarray, patients: np.ndarray, unit: str) -> _Rows:
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


def welch_tests(found: Divergences, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Test each subgroup against all other units, two-sidedly.

    Args:
        found: Subgroups of ``values``.
        values: (n,) all values.

    Returns:
        Welch's t and p-value of each; NaN where a side has fewer than two units, or no value
        differs from another within the sides.

    Source: Welch, The generalization of Student's problem, 1947.
    """
    total, n = len(values), found.n_cases
    rest = total - n
    squares = ((values - values.mean()) ** 2).sum()
    with np.errstate(divide="ignore", invalid="ignore"):
        # the deviations from the overall mean add up to 0, and so do their squares to the total
        rest_divergence = -found.divergence * n / rest
        rest_squares = squares - (found.variance * (n - 1) + n * found.divergence**2)
        rest_variance = (rest_squares - rest * rest_divergence**2) / (rest - 1)
        errors = np.stack([found.variance / n, np.maximum(rest_variance, 0.0) / rest])
        summed = errors.sum(axis=0)
        t = (found.divergence - rest_divergence) / np.sqrt(summed)
        share = errors / summed
        freedom = 1 / (share[0] ** 2 / (n - 1) + share[1] ** 2 / (rest - 1))
        # what rounding leaves of equal values is no variance
        testable = (n > 1) & (rest > 1) & (summed > 1e-13 * squares)
        t = np.where(testable, t, np.nan)
        p_values = 2 * scipy.stats.t.sf(np.abs(t), np.where(testable, freedom, 1.0))
    return t, np.where(testable, p_values, np.nan)


class _Lattice:
    """Looks up the divergence of the parts of a subgroup; every part of one was found as well."""

    def __init__(self, found: Divergences, groups: Sequence[Sequence[str]]) -> None:
        sizes = [len(names) + 1 for names in groups]
        if math.prod(sizes) >= 2**62:
            raise EvaluationError(
                f"{len(sizes)} attributes have too many combinations of groups to search. Remove "
                "columns from the table, or cut numeric ones into fewer groups: "
                f"{shorten(sizes, 20)} groups each."
            )
        self._places = np.cumprod([1, *sizes[:-1]])
        self._codes = found.codes
        self._keys = (found.codes + 1) @ self._places if len(found) else np.zeros(0, dtype=int)
        order = np.argsort(self._keys)
        # all units together diverge by nothing
        self._sorted = np.concatenate([[0], self._keys[order]])
        self._divergence = np.concatenate([[0.0], found.divergence[order]])

    @property
    def lengths(self) -> np.ndarray:
        """Items of each subgroup."""
        return np.asarray((self._codes >= 0).sum(axis=1))

    def smallest_steps(self) -> np.ndarray:
        """Return how much the divergence changes without the item that changes it least."""
        own = self._of(self._keys)
        steps = np.full(len(own), np.inf)
        for attribute, place in enumerate(self._places):
            code = self._codes[:, attribute] if len(own) else np.zeros(0, dtype=int)
            part = self._of(self._keys - (code + 1) * place)
            steps = np.where(code >= 0, np.minimum(steps, np.abs(own - part)), steps)
        return steps

    def contributions(self, index: int) -> dict[int, float]:
        """Return the Shapley contribution of each attribute's item to a subgroup's divergence."""
        from divexplorer.shapley_value import compute_shapley_value

        used = [int(a) for a in np.flatnonzero(self._codes[index] >= 0)]
        digits = {a: int((self._codes[index, a] + 1) * self._places[a]) for a in used}
        scores = {
            length: {
                frozenset(part): float(self._of(np.array([sum(digits[a] for a in part)]))[0])
                for part in itertools.combinations(used, length)
            }
            for length in range(len(used) + 1)
        }
        found = compute_shapley_value(frozenset(used), scores)
        return {a: float(found[frozenset([a])]) for a in used}

    def _of(self, keys: np.ndarray) -> np.ndarray:
        return np.asarray(self._divergence[np.searchsorted(self._sorted, keys)])


def _heatmaps(
    rows: _Rows, names: Sequence[str], groups: Sequence[Sequence[str]], min_patients: int
) -> list[PairHeatmap]:
    made = []
    for first, second in itertools.combinations(range(len(names)), 2):
        shape = (len(groups[first]), len(groups[second]))
        known = (rows.codes[:, [first, second]] >= 0).all(axis=1)
        cell = rows.codes[known, first] * shape[1] + rows.codes[known, second]
        size = shape[0] * shape[1]
        counts = np.bincount(cell, minlength=size)
        sums = np.bincount(cell, weights=rows.values[known], minlength=size)
        cases = np.bincount(cell, weights=rows.n_cases[known], minlength=size).astype(int)
        pairs = np.unique(np.column_stack([cell, rows.patients[known]]), axis=0)
        patients = np.bincount(pairs[:, 0], minlength=size)
        with np.errstate(invalid="ignore"):
            means = np.where(patients >= min_patients, sums / counts, np.nan)
        made.append(
            PairHeatmap(
                rows=names[first],
                columns=names[second],
                row_groups=tuple(groups[first]),
                column_groups=tuple(groups[second]),
                mean=tuple(tuple(map(float, row)) for row in means.reshape(shape)),
                n_cases=tuple(tuple(map(int, row)) for row in cases.reshape(shape)),
                n_patients=tuple(tuple(map(int, row)) for row in patients.reshape(shape)),
            )
        )
    return made
