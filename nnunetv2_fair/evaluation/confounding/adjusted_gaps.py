"""Gaps adjusted for the size of a label in the reference, and for columns of the table."""

import dataclasses
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.stats import mannwhitneyu

from nnunetv2_fair.evaluation.confounding.confounders import log_size, terms_of
from nnunetv2_fair.evaluation.confounding.overlap_weights import WeightedGap, weighted_gap
from nnunetv2_fair.evaluation.confounding.strata import strata_of, van_elteren
from nnunetv2_fair.evaluation.results.adjusted import REFERENCE_SIZE, AdjustedGap
from nnunetv2_fair.evaluation.results.groups import GroupTest
from nnunetv2_fair.evaluation.results.tables.per_case import (
    EmptyDistance,
    evaluated_rows,
    metric_values,
)
from nnunetv2_fair.evaluation.results.values import NO_INTERVAL, MetricInfo
from nnunetv2_fair.evaluation.statistics.all_comparisons import GroupVocabulary
from nnunetv2_fair.evaluation.statistics.corrections import holm
from nnunetv2_fair.evaluation.statistics.group_comparison import (
    StatisticsSettings,
    reference_index,
)
from nnunetv2_fair.evaluation.statistics.small_groups import group_sizes

_NOTHING = WeightedGap(math.nan, NO_INTERVAL, (0.0, 0.0))


@dataclass(frozen=True)
class _Cases:
    """Cases with a value and confounders, of two groups or more."""

    values: np.ndarray
    groups: np.ndarray
    patients: np.ndarray
    columns: Mapping[str, np.ndarray]

    def chosen(self, where: np.ndarray) -> "_Cases":
        columns = {name: column[where] for name, column in self.columns.items()}
        return _Cases(self.values[where], self.groups[where], self.patients[where], columns)


def adjusted_gaps(
    per_case: pd.DataFrame,
    metrics: Sequence[MetricInfo],
    labels: Sequence[str],
    vocabularies: Sequence[GroupVocabulary],
    empty_distance: EmptyDistance,
    settings: StatisticsSettings,
    confounders: Mapping[str, Mapping[str, str | float]],
) -> tuple[AdjustedGap, ...]:
    """Return the gaps of all groups from the reference, adjusted.

    Args:
        per_case: Rows as in ``EvaluationResult.per_case``.
        metrics: The metrics.
        labels: Labels in the order to show.
        vocabularies: Groups of each attribute expression.
        empty_distance: See :func:`metric_values`.
        settings: How to aggregate.
        confounders: Column of the table -> case -> its value; may be empty.

    Returns:
        For every attribute, label and metric those adjusted for the size, where sizes are known,
        and those adjusted for all columns together. Cases with an empty reference have no size,
        and those with an infinite value no mean: both are left out.
    """
    rows = evaluated_rows(per_case)
    made: list[AdjustedGap] = []
    for label in labels:
        cases = rows[rows["label"] == label]
        sets = list(_sets(cases, confounders))
        if not sets:
            continue
        patients = (
            cases["patient"].to_numpy(dtype=object)
            if settings.unit == "patient"
            else np.arange(len(cases)).astype(object)
        )
        places = [vocabulary.places(cases) for vocabulary in vocabularies]
        # with and without a value
        everybody = cases["patient"].to_numpy(dtype=object)
        sizes = [
            group_sizes(everybody, groups, len(vocabulary.names))
            for vocabulary, groups in zip(vocabularies, places, strict=True)
        ]
        for metric in metrics:
            values, _ = metric_values(rows, metric, label, labels, empty_distance)
            for vocabulary, groups, size in zip(vocabularies, places, sizes, strict=True):
                for columns in sets:
                    known = np.isfinite(values) & ~np.isnan(groups)
                    for column in columns.values():
                        known &= ~pd.isna(column)
                    found = _Cases(values, groups, patients, columns).chosen(known)
                    made += _gaps(found, vocabulary, size, metric.name, label, settings)
    return with_corrected_tests(made)


def definitions(confidence: float) -> dict[str, str]:
    """Return what adjusted gaps are, in words."""
    return {
        "adjusted_gap": "Mean of the reference group minus mean of the other, among patients whom "
        "either group could have: patients of one group are weighted by the probability that "
        "someone with the same confounders is in the other (overlap weights; a number enters with "
        f"its square). The {confidence:.0%} interval allows for the weights being estimated. The "
        "effective number of patients says how many the weights leave. The test is van Elteren's, "
        "within strata (numbers cut at their quintiles), corrected by Holm's method over the gaps "
        "in the same metric. What is not adjusted for may still differ between the groups.",
    }


def _sets(
    cases: pd.DataFrame, confounders: Mapping[str, Mapping[str, str | float]]
) -> Iterator[Mapping[str, np.ndarray]]:
    if "reference_voxels" in cases:
        size = log_size(cases["reference_voxels"].to_numpy(dtype=float, na_value=np.nan))
        if not np.isnan(size).all():
            yield {REFERENCE_SIZE: size}
    if confounders:
        yield {
            name: np.array([value_of[case] for case in cases["case"]])
            for name, value_of in confounders.items()
        }


def _gaps(
    cases: _Cases,
    vocabulary: GroupVocabulary,
    sizes: Sequence[int],
    metric: str,
    label: str,
    settings: StatisticsSettings,
) -> Iterator[AdjustedGap]:
    names = vocabulary.names
    patients = group_sizes(cases.patients, cases.groups, len(names))
    chosen = names if vocabulary.chosen is None else vocabulary.chosen
    enough = [
        index
        for index, count in enumerate(patients)
        if count >= settings.sizeable and names[index] in chosen
    ]
    reference = reference_index(names, enough, sizes, vocabulary.reference)
    for other in enough:
        if reference is None or other == reference:
            continue
        pair = _units(cases.chosen(np.isin(cases.groups, (reference, other))), other)
        yield _gap(
            pair, (names[reference], names[other]), vocabulary.expression, metric, label, settings
        )


@dataclass(frozen=True)
class _Units:
    """Units of two groups: means over their cases."""

    values: np.ndarray
    second: np.ndarray
    clusters: np.ndarray
    columns: Mapping[str, np.ndarray]


def _units(cases: _Cases, other: int) -> _Units:
    """Average the cases of each patient in each of two groups."""
    patient, _ = pd.factorize(cases.patients)
    keys = patient * 2 + (cases.groups == other)
    unit_keys, first, unit, counts = np.unique(
        keys, return_index=True, return_inverse=True, return_counts=True
    )

    def mean(values: np.ndarray) -> np.ndarray:
        return np.bincount(unit, weights=values) / counts

    return _Units(
        mean(cases.values),
        unit_keys % 2 == 1,
        unit_keys // 2,
        {
            # of what is not a number, the patient's first case stands for all
            name: mean(column) if column.dtype.kind == "f" else column[first]
            for name, column in cases.columns.items()
        },
    )


def _gap(
    units: _Units,
    between: tuple[str, str],
    attribute: str,
    metric: str,
    label: str,
    settings: StatisticsSettings,
) -> AdjustedGap:
    second, columns = units.second, list(units.columns.values())
    none = np.empty((len(second), 0))
    crude = weighted_gap(units.values, second, none, units.clusters, settings.confidence)
    found, reason = _NOTHING, ""
    if any(_apart(column, second) for column in columns):
        reason = "the groups have no values in common"
    else:
        found = weighted_gap(
            units.values, second, terms_of(units.columns), units.clusters, settings.confidence
        )
        if min(*found.effective, *_in_shared_cells(columns, second)) < settings.min_patients:
            reason = (
                f"fewer than {settings.min_patients} patients of a group are like those of the "
                "other"
            )
    if reason:
        found = _NOTHING._replace(effective=found.effective)
    p = math.nan if reason else van_elteren(units.values, second, strata_of(columns))
    size = units.columns.get(REFERENCE_SIZE)
    medians, p_of_size = (math.nan, math.nan), math.nan
    if size is not None:
        medians = (_voxels(size[~second]), _voxels(size[second]))
        p_of_size = float(mannwhitneyu(size[~second], size[second]).pvalue)
    return AdjustedGap(
        attribute=attribute,
        metric=metric,
        label=label,
        between=between,
        confounders=tuple(units.columns),
        n=(int((~second).sum()), int(second.sum())),
        crude=crude.value,
        crude_interval=crude.interval,
        value=found.value,
        interval=found.interval,
        effective=found.effective,
        test=None if math.isnan(p) else GroupTest("van Elteren test", math.nan, p),
        medians=medians,
        p_of_size=p_of_size,
        reason=reason,
    )


def _voxels(sizes: np.ndarray) -> float:
    return float(np.exp(np.median(sizes)))


def _apart(column: np.ndarray, second: np.ndarray) -> bool:
    one, two = column[~second], column[second]
    if column.dtype.kind == "f":
        return bool(max(one.min(), two.min()) > min(one.max(), two.max()))
    return not set(one) & set(two)


def _in_shared_cells(columns: Sequence[np.ndarray], second: np.ndarray) -> tuple[int, int]:
    """Return how many units of both groups share all that is not a number with the other group.

    The model of the weights has no term for combinations: without this, two columns that only
    together separate the groups would go unseen.
    """
    categories = [column for column in columns if column.dtype.kind != "f"]
    if not categories:
        return int((~second).sum()), int(second.sum())
    cell = strata_of(categories)
    first, other = (
        np.bincount(cell[inside], minlength=cell.max() + 1) for inside in (~second, second)
    )
    return int(first[other > 0].sum()), int(other[first > 0].sum())


def with_corrected_tests(made: Iterable[AdjustedGap]) -> tuple[AdjustedGap, ...]:
    """Correct the tests for their number: a family is the gaps in a metric and confounders."""
    found = list(made)
    families: dict[tuple[str, tuple[str, ...]], list[int]] = {}
    for index, gap in enumerate(found):
        if gap.test is not None:
            families.setdefault((gap.metric, gap.confounders), []).append(index)
    for family in families.values():
        tests = [test for index in family if (test := found[index].test) is not None]
        for index, test, p in zip(
            family, tests, holm([test.p_value for test in tests]), strict=True
        ):
            corrected = dataclasses.replace(test, corrected_p=p, family_size=len(family))
            found[index] = dataclasses.replace(found[index], test=corrected)
    return tuple(found)
