"""What readers of a comparison must know, in words."""

from collections.abc import Mapping, Sequence

import pandas as pd

from nnunetv2_fair.evaluation.results.evaluation import EvaluationResult
from nnunetv2_fair.evaluation.statistics.group_comparison import StatisticsSettings


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
    notes = []
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
    if len(models) > 2:
        notes.append(
            f"{len(models) - 1} models are compared with {models[0]}; the corrected p-values "
            "allow for that."
        )
    return tuple(notes)


def definitions_of(settings: StatisticsSettings) -> Mapping[str, str]:
    """Return what the measures of a comparison are, in words."""
    return {
        "difference": "A model's value minus the baseline's, on the same cases.",
        "difference_interval": f"{settings.confidence:.0%} paired percentile bootstrap "
        f"interval, widened for small groups: {settings.n_bootstrap} resamples of whole "
        f"{settings.unit}s within each group, the same ones for all models. If it "
        "excludes 0, the models differ by more than chance explains.",
        "gap_difference": "Fairness measure of the model minus that of the baseline. Fairness gaps "
        "are compared by magnitude. Below 0 the model is fairer, except for equity-scaled scores, "
        "where above 0 is better.",
        "rank": f"Ranks a model can have, 1 being the best, with {settings.confidence:.0%} "
        "confidence for all models together: 1 plus the number of models shown to be better, to "
        "the number of models minus those shown to be worse, in the same resamples of patients. "
        "Models whose ranges overlap are not ordered.",
        "worst_group": "Group with the worst mean; for the difference each model's own worst group "
        "is taken, which may be different groups.",
        "paired_test": "Two-sided Wilcoxon signed-rank test of the differences per unit.",
        "corrected_p": "p-value corrected by Holm's method over all tests by the same metric "
        "(every model, attribute, label and group).",
    }
