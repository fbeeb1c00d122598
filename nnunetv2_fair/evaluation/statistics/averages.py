"""Whether the average over labels can be compared, and whom it leaves out.

The average is taken over the cases in which every label has a value, so that a group's average is
the mean over labels of its means per label on the same cases, and no gap appears that no label has.
Where that leaves a group with too few patients, there is no average, and labels speak for
themselves.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from nnunetv2_fair.errors import shorten
from nnunetv2_fair.evaluation.results.tables.per_case import (
    AVERAGE,
    EmptyDistance,
    evaluated_rows,
    metric_values,
)
from nnunetv2_fair.evaluation.results.values import MetricInfo
from nnunetv2_fair.evaluation.statistics.all_comparisons import GroupVocabulary


def labels_to_compare(
    per_case: pd.DataFrame,
    metric: MetricInfo,
    labels: Sequence[str],
    vocabularies: Sequence[GroupVocabulary],
    empty_distance: EmptyDistance,
    min_patients: int,
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the labels, with the average where it can be compared, and what readers must know.

    Args:
        per_case: Rows as in ``EvaluationResult.per_case``.
        metric: The first metric, which represents the result.
        labels: Labels and regions, without the average.
        vocabularies: Groups of each attribute expression.
        empty_distance: See :func:`metric_values`.
        min_patients: Groups with fewer patients are not compared.

    Returns:
        Labels in the order to show, and notes. There is no average where there is one label, where
        no case has a value of every label, and where a group that is large enough by some label
        would not be by the average.
    """
    if len(labels) < 2:
        return tuple(labels), ()
    rows = evaluated_rows(per_case)
    values = np.stack(
        [metric_values(rows, metric, label, labels, empty_distance)[0] for label in labels]
    )
    defined = ~np.isnan(values)
    complete = defined.all(axis=0)
    cases = rows[rows["label"] == labels[0]]
    if not complete.any():
        why = f"no case has a {metric.title} of every label"
        return tuple(labels), (_no_average(why, labels),)
    too_few, left_out = [], []
    for vocabulary in vocabularies:
        for name in vocabulary.chosen or vocabulary.names:
            inside = (cases[vocabulary.expression] == name).to_numpy(dtype=bool)
            if not inside.any():
                continue
            kept = cases["patient"][inside & complete].nunique()
            most = max(cases["patient"][inside & one].nunique() for one in defined)
            where = f"'{name}' ({vocabulary.expression})"
            if kept < min_patients <= most:
                too_few.append(f"{where}: {kept} of {most}")
            if missing := int((inside & defined.any(axis=0) & ~complete).sum()):
                left_out.append(f"{where}: {missing} of {int(inside.sum())}")
    if too_few:
        why = (
            f"too few patients of some groups have a {metric.title} of every label (at least "
            f"{min_patients} are needed; {shorten(too_few, 3)})"
        )
        return tuple(labels), (_no_average(why, labels),)
    notes: tuple[str, ...] = ()
    if left_out:
        notes = (
            f"The average over labels is that of the cases in which every label has a "
            f"{metric.title}; cases left out of it: {shorten(left_out, 6)}.",
        )
    return (*labels, AVERAGE), notes


def _no_average(why: str, labels: Sequence[str]) -> str:
    return (
        f"There is no average over labels, as {why}. An average over other cases for each label "
        f"would show gaps that no label has. Read the labels one by one; where one stands for the "
        f"result, it is the first, '{labels[0]}'."
    )
