"""Each model's scores on the cases that all models have."""

import math

import numpy as np

from nnunetv2_fair.evaluation.estimation.intervals import NO_INTERVAL
from nnunetv2_fair.evaluation.model_comparison.between_groups import distance_of
from nnunetv2_fair.evaluation.model_comparison.paired import Paired
from nnunetv2_fair.evaluation.results.comparison import ModelScores


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
        overall_interval=estimates.overall_mean_interval if paired.is_sizeable else NO_INTERVAL,
        group_means={name: float(mean) for name, mean in zip(paired.names, means, strict=True)},
        group_intervals={
            name: estimates.mean_interval(index)
            if paired.patients[index] >= paired.sizeable
            else NO_INTERVAL
            for index, name in enumerate(paired.names)
        },
        worst_group=worst_group,
        worst_group_mean=worst,
        gaps={paired.gap_name(key): found for key, found in estimates.gaps().items()},
        between_groups=distance_of(paired.means, model, paired.enough),
    )
