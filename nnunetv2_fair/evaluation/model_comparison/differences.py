"""A model against the baseline: differences of scores and of fairness measures."""

import math
from collections.abc import Mapping

import numpy as np

from nnunetv2_fair.evaluation.estimation.estimates import Estimates
from nnunetv2_fair.evaluation.estimation.intervals import Sources, expanded_interval
from nnunetv2_fair.evaluation.estimation.trainings import (
    NO_ERROR,
    TrainingError,
    training_error,
    widened,
)
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
from nnunetv2_fair.evaluation.results.values import NO_INTERVAL
from nnunetv2_fair.evaluation.statistics.over_trainings import away_from_mean, error_of_measure


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
    ours, theirs = paired.of_compared[model], paired.of_compared[0]
    gaps, base = paired.gaps(model, ours.data), paired.gaps(0, theirs.data)
    gap_draws, base_draws = paired.gaps(model, ours.drawn), paired.gaps(0, theirs.drawn)
    sources = _sources(paired, ours, theirs)
    own, others = _errors_by_trainings(paired, model), _errors_by_trainings(paired, 0)
    errors = {name: own[name] + others[name] for name in own}
    found = {}
    for name in gaps:
        draws = minus(gap_draws[name], base_draws[name])
        limits = NO_INTERVAL
        if draws.size and paired.enough:
            limits = expanded_interval(draws, paired.settings.confidence, sources)
        value = float(minus(gaps[name], base[name]))
        limits = widened(value, limits, errors[name], paired.settings.confidence)
        found[name] = Difference(value, limits)
    return found


def _errors_by_trainings(paired: Paired, model: int) -> dict[str, TrainingError]:
    """Return the errors of a model's fairness measures by its trainings, by their names."""
    trained = paired.trained[model]
    keys = paired.of_compared[model].gap_values(paired.of_compared[model].data)
    if trained is None or len(paired.enough) < 2:
        return {paired.gap_name(key): NO_ERROR for key in keys}
    values = paired.gaps(model, trained.of_compared)
    found = {}
    for key in keys:
        name = paired.gap_name(key)
        if key.name in ("fairness_gap", "delta", "std"):
            groups = [paired.names.index(group) for group in key.between]
            found[name] = error_of_measure(key.name, groups, trained.of_compared, trained.kind)
        else:
            found[name] = training_error(away_from_mean(values[name]), trained.kind)
    return found


def _sources(paired: Paired, ours: Estimates, theirs: Estimates) -> Sources:
    """Return what the measures are made from: the changes of the groups' means."""
    means = minus(ours.drawn.means, theirs.drawn.means)[:, paired.enough]
    with np.errstate(invalid="ignore"):  # infinite values have no variance
        variances = means.var(axis=0) if len(means) else np.full(len(paired.enough), np.nan)
    return Sources(variances, ours.sizes[paired.enough])
