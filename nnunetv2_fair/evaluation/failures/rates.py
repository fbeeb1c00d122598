"""How often segmentation fails in each group, and whether groups differ.

Medians do not see failures until half of a group fails. Cases without a prediction are left out, as
in all statistics: whether a model failed or was never run cannot be told, and the page says how
many there are in each group.
"""

import dataclasses
import math
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import pandas as pd

from nnunetv2_fair.evaluation.failures.criteria import by_label
from nnunetv2_fair.evaluation.failures.exact_tests import equal_proportions_test
from nnunetv2_fair.evaluation.failures.proportions import (
    Counts,
    effective_counts,
    newcombe_interval,
    wilson_interval,
)
from nnunetv2_fair.evaluation.results.failures import (
    FailureComparison,
    FailureCriterion,
    FailureDifference,
    FailureRate,
)
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
from nnunetv2_fair.evaluation.statistics.small_groups import (
    Observations,
    group_sizes,
    not_compared,
    patients_per_group,
)


def compare_failures(
    per_case: pd.DataFrame,
    metrics: Sequence[MetricInfo],
    labels: Sequence[str],
    vocabularies: Sequence[GroupVocabulary],
    empty_distance: EmptyDistance,
    settings: StatisticsSettings,
    criteria: Sequence[FailureCriterion],
) -> tuple[FailureComparison, ...]:
    """Compare how often segmentation fails, by every attribute, label and criterion.

    Args:
        per_case: Rows as in ``EvaluationResult.per_case``.
        metrics: The metrics.
        labels: Labels in the order to show; the average has no failures of its own.
        vocabularies: Groups of each attribute expression.
        empty_distance: See :func:`metric_values`.
        settings: How to aggregate.
        criteria: When a case counts as failed.
    """
    rows = evaluated_rows(per_case)
    cases = rows[rows["label"] == labels[0]]
    named = {metric.name: metric for metric in metrics}
    patients = cases["patient"].to_numpy(dtype=object)
    wanted = list(by_label(criteria, labels))
    observed = {
        (label, criterion.metric): metric_values(
            rows, named[criterion.metric], label, labels, empty_distance
        )
        for label, criterion in wanted
    }
    made = []
    for vocabulary in vocabularies:
        groups = vocabulary.places(cases)
        known = ~np.isnan(groups)
        for label, criterion in wanted:
            metric = named[criterion.metric]
            values, replaced = observed[label, metric.name]
            observations = Observations(
                values[known],
                replaced[known],
                patients[known],
                groups[known].astype(int),
                vocabulary.names,
            )
            made.append(_compare(observations, vocabulary, label, criterion, metric, settings))
    return with_corrected_tests(made)


def failed_cases(values: np.ndarray, threshold: float, better: str) -> np.ndarray:
    """Return which cases failed: at the threshold or worse; undefined ones did not."""
    return np.asarray(values <= threshold if better == "higher" else values >= threshold)


def definitions(criteria: Sequence[FailureCriterion]) -> Mapping[str, str]:
    """Return what a failure is, in words."""
    if not criteria:
        return {}
    return {
        "failure_rate": "Share of cases that failed, by these criteria: "
        f"{', '.join(map(str, criteria))} (this value or worse). A patient counts by the share of "
        "that patient's cases. Cases without a prediction are left out. The interval is Wilson's, "
        "that of a difference Newcombe's; several images of a patient count as that many patients "
        "as would give a rate as certain. Tests are exact (Boschloo's or Fisher's for two groups, "
        "Fisher-Freeman-Halton for more), corrected by Holm's method over all failure rates."
    }


def _compare(
    observed: Observations,
    vocabulary: GroupVocabulary,
    label: str,
    criterion: FailureCriterion,
    metric: MetricInfo,
    settings: StatisticsSettings,
) -> FailureComparison:
    names = observed.names
    defined = ~np.isnan(observed.values)
    patients = patients_per_group(observed, defined)
    left_out = not_compared(names, observed, patients, settings.min_patients, vocabulary.chosen)
    failed = failed_cases(observed.values, criterion.threshold, metric.better)
    rates, counts = [], []
    for index in range(len(names)):
        chosen = defined & (observed.groups == index)
        units = observed.patients[chosen] if settings.unit == "patient" else None
        rate, count = _rate(failed[chosen], units, settings.confidence)
        rates.append(rate)
        counts.append(count)
    enough = [index for index, name in enumerate(names) if name not in left_out]
    sizes = group_sizes(observed.patients, observed.groups, len(names))
    reference = reference_index(names, enough, sizes, vocabulary.reference)
    test = None
    if len(enough) > 1:
        generator = settings.generator(vocabulary.expression, str(criterion), label, "failures")
        test = equal_proportions_test([counts[index] for index in enough], generator)
    return FailureComparison(
        attribute=vocabulary.expression,
        metric=metric.name,
        label=label,
        threshold=criterion.threshold,
        groups=dict(zip(names, rates, strict=True)),
        left_out=left_out,
        differences=tuple(
            FailureDifference(
                (names[reference], names[other]),
                rates[other].rate - rates[reference].rate,
                newcombe_interval(
                    (rates[reference].rate, rates[other].rate),
                    (rates[reference].interval, rates[other].interval),
                ),
            )
            for other in enough
            if reference is not None and other != reference
        ),
        test=test,
    )


def _rate(
    failed: np.ndarray, units: np.ndarray | None, confidence: float
) -> tuple[FailureRate, Counts]:
    """Return a group's failures, and the counts that they are worth."""
    if not len(failed):
        return FailureRate(0, 0, math.nan, NO_INTERVAL), Counts(0, 0)
    shares = failed.astype(float)
    if units is not None:
        unit, _ = pd.factorize(units)
        shares = np.bincount(unit, weights=shares) / np.bincount(unit)
    counts = effective_counts(shares, len(failed))
    rate = float(shares.mean())
    interval = wilson_interval(rate, counts.n, confidence)
    return FailureRate(len(shares), int((shares > 0).sum()), rate, interval), counts


def with_corrected_tests(
    made: Iterable[FailureComparison],
) -> tuple[FailureComparison, ...]:
    """Correct the tests for their number: a family is all failure rates of a result."""
    found = list(made)
    p_values = [math.nan if c.test is None else c.test.p_value for c in found]
    family = sum(not math.isnan(p) for p in p_values)
    return tuple(
        comparison
        if comparison.test is None
        else dataclasses.replace(
            comparison,
            test=dataclasses.replace(comparison.test, corrected_p=p, family_size=family),
        )
        for comparison, p in zip(found, holm(p_values), strict=True)
    )
