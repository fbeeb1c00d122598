"""From ``per_case.csv``'s rows to comparisons between groups."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from tqdm import tqdm

from nnunetv2_fair.evaluation.results.groups import Comparison
from nnunetv2_fair.evaluation.results.tables.per_case import (
    EmptyDistance,
    evaluated_rows,
    metric_values,
)
from nnunetv2_fair.evaluation.results.values import MetricInfo
from nnunetv2_fair.evaluation.statistics.effects import correct_tests
from nnunetv2_fair.evaluation.statistics.group_comparison import (
    Observations,
    StatisticsSettings,
    compare_groups,
)


@dataclass(frozen=True)
class GroupVocabulary:
    """The groups of one attribute expression.

    Attributes:
        expression: Attribute expression; the column of ``per_case`` that holds the groups.
        names: All groups, in the order to show.
        reference: Group that fairness gaps are measured from; None takes the largest.
        chosen: Groups to compare; all if None. The others are shown.
    """

    expression: str
    names: tuple[str, ...]
    reference: str | None
    chosen: tuple[str, ...] | None = None

    def places(self, rows: pd.DataFrame) -> np.ndarray:
        """Return the position of each row's group among the names; NaN if it has none."""
        position = {name: index for index, name in enumerate(self.names)}
        return rows[self.expression].map(position).to_numpy(dtype=float)


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
    # numbers in the order of the names: comparing names again and again takes long
    patients, _ = pd.factorize(first["patient"].astype(str).to_numpy(dtype=object), sort=True)
    observed = {
        (label, metric.name): metric_values(rows, metric, label, labels, empty_distance)
        for label in labels
        for metric in metrics
    }
    made = []
    with tqdm(
        total=len(vocabularies) * len(labels) * len(metrics), desc="Comparing groups", unit="test"
    ) as progress:
        for vocabulary in vocabularies:
            groups = vocabulary.places(first)
            known = ~np.isnan(groups)
            for label in labels:
                for metric in metrics:
                    values, replaced = observed[label, metric.name]
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
                            chosen=vocabulary.chosen,
                            error_measures=metric.one_minus_is_error,
                            settings=settings,
                            scale=metric.scale,
                            n_tests=len(vocabularies) * len(labels),
                        )
                    )
                    progress.update()
    return correct_tests(made)
