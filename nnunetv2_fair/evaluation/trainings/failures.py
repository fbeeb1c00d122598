"""How often a method fails: the segmentations of all its trainings count, as images of a case do.

A mean over trainings hides a failure of one of them, so failures are counted in each.
"""

import dataclasses
from collections.abc import Sequence

import numpy as np
import pandas as pd

from nnunetv2_fair.evaluation.estimation.trainings import no_p_reason, training_error, widened
from nnunetv2_fair.evaluation.failures.rates import compare_failures, with_corrected_tests
from nnunetv2_fair.evaluation.results.evaluation import EvaluationResult
from nnunetv2_fair.evaluation.results.failures import FailureComparison, FailureCriterion
from nnunetv2_fair.evaluation.results.tables.per_case import EmptyDistance
from nnunetv2_fair.evaluation.results.trainings import TrainingKind
from nnunetv2_fair.evaluation.statistics.all_comparisons import GroupVocabulary
from nnunetv2_fair.evaluation.statistics.group_comparison import StatisticsSettings
from nnunetv2_fair.evaluation.statistics.over_trainings import (
    away_from_mean,
    clipped,
    p_between_groups,
)


def failures_of_method(
    method: EvaluationResult,
    vocabularies: Sequence[GroupVocabulary],
    kind: TrainingKind,
    settings: StatisticsSettings,
) -> tuple[FailureComparison, ...]:
    """Return the failure rates of a method, with the variation between its trainings.

    Args:
        method: The method, with its trainings.
        vocabularies: Groups of each attribute expression.
        kind: How the trainings differ.
        settings: How to aggregate.
    """
    each = method.trainings
    criteria = [
        FailureCriterion(*known)
        for known in dict.fromkeys((f.metric, f.threshold, f.label) for f in each[0].failures)
    ]
    if not criteria:
        return ()
    policy: EmptyDistance = method.settings.get("empty_distance", "diagonal")
    tables = [training.per_case for training in each]
    if settings.unit == "case":
        # segmentations of one case by several trainings are no cases of their own
        tables = [table.assign(patient=table["case"]) for table in tables]
        settings = dataclasses.replace(settings, unit="patient")

    def compared(table: pd.DataFrame) -> tuple[FailureComparison, ...]:
        return compare_failures(
            table, method.metrics, method.labels, vocabularies, policy, settings, criteria
        )

    by_training = [compared(table) for table in tables]
    together = compared(pd.concat(tables, ignore_index=True))
    return with_corrected_tests(
        _over_trainings(whole, made, kind, settings.confidence)
        for whole, *made in zip(together, *by_training, strict=True)
    )


def _over_trainings(
    whole: FailureComparison,
    each: Sequence[FailureComparison],
    kind: TrainingKind,
    confidence: float,
) -> FailureComparison:
    groups = {}
    for name, group in whole.groups.items():
        error = training_error(away_from_mean([c.groups[name].rate for c in each]), kind)
        interval = widened(group.rate, group.interval, error, confidence)
        groups[name] = dataclasses.replace(group, interval=clipped(interval, 0.0, 1.0))
    differences, by_training = [], []
    for found in whole.differences:
        first, second = found.between
        values = [c.groups[second].rate - c.groups[first].rate for c in each]
        by_training.append(values)
        error = training_error(away_from_mean(values), kind)
        interval = widened(found.value, found.interval, error, confidence)
        differences.append(dataclasses.replace(found, interval=clipped(interval, -1.0, 1.0)))
    test = whole.test
    if test is not None and differences:
        names = [*differences[0].between[:1], *(found.between[1] for found in differences)]
        p_value = p_between_groups(
            test.p_value,
            [found.value for found in differences],
            list(zip(*by_training, strict=True)),
            [whole.groups[name].n_patients for name in names],
            kind,
        )
        test = dataclasses.replace(
            test,
            name=f"{test.name} over {len(each)} trainings",
            p_value=p_value,
            reason=no_p_reason(np.array(by_training).T),
        )
    return dataclasses.replace(whole, groups=groups, differences=tuple(differences), test=test)
