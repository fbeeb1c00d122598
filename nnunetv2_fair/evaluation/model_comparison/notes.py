"""What readers of a comparison must know, in words."""

from collections.abc import Iterator, Mapping, Sequence

import pandas as pd

from nnunetv2_fair.evaluation.results.evaluation import EvaluationResult
from nnunetv2_fair.evaluation.results.groups import CHOSEN_GROUPS
from nnunetv2_fair.evaluation.results.tables.public_notes import TRAINED_MODELS, only_chosen
from nnunetv2_fair.evaluation.results.trainings import number_of_trainings
from nnunetv2_fair.evaluation.statistics.group_comparison import StatisticsSettings


def notes_on_trainings(results: Sequence[EvaluationResult], models: Sequence[str]) -> Iterator[str]:
    """Yield what is compared: trained models, or methods.

    Args:
        results: Evaluations, in the order of the models.
        models: Names of the models.
    """
    numbers = [number_of_trainings(result.settings) for result in results]
    single = [model for model, number in zip(models, numbers, strict=True) if number == 1]
    if len(single) == len(models):
        yield TRAINED_MODELS
        return
    several = [
        f"{model} ({number})" for model, number in zip(models, numbers, strict=True) if number > 1
    ]
    yield (
        f"Methods of which several trainings were evaluated: {', '.join(several)}. The variation "
        "between their trainings enters intervals, p-values and ranks; trainings of different "
        "methods are independent, folds of the same names paired."
    )
    if single:
        yield (
            f"One trained model each, so that nothing is said about their methods: "
            f"{', '.join(single)}."
        )


def notes_of(
    evaluated: Sequence[pd.DataFrame],
    models: Sequence[str],
    cases: Sequence[str],
    undefined: int,
    baseline: EvaluationResult,
) -> tuple[str, ...]:
    """Return what readers must know of a comparison.

    Args:
        evaluated: Rows of each model.
        models: Names of the models, the baseline first.
        cases: Cases that are compared.
        undefined: Those without a value of the first metric in some model.
        baseline: Evaluation of the first model.
    """
    chosen = baseline.settings.get(CHOSEN_GROUPS, {})
    notes = [only_chosen(attribute, groups) for attribute, groups in chosen.items()]
    counts = {m: r["case"].nunique() for m, r in zip(models, evaluated, strict=True)}
    if any(count != len(cases) for count in counts.values()):
        each = ", ".join(f"{model} {count}" for model, count in counts.items())
        notes.append(
            f"Compared on the {len(cases)} cases that all models have (evaluated: {each})."
        )
    if undefined:
        notes.append(
            f"{undefined} of the {len(cases)} cases have no {baseline.metrics[0].title} in at "
            "least one model (both masks empty) and are left out for all models."
        )
    return tuple(notes)


def definitions_of(settings: StatisticsSettings) -> Mapping[str, str]:
    """Return what the measures of a comparison are, in words."""
    return {
        "difference": "A model's value minus the baseline's, on the same cases.",
        "difference_interval": f"{settings.confidence:.0%} interval of one difference, from the "
        f"spread of its values over {settings.unit}s (Student's t).",
        "simultaneous_interval": f"Intervals that hold the truth with {settings.confidence:.0%} "
        "confidence for everything that is said about one metric together: all models, attributes, "
        "labels, groups, worst groups and gaps. A change counts as shown if this interval excludes "
        "0; signs of it are told up to a corrected p-value of "
        f"{2 * (1 - settings.confidence):.2g}.",
        "corrected_p": "p-value corrected for everything that is said about one metric: how often "
        "chance would make the largest of all these changes as clear as this one.",
        "gap_difference": "Fairness measure of the model minus that of the baseline. Fairness gaps "
        "are compared by magnitude. They describe and do not decide: noise enlarges them, so that "
        "a model whose scores vary less can look fairer without being it.",
        "between_groups": "How far the groups are apart. Of two groups: the absolute difference of "
        "their means. Of more: the variance between their means minus the part that chance "
        "contributes; shown is its root, a standard deviation beyond chance, which is 0 if the "
        "groups are no further apart than chance makes equal groups. It decides whether a gap is "
        "smaller or larger.",
        "rank": f"Ranks a model can have, 1 being the best, with {settings.confidence:.0%} "
        "confidence for all models together: 1 plus the number of models shown to be better, to "
        "the number of models minus those shown to be worse, on the same patients. Models whose "
        "ranges do not overlap are ordered; ranges that overlap do not say whether they are.",
        "worst_group": "Group with the worst mean; for the difference each model's own worst group "
        "is taken, which may be different groups. As the worst of several means looks worse than "
        "the group is, a change is shown only by comparing groups one by one.",
    }
