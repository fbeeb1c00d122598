"""Which ranks each model can have, given how far chance moves the differences between models.

A ranking by values alone puts models in an order that another draw of patients would change.
Here every pair of models is compared, with a level that holds for all pairs together; a model's
ranks run from 1 plus the number of models shown to be better to the number of models minus those
shown to be worse.

Source: Mogstad, Romano, Shaikh and Wilhelm, Inference for ranks with applications to mobility
across neighbourhoods and academic achievement across countries, Review of Economic Studies 2024
(ranks from simultaneous intervals of all differences).
"""

import itertools
from collections.abc import Sequence

from nnunetv2_fair.evaluation.model_comparison.contrasts import Contrast, contrasts_of
from nnunetv2_fair.evaluation.model_comparison.paired import Paired
from nnunetv2_fair.evaluation.model_comparison.simultaneous import Family, RandomWeights
from nnunetv2_fair.evaluation.results.comparison import (
    BETWEEN_GROUPS,
    OVERALL_MEAN,
    WORST_GROUP_MEAN,
    RankRange,
)


def ranks_of(paired: Paired, weights: RandomWeights) -> dict[str, dict[str, RankRange]]:
    """Return the ranks of all models by the overall mean, the worst group and the gap.

    Args:
        paired: All models.
        weights: Random weights of all units.
    """
    higher = paired.metric.better == "higher"
    pairs = {
        (one, other): contrasts_of(paired, one, other)
        for one, other in itertools.combinations(range(len(paired.models)), 2)
    }
    ranks: dict[str, dict[str, RankRange]] = {}
    for measure, higher_is_better in (
        (OVERALL_MEAN, higher),
        (WORST_GROUP_MEAN, higher),
        (BETWEEN_GROUPS, False),
    ):
        tested = {
            pair: contrasts[measure, ""]
            for pair, contrasts in pairs.items()
            if (measure, "") in contrasts
        }
        if tested:
            family = Family(weights, paired.settings.confidence)
            found = rank_ranges(tested, paired.unit_names, family, higher_is_better)
            ranks[measure] = {paired.models[model]: found[model] for model in sorted(found)}
    return ranks


def rank_ranges(
    pairs: dict[tuple[int, int], Contrast],
    units: Sequence[str],
    family: Family,
    higher_is_better: bool,
) -> dict[int, RankRange]:
    """Return the ranks that each model can have.

    Args:
        pairs: Two models -> value of the first minus that of the second.
        units: Names of the units of the contrasts.
        family: Without contrasts.
        higher_is_better: Direction.

    Returns:
        One range per model that occurs in a pair; the others do not count.
    """
    family.add(units, list(pairs.values()))
    ranked = sorted({model for pair in pairs for model in pair})
    wins, losses = dict.fromkeys(ranked, 0), dict.fromkeys(ranked, 0)
    for (one, other), contrast in pairs.items():
        if family.shows(contrast):
            first_is_better = (contrast.value > 0) == higher_is_better
            winner, loser = (one, other) if first_is_better else (other, one)
            wins[winner] += 1
            losses[loser] += 1
    return {model: RankRange(1 + losses[model], len(ranked) - wins[model]) for model in ranked}
