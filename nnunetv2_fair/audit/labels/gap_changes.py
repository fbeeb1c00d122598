"""Gaps by two kinds of scores of the same cases: two rulers, two training sets, two experts."""

import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np

from nnunetv2_fair.audit.labels.people import Groups, People
from nnunetv2_fair.audit.labels.scores import Scores
from nnunetv2_fair.audit.results.labels import (
    CHANGES,
    Estimate,
    GapChange,
)
from nnunetv2_fair.audit.statistics.contrasts import (
    Units,
    corrected,
    estimate_gap,
    gap_of,
    units_of,
)
from nnunetv2_fair.evaluation.estimation.trainings import (
    NO_ERROR,
    TrainingError,
    training_error,
)
from nnunetv2_fair.evaluation.results.trainings import TrainingKind
from nnunetv2_fair.evaluation.results.values import MetricInfo

FEW = "fewer than {} patients of a group have both scores"


def gap_changes(
    scores: Mapping[str, Scores],
    metrics: Sequence[MetricInfo],
    labels: Sequence[str],
    people: People,
    kind: TrainingKind | None,
) -> tuple[GapChange, ...]:
    """Return how gaps differ between kinds of scores, on the cases that have both.

    A family of tests is all labels, attributes and pairs of groups by one metric and one kind of
    change (see :data:`~nnunetv2_fair.audit.results.labels.CHANGES`).

    Args:
        scores: Name of the kind -> scores.
        metrics: Metrics.
        labels: Labels in the order to show.
        people: Who is in which group.
        kind: How trainings differ; None if there is one of each.
    """
    made: list[GapChange] = []
    for names in CHANGES:
        if not set(names) <= set(scores):
            continue
        for metric in metrics:
            family = [
                _change(scores[names[0]], scores[names[1]], metric, label, groups, pair, people,
                        kind)
                for groups in people.attributes
                for label in labels
                for pair in groups.pairs
            ]  # fmt: skip
            changes = corrected(one.change for one in family)
            firsts = corrected(one.first for one in family)
            seconds = corrected(one.second for one in family)
            made += [
                dataclasses.replace(one, first=first, second=second, change=change)
                for one, first, second, change in zip(family, firsts, seconds, changes, strict=True)
            ]
    return tuple(made)


def _change(
    first: Scores,
    second: Scores,
    metric: MetricInfo,
    label: str,
    groups: Groups,
    pair: tuple[int, int],
    people: People,
    kind: TrainingKind | None,
) -> GapChange:
    one, other = first.values(metric, label), second.values(metric, label)
    cases = sorted(set(one.index) & set(other.index))
    rows = np.concatenate([one.loc[cases].to_numpy().T, other.loc[cases].to_numpy().T])
    units = units_of(rows, groups.codes(cases), people.counted(cases), pair)
    names, settings = groups.named(pair), people.settings
    trainings = (first.number, second.number)
    about = (groups.attribute, metric.name, label, names, (first.name, second.name), units.n)
    if min(units.n) < settings.sizeable:
        none = Estimate(reason=FEW.format(settings.sizeable))
        return GapChange(*about, none, none, none, trainings)
    k = first.number
    values_1, values_2 = units.values[:k], units.values[k:]
    # two rulers measure the same trainings, which then differ in nothing else
    shared = (first.name, second.name) == ("model_automated", "model_expert")
    moved = (
        (values_1 - values_2)
        if shared
        else (values_1.mean(axis=0) - values_2.mean(axis=0))[None, :]
    )

    def estimate(of: str, values: np.ndarray, error: TrainingError) -> Estimate:
        generator = settings.generator("gap", of, groups.attribute, metric.name, label, *names)
        own = dataclasses.replace(units, values=values)
        return estimate_gap(own, settings.confidence, generator, error)

    errors = [error_of(units, values, kind) for values in (values_1, values_2)]
    error = error_of(units, moved, kind) if shared else errors[0] + errors[1]
    return GapChange(
        *about,
        estimate(first.name, values_1, errors[0]),
        estimate(second.name, values_2, errors[1]),
        estimate(f"{first.name} - {second.name}", moved, error),
        trainings,
    )


def error_of(units: Units, values: np.ndarray, kind: TrainingKind | None) -> TrainingError:
    """Return what other trainings would change of a gap; nothing is known of one training.

    Args:
        units: The two groups.
        values: (trainings, units).
        kind: How trainings differ.
    """
    if kind is None or len(values) < 2:
        return NO_ERROR
    gaps = np.array([gap_of(row, units.second, units.clusters).value for row in values])
    return training_error(gaps - gaps.mean(), kind)
