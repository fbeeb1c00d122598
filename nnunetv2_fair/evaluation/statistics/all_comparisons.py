"""From ``per_case.csv``'s rows to comparisons between groups."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd
from tqdm import tqdm

from nnunetv2_fair.evaluation.results.evaluation import (
    AVERAGE,
    MISSING_PREDICTION,
    Comparison,
    MetricInfo,
)
from nnunetv2_fair.evaluation.statistics.effects import correct_tests
from nnunetv2_fair.evaluation.statistics.group_comparison import (
    Observations,
    StatisticsSettings,
    compare_groups,
)

EmptyDistance = Literal["diagonal", "inf", "nan"]


@dataclass(frozen=True)
class GroupVocabulary:
    """The groups of one attribute expression.

    Attributes:
        expression: Attribute expression; the column of ``per_case`` that holds the groups.
        names: All groups, in the order to show.
        reference: Group that fairness gaps are measured from; None takes the largest.
    """

    expression: str
    names: tuple[str, ...]
    reference: str | None


def evaluated_rows(per_case: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of cases that have a prediction."""
    missing = per_case["flags"].str.split(";").map(lambda flags: MISSING_PREDICTION in flags)
    return per_case[~missing.astype(bool)]


def metric_values(
    rows: pd.DataFrame,
    metric: MetricInfo,
    label: str,
    labels: Sequence[str],
    empty_distance: EmptyDistance,
) -> tuple[np.ndarray, np.ndarray]:
    """Return the values of one metric and label as statistics use them.

    Args:
        rows: Rows of ``per_case`` with a prediction; every label has the cases in one order.
        metric: The metric.
        label: Label, region or ``average``.
        labels: All labels and regions.
        empty_distance: What an infinite distance (one mask empty) counts as: the image diagonal,
            infinity, or nothing.

    Returns:
        One value per case (NaN: undefined), and whether a distance of the case was replaced. The
        average is taken over the labels that are defined, after replacing.
    """
    if label == AVERAGE:
        parts = [
            metric_values(rows, metric, name, labels, empty_distance)
            for name in labels
            if name != AVERAGE
        ]
        values = np.stack([part[0] for part in parts])
        defined = ~np.isnan(values)
        counts = defined.sum(axis=0)
        with np.errstate(invalid="ignore"):
            mean = np.where(defined, values, 0.0).sum(axis=0) / counts
        return mean, np.asarray(np.stack([part[1] for part in parts]).any(axis=0))
    chosen = rows[rows["label"] == label]
    raw = chosen[metric.column].to_numpy(dtype=float)
    infinite = np.isinf(raw)
    if empty_distance == "inf" or not metric.unit:
        return raw, np.zeros(len(raw), dtype=bool)
    if empty_distance == "nan":
        return np.where(infinite, np.nan, raw), np.zeros(len(raw), dtype=bool)
    diagonal = chosen[f"diagonal_{metric.unit}"].to_numpy(dtype=float)
    return np.where(infinite, diagonal, raw), infinite


def compare_all(
    per_case: pd.DataFrame,
    metrics: Sequence[MetricInfo],
    labels: Sequence[str],
    vocabularies: Sequence[GroupVocabulary],
    empty_distance: EmptyDistance,
    settings: StatisticsSettings,
) -> tuple[Comparison, ...]:
    """Compare the groups of every attribute by every metric of every label.

    Args:
        per_case: Rows as in ``EvaluationResult.per_case``.
        metrics: Metrics in the order to show.
        labels: Labels in the order to show, ``average`` last if more than one.
        vocabularies: Groups of each attribute expression.
        empty_distance: See :func:`metric_values`.
        settings: How to aggregate.
    """
    rows = evaluated_rows(per_case)
    first = rows[rows["label"] == labels[-1]]
    patients = first["patient"].to_numpy(dtype=object)
    made = []
    with tqdm(
        total=len(vocabularies) * len(labels) * len(metrics), desc="Comparing groups", unit="test"
    ) as progress:
        for vocabulary in vocabularies:
            position = {name: index for index, name in enumerate(vocabulary.names)}
            groups = first[vocabulary.expression].map(position).to_numpy(dtype=float)
            known = ~np.isnan(groups)
            for label in labels:
                for metric in metrics:
                    values, replaced = metric_values(rows, metric, label, labels, empty_distance)
                    made.append(
                        compare_groups(
                            Observations(
                                values[known],
                                replaced[known],
                                patients[known],
                                groups[known].astype(int),
                                vocabulary.names,
                            ),
                            attribute=vocabulary.expression,
                            metric=metric.name,
                            label=label,
                            reference=vocabulary.reference,
                            error_measures=metric.one_minus_is_error,
                            settings=settings,
                        )
                    )
                    progress.update()
    return correct_tests(made)
