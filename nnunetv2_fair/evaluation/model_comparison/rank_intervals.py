"""Which ranks a model can have, given how far chance moves the differences between models.

A ranking by values alone puts models in an order that another draw of patients would change.
Here every pair of models is compared in the same resamples, with intervals that hold for all
pairs together; a model's ranks run from 1 plus the number of models shown to be better to the
number of models minus those shown to be worse.

Source: Mogstad, Romano, Shaikh and Wilhelm, Inference for ranks with applications to mobility
across neighbourhoods and academic achievement across countries, Review of Economic Studies 2024
(ranks from simultaneous intervals of all differences); the intervals are studentised by the
bootstrap's spread and widened for small groups as all others (:mod:`.intervals`).
"""

import numpy as np
from scipy.special import ndtr, ndtri

from nnunetv2_fair.evaluation.estimation.intervals import Sources
from nnunetv2_fair.evaluation.estimation.quantiles import quantile
from nnunetv2_fair.evaluation.results.comparison import RankRange

#: Differences smaller than this share of the values are rounding errors, so they count as none.
_ROUNDING = 1e-12


def rank_ranges(
    values: np.ndarray,
    replicates: np.ndarray,
    *,
    higher_is_better: bool,
    confidence: float,
    sources: Sources,
) -> list[RankRange | None]:
    """Return the ranks that each model can have.

    Args:
        values: (models,) value of each model; a model without a finite one has no rank and
            does not count for the others.
        replicates: (replicates, models) values in resamples that all models share.
        higher_is_better: Direction.
        confidence: Share of studies in which all ranges together hold the true ranks.
        sources: What the values are made from.

    Returns:
        One range per model; None without a value, and for all if there are no replicates or
        fewer than two models have a value.
    """
    ranked = np.flatnonzero(np.isfinite(values))
    nothing: list[RankRange | None] = [None] * len(values)
    if len(ranked) < 2 or not len(replicates):
        return nothing
    better = _shown_better(values[ranked], replicates[:, ranked], confidence, sources)
    if not higher_is_better:
        better = better.T
    losses, wins = better.sum(axis=0), better.sum(axis=1)
    for model, lost, won in zip(ranked, losses, wins, strict=True):
        nothing[model] = RankRange(1 + int(lost), len(ranked) - int(won))
    return nothing


def _shown_better(
    values: np.ndarray, replicates: np.ndarray, confidence: float, sources: Sources
) -> np.ndarray:
    """Return (models, models) bool: whether the value of the row's model is shown to be larger."""
    count = len(values)
    away = np.ascontiguousarray(replicates.T) - values[:, None]
    spread = np.full((count, count), np.nan)
    farthest = np.zeros(len(replicates))
    least = _ROUNDING * np.abs(values).max()
    for model in range(count - 1):  # a row of pairs at a time: all would fill the memory
        others = slice(model + 1, count)
        with np.errstate(invalid="ignore"):  # a resample may have an infinite value
            between = away[model] - away[others]
            spread[model, others] = between.std(axis=1)
        some = spread[model, others] > least
        if some.any():
            scaled = np.abs(between[some]) / spread[model, others][some, None]
            np.maximum(farthest, scaled.max(axis=0), out=farthest)
    # for pairs that do not vary, only rounding is in doubt
    reach = _widened(quantile(farthest, confidence), sources) if farthest.any() else 0.0
    limits = np.maximum(spread, least)
    varies = spread > least
    limits[varies] = reach * spread[varies]
    found = values[:, None] - values[None, :]
    larger = found > limits  # never where the spread is not known
    smaller = found < -limits
    return np.asarray(larger | smaller.T)


def _widened(reach: float, sources: Sources) -> float:
    """Widen a critical value as an interval of the same coverage would be for small groups."""
    return float(-ndtri(sources.tail(float(1 - 2 * ndtr(-reach)))))
