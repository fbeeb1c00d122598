"""Each model's scores on the cases that all models have."""

import math
from typing import Any

import numpy as np

from nnunetv2_fair.evaluation.estimation.estimates import GapKey
from nnunetv2_fair.evaluation.estimation.trainings import training_error, widened
from nnunetv2_fair.evaluation.model_comparison.between_groups import distance_of
from nnunetv2_fair.evaluation.model_comparison.paired import Paired
from nnunetv2_fair.evaluation.results.comparison import ModelScores
from nnunetv2_fair.evaluation.results.values import NO_INTERVAL, Interval
from nnunetv2_fair.evaluation.statistics.over_trainings import (
    away_from_mean,
    error_of_measure,
    widened_measure,
)


def scores_of(paired: Paired, model: int) -> ModelScores:
    """Return the scores of one model, by the same definitions as in an evaluation of that model."""
    estimates = paired.estimates[model]
    means = estimates.data.means
    worst = math.nan
    if paired.enough:
        pick = np.min if paired.metric.better == "higher" else np.max
        worst = float(pick(means[paired.enough]))
    worst_group = next((paired.names[i] for i in paired.enough if means[i] == worst), "")
    return ModelScores(
        overall_mean=float(estimates.data.overall_mean),
        overall_interval=_of_mean(paired, model, None) if paired.is_sizeable else NO_INTERVAL,
        group_means={name: float(mean) for name, mean in zip(paired.names, means, strict=True)},
        group_intervals={
            name: _of_mean(paired, model, index)
            if paired.patients[index] >= paired.sizeable
            else NO_INTERVAL
            for index, name in enumerate(paired.names)
        },
        worst_group=worst_group,
        worst_group_mean=worst,
        gaps={
            paired.gap_name(key): (value, _of_gap(paired, model, key, value, found))
            for key, (value, found) in paired.of_compared[model].gaps().items()
        },
        between_groups=distance_of(paired.means, model, paired.enough),
        **_over_trainings(paired, model),
    )


def _over_trainings(paired: Paired, model: int) -> dict[str, Any]:
    """Return the standard deviations over the trainings of a method, by their names in scores."""
    trained = paired.trained[model]
    if trained is None:
        return {}
    with np.errstate(invalid="ignore"):  # infinite distances
        overall = np.std(trained.summaries.overall_mean, ddof=1)
        groups = np.std(trained.summaries.means, axis=0, ddof=1)
    return {
        "overall_std": float(overall),
        "group_stds": {n: float(std) for n, std in zip(paired.names, groups, strict=True)},
    }


def _of_mean(paired: Paired, model: int, group: int | None) -> Interval:
    """Return the interval of a group's mean, or of all units; of a method with its trainings."""
    estimates, trained = paired.estimates[model], paired.trained[model]
    found = estimates.overall_mean_interval if group is None else estimates.mean_interval(group)
    if trained is None:
        return found
    data, each = estimates.data, trained.summaries
    value = data.overall_mean if group is None else data.means[group]
    values = each.overall_mean if group is None else each.means[:, group]
    error = training_error(away_from_mean(values), trained.kind)
    return widened(float(value), found, error, paired.settings.confidence)


def _of_gap(paired: Paired, model: int, key: GapKey, value: float, found: Interval) -> Interval:
    """Return the interval of a fairness measure; of a method with its trainings."""
    trained = paired.trained[model]
    if trained is None or len(paired.enough) < 2:
        return found
    groups = [paired.names.index(name) for name in key.between]
    error = error_of_measure(key.name, groups, trained.of_compared, trained.kind)
    return widened_measure(key.name, value, found, error, paired.settings.confidence)
