"""Which ranks each model can have, given how far chance moves the differences between models.

A ranking by values alone puts models in an order that another draw of patients would change.
Here every pair of models is compared, with a level that holds for everything that is said about
the metric; a model's ranks run from 1 plus the number of models shown to be better to the number
of models minus those shown to be worse.

Source: Mogstad, Romano, Shaikh and Wilhelm, Inference for ranks with applications to mobility
across neighbourhoods and academic achievement across countries, Review of Economic Studies 2024
(ranks from simultaneous intervals of all differences).
"""

from collections.abc import Mapping, Sequence
from typing import Literal

from nnunetv2_fair.evaluation.model_comparison.contrasts import Contrast, Key
from nnunetv2_fair.evaluation.model_comparison.simultaneous import Family
from nnunetv2_fair.evaluation.results.comparison import (
    BETWEEN_GROUPS,
    OVERALL_MEAN,
    WORST_GROUP_MEAN,
    RankRange,
)

#: Positions of two models: the first one's value minus the second one's.
Pair = tuple[int, int]


def ranks_of(
    pairs: Mapping[Pair, Mapping[Key, Contrast]],
    models: Sequence[str],
    family: Family,
    better: Literal["higher", "lower"],
) -> dict[str, dict[str, RankRange]]:
    """Return the ranks of all models by the overall mean, the worst group and the gap.

    Args:
        pairs: What is compared of every pair of models.
        models: Names of the models.
        family: All contrasts that are looked at together.
        better: Which values of the metric are better.
    """
    higher = better == "higher"
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
            found = rank_ranges(tested, family, higher_is_better)
            ranks[measure] = {models[model]: found[model] for model in sorted(found)}
    return ranks


def rank_ranges(
    pairs: Mapping[Pair, Contrast], family: Family, higher_is_better: bool
) -> dict[int, RankRange]:
    """Return the ranks that each model can have.

    Args:
        pairs: Two models -> value of the first minus that of the second.
        family: All contrasts that are looked at together, these among them.
        higher_is_better: Direction.

    Returns:
        One range per model that occurs in a pair; the others do not count.
    """
    ranked = sorted({model for pair in pairs for model in pair})
    wins, losses = dict.fromkeys(ranked, 0), dict.fromkeys(ranked, 0)
    for (one, other), contrast in pairs.items():
        if family.shows(contrast):
            first_is_better = (contrast.value > 0) == higher_is_better
            winner, loser = (one, other) if first_is_better else (other, one)
            wins[winner] += 1
            losses[loser] += 1
    return {model: RankRange(1 + losses[model], len(ranked) - wins[model]) for model in ranked}
