"""Gaps of a model against expert masks, of cases of which only some have them."""

import dataclasses
import math
from collections.abc import Sequence

import numpy as np

from nnunetv2_fair.audit.labels.gap_changes import FEW, error_of
from nnunetv2_fair.audit.labels.people import Groups, People
from nnunetv2_fair.audit.labels.scores import Scores
from nnunetv2_fair.audit.results.labels import CombinedGap, Estimate
from nnunetv2_fair.audit.statistics.contrasts import (
    Units,
    corrected,
    estimate_gap,
    units_of,
)
from nnunetv2_fair.audit.statistics.rulers import (
    FEWEST_DOUBLE,
    Sample,
    combined,
    widths,
)
from nnunetv2_fair.evaluation.estimation.trainings import (
    NO_ERROR,
    p_with_trainings,
    training_error,
    widened,
)
from nnunetv2_fair.evaluation.results.trainings import TrainingKind
from nnunetv2_fair.evaluation.results.values import MetricInfo

_SEVERAL = "some patients have images in both groups, which the combined estimate does not allow"


def combined_gaps(
    automated: Scores,
    expert: Scores,
    metrics: Sequence[MetricInfo],
    labels: Sequence[str],
    people: People,
    kind: TrainingKind | None,
) -> tuple[CombinedGap, ...]:
    """Return the gaps of a model against expert masks, from both kinds of scores.

    Args:
        automated: The model against automated masks.
        expert: The same model against expert masks, of some of these cases.
        metrics: Metrics; a family of tests is all by the same.
        labels: Labels in the order to show.
        people: Who is in which group.
        kind: How trainings differ; None if there is one.
    """
    made: list[CombinedGap] = []
    for metric in metrics:
        family = [
            _combined(automated, expert, metric, label, groups, pair, people, kind)
            for groups in people.attributes
            for label in labels
            for pair in groups.pairs
        ]
        parts = [
            iter(corrected(getattr(one, name) for one in family))
            for name in ("automated", "expert", "combined")
        ]
        for one in family:
            found = [next(part) for part in parts]
            made.append(
                dataclasses.replace(one, automated=found[0], expert=found[1], combined=found[2])
            )
    return tuple(made)


def _combined(
    automated: Scores,
    expert: Scores,
    metric: MetricInfo,
    label: str,
    groups: Groups,
    pair: tuple[int, int],
    people: People,
    kind: TrainingKind | None,
) -> CombinedGap:
    by_automated, by_expert = automated.values(metric, label), expert.values(metric, label)
    cases = sorted(by_automated.index)
    whole = units_of(
        by_automated.loc[cases].to_numpy().T, groups.codes(cases), people.counted(cases), pair
    )
    both = sorted(set(cases) & set(by_expert.index))
    k = automated.number
    rows = np.concatenate([by_expert.loc[both].to_numpy().T, by_automated.loc[both].to_numpy().T])
    double = units_of(rows, groups.codes(both), people.counted(both), pair)
    others = [case for case in cases if case not in set(both)]
    # whoever has an expert mask of some images only counts among those who have one
    people_of_both = set(people.counted(both).tolist())
    others = [
        case
        for case, who in zip(others, people.counted(others), strict=True)
        if who not in people_of_both
    ]
    rest = units_of(
        by_automated.loc[others].to_numpy().T, groups.codes(others), people.counted(others), pair
    )
    settings, names = people.settings, groups.named(pair)

    def of(name: str, units: Units, values: np.ndarray) -> Estimate:
        if min(units.n) < settings.sizeable:
            return Estimate(reason=FEW.format(settings.sizeable))
        generator = settings.generator("combined", name, groups.attribute, metric.name, label,
                                       *names)  # fmt: skip
        own = dataclasses.replace(units, values=values)
        error = error_of(own, values, kind)
        return estimate_gap(own, settings.confidence, generator, error)

    found = CombinedGap(
        groups.attribute, metric.name, label, names, whole.n, double.n,
        of("automated", whole, whole.values), of("expert", double, double.values[:k]),
        Estimate(), (0.0, 0.0), (math.nan,) * 2, (), k,
    )  # fmt: skip
    fewest = max(FEWEST_DOUBLE, settings.sizeable)
    if min(double.n) < fewest:
        return dataclasses.replace(found, combined=Estimate(reason=FEW.format(fewest)))
    if whole.in_both or double.in_both:
        return dataclasses.replace(found, combined=Estimate(reason=_SEVERAL))
    each = [
        combined(*_samples(double.values[i], double.values[k + i], rest.values[i], double, rest))
        for i in range(k)
    ]
    expert_scores = double.values[:k].mean(axis=0)
    samples = _samples(
        expert_scores, double.values[k:].mean(axis=0), rest.values.mean(axis=0), double, rest
    )
    made = combined(*samples)
    spread = made.gap
    error = NO_ERROR
    if kind is not None and k > 1:
        gaps = np.array([one.gap.value for one in each])
        error = training_error(gaps - gaps.mean(), kind)
    correlations = samples[0].correlation, samples[1].correlation
    spreads = [float(sample.expert.std(ddof=1)) for sample in samples]
    n_all = tuple(a + b for a, b in zip(double.n, rest.n, strict=True))
    return dataclasses.replace(
        found,
        combined=Estimate(
            spread.value,
            widened(spread.value, spread.interval(settings.confidence), error,
                    settings.confidence),
            p_with_trainings(spread.p_value, spread.value, error),
        ),
        weights=made.weights,
        correlations=correlations,
        widths=tuple(
            widths(double.n, (n_all[0], n_all[1]), (spreads[0], spreads[1]), correlations,
                   settings.confidence)
        ),
    )  # fmt: skip


def _samples(
    expert: np.ndarray, both: np.ndarray, others: np.ndarray, double: Units, rest: Units
) -> tuple[Sample, Sample]:
    """Return the scores of both groups."""
    first, second = (
        Sample(expert[inside], both[inside], others[outside])
        for inside, outside in ((~double.second, ~rest.second), (double.second, rest.second))
    )
    return first, second
