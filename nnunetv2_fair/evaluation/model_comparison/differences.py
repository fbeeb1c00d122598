"""A model against the baseline: differences of scores and of fairness measures."""

import math
from collections.abc import Mapping

import numpy as np

from nnunetv2_fair.evaluation.estimation.estimates import Estimates
from nnunetv2_fair.evaluation.estimation.intervals import NO_INTERVAL, Sources, expanded_interval
from nnunetv2_fair.evaluation.model_comparison.contrasts import Contrast, Key
from nnunetv2_fair.evaluation.model_comparison.paired import Paired, minus
from nnunetv2_fair.evaluation.model_comparison.simultaneous import Family
from nnunetv2_fair.evaluation.results.comparison import (
    BETWEEN_GROUPS,
    GROUP_MEAN,
    OVERALL_MEAN,
    WORST_GROUP_MEAN,
    Difference,
    ModelDifferences,
    ModelScores,
)


def differences_of(
    ours: ModelScores,
    theirs: ModelScores,
    gaps: Mapping[str, Difference],
    contrasts: Mapping[Key, Contrast],
    family: Family,
    confidence: float,
) -> ModelDifferences:
    """Return the differences of one model from the baseline.

    Args:
        ours: Scores of the model.
        theirs: Scores of the baseline.
        gaps: Differences of the fairness measures, from :func:`gap_differences`.
        contrasts: What can be tested.
        family: All contrasts that are looked at together.
        confidence: Coverage of the intervals.
    """

    def difference(key: Key, own: float, base: float) -> Difference:
        contrast = contrasts.get(key)
        if contrast is None:
            value = math.nan if math.isinf(own) and math.isinf(base) else own - base
            return Difference(value, NO_INTERVAL, math.nan, math.nan, NO_INTERVAL)
        return Difference(
            contrast.value,
            contrast.interval(confidence),
            contrast.p_value,
            family.corrected(contrast),
            family.interval(contrast),
        )

    return ModelDifferences(
        overall=difference((OVERALL_MEAN, ""), ours.overall_mean, theirs.overall_mean),
        groups={
            group: difference((GROUP_MEAN, group), mean, theirs.group_means[group])
            for group, mean in ours.group_means.items()
        },
        worst_group=difference(
            (WORST_GROUP_MEAN, ""), ours.worst_group_mean, theirs.worst_group_mean
        ),
        gaps=gaps,
        between_groups=difference((BETWEEN_GROUPS, ""), ours.between_groups, theirs.between_groups),
    )


def gap_differences(paired: Paired, model: int) -> dict[str, Difference]:
    """Return the differences of the fairness measures, with bootstrap intervals.

    They describe and do not decide: noise enters these measures, and differs between models.
    """
    ours, theirs = paired.estimates[model], paired.estimates[0]
    gaps, base = paired.gaps(model, ours.data), paired.gaps(0, theirs.data)
    gap_draws, base_draws = paired.gaps(model, ours.drawn), paired.gaps(0, theirs.drawn)
    sources = _sources(paired, ours, theirs)
    found = {}
    for name in gaps:
        draws = minus(gap_draws[name], base_draws[name])
        limits = NO_INTERVAL
        if draws.size and paired.enough:
            limits = expanded_interval(draws, paired.settings.confidence, sources)
        found[name] = Difference(float(minus(gaps[name], base[name])), limits)
    return found


def _sources(paired: Paired, ours: Estimates, theirs: Estimates) -> Sources:
    """Return what the measures are made from: the changes of the groups' means."""
    means = minus(ours.drawn.means, theirs.drawn.means)[:, paired.enough]
    with np.errstate(invalid="ignore"):  # infinite values have no variance
        variances = means.var(axis=0) if len(means) else np.full(len(paired.enough), np.nan)
    return Sources(variances, ours.sizes[paired.enough])
