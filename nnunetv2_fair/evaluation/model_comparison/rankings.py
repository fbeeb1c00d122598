"""Which ranks each model can have, by every measure."""

from collections.abc import Sequence

import numpy as np

from nnunetv2_fair.evaluation.estimation.estimates import Summaries
from nnunetv2_fair.evaluation.estimation.intervals import Sources
from nnunetv2_fair.evaluation.model_comparison.paired import Paired
from nnunetv2_fair.evaluation.model_comparison.rank_intervals import rank_ranges
from nnunetv2_fair.evaluation.results.comparison import (
    HIGHER_IS_FAIRER,
    OVERALL_MEAN,
    WORST_GROUP_MEAN,
    RankRange,
)


def ranks_of(paired: Paired) -> dict[str, dict[str, RankRange]]:
    """Return the ranks of all models by every measure."""
    if not paired.is_sizeable or not paired.settings.n_bootstrap:
        return {}
    first, models = paired.estimates[0], range(len(paired.models))
    higher = paired.metric.better == "higher"
    whole = Sources(np.ones(1), np.array([first.overall.size]))
    with np.errstate(invalid="ignore"):  # infinite values have no variance
        variances = first.drawn.means[:, paired.enough].var(axis=0)
    groups = Sources(variances, first.sizes[paired.enough])

    def scores(summaries: Sequence[Summaries]) -> dict[str, list[np.ndarray]]:
        found = {
            OVERALL_MEAN: [summary.overall_mean for summary in summaries],
            WORST_GROUP_MEAN: [paired.worst(summary.means) for summary in summaries],
        }
        gaps = [paired.gaps(model, summaries[model]) for model in models]
        return found | {name: [by_model[name] for by_model in gaps] for name in gaps[0]}

    values = scores([estimates.data for estimates in paired.estimates])
    drawn = scores([estimates.drawn for estimates in paired.estimates])
    ranks: dict[str, dict[str, RankRange]] = {}
    for measure in values:
        is_score = measure in (OVERALL_MEAN, WORST_GROUP_MEAN)
        found = rank_ranges(
            np.array(values[measure], dtype=float),
            np.stack(drawn[measure], axis=-1),
            higher_is_better=higher if is_score else measure in HIGHER_IS_FAIRER,
            confidence=paired.settings.confidence,
            sources=whole if measure == OVERALL_MEAN else groups,
        )
        by_model = {m: r for m, r in zip(paired.models, found, strict=True) if r is not None}
        if by_model:
            ranks[measure] = by_model
    return ranks
