"""Compares models on the same cases: paired differences of scores and of fairness measures."""

import dataclasses
import itertools
from collections.abc import Mapping, Sequence
from datetime import datetime, timezone
from typing import Any

import pandas as pd
from tqdm import tqdm

from nnunetv2_fair.evaluation.findings.all_findings import comparison_with_findings
from nnunetv2_fair.evaluation.model_comparison.checks import (
    MUST_AGREE,
    common_cases_of,
    common_labels,
    model_names,
    notes_on_tables,
)
from nnunetv2_fair.evaluation.model_comparison.contrasts import Contrast, Key, contrasts_of
from nnunetv2_fair.evaluation.model_comparison.differences import differences_of, gap_differences
from nnunetv2_fair.evaluation.model_comparison.downstream.errors import error_comparisons
from nnunetv2_fair.evaluation.model_comparison.downstream.tables import notes_on_measures
from nnunetv2_fair.evaluation.model_comparison.method_trainings import (
    MethodTrainings,
    trainings_of,
)
from nnunetv2_fair.evaluation.model_comparison.notes import (
    definitions_of,
    notes_of,
    notes_on_trainings,
)
from nnunetv2_fair.evaluation.model_comparison.paired import Paired, pair_models
from nnunetv2_fair.evaluation.model_comparison.rank_intervals import Pair, ranks_of
from nnunetv2_fair.evaluation.model_comparison.scores import scores_of
from nnunetv2_fair.evaluation.model_comparison.simultaneous import Family, RandomWeights
from nnunetv2_fair.evaluation.results.comparison import (
    DATASET,
    TRAINERS,
    Difference,
    ModelComparison,
    PairedComparison,
    gap_measure,
)
from nnunetv2_fair.evaluation.results.evaluation import EvaluationResult
from nnunetv2_fair.evaluation.results.tables.per_case import evaluated_rows
from nnunetv2_fair.evaluation.results.trainings import TRAININGS, number_of_trainings
from nnunetv2_fair.evaluation.statistics.group_comparison import StatisticsSettings, definitions
from nnunetv2_fair.files.versions import measuring_versions


def compare_models(
    results: Sequence[EvaluationResult],
    names: Sequence[str] | None = None,
    *,
    common_cases: bool = False,
    n_bootstrap: int = 2000,
    confidence: float | None = None,
    seed: int = 0,
) -> ModelComparison:
    """Compare evaluations of two or more models on the same cases.

    Cases whose value is undefined in any of the models are left out of all of them, and every
    bootstrap resample takes the same patients for all models.

    Args:
        results: Evaluations; the first one is the baseline.
        names: Names of the models; by default those of the evaluations.
        common_cases: Compare on the cases that all have, instead of refusing different cases.
        n_bootstrap: Number of bootstrap resamples.
        confidence: Coverage of the intervals; by default that of the baseline's evaluation.
        seed: Seed of the bootstrap.

    Returns:
        Scores of every model, differences from the baseline with intervals, and findings.

    Raises:
        UsageError: If there are fewer than two results or the names do not fit.
        EvaluationError: If the evaluations differ in anything but the predictions; all
            differences at once.
    """
    models = model_names(results, names)
    evaluated = [evaluated_rows(result.per_case) for result in results]
    cases = common_cases_of(results, evaluated, models, common_cases)
    baseline = dataclasses.replace(results[0], labels=common_labels(results))
    aligned = [
        rows[rows["case"].isin(cases)].sort_values("case", kind="stable") for rows in evaluated
    ]
    settings = _settings(baseline, n_bootstrap, confidence, seed)
    trainings = trainings_of(results, models, cases)
    # checked before the comparison, which takes longer
    errors = error_comparisons(results, models, settings)
    entries, undefined = _entries(aligned, trainings, models, baseline, settings)
    result = ModelComparison(
        models=tuple(models),
        baseline=models[0],
        metrics=baseline.metrics,
        labels=baseline.labels,
        attributes=baseline.attributes,
        entries=tuple(entries),
        notes=(
            *notes_of(evaluated, models, cases, undefined, baseline),
            *notes_on_tables(results, models),
            *notes_on_trainings(results, models),
            *notes_on_measures(results, models),
        ),
        definitions={
            **definitions(settings),
            **{metric.name: metric.definition for metric in baseline.metrics},
            **definitions_of(settings),
        },
        settings=_settings_to_tell(results, models, settings, common_cases),
        versions=measuring_versions(),
        created=datetime.now(timezone.utc).isoformat(timespec="seconds"),
        group_parts=baseline.group_parts,
        downstream=errors,
    )
    return comparison_with_findings(result)


def _settings(
    baseline: EvaluationResult, n_bootstrap: int, confidence: float | None, seed: int
) -> StatisticsSettings:
    given = StatisticsSettings.of_result(baseline.settings)
    return dataclasses.replace(
        given, n_bootstrap=n_bootstrap, confidence=confidence or given.confidence, seed=seed
    )


def _settings_to_tell(
    results: Sequence[EvaluationResult],
    models: Sequence[str],
    settings: StatisticsSettings,
    common_cases: bool,
) -> dict[str, Any]:
    given = results[0].settings
    return {
        DATASET: given.get("dataset", ""),
        TRAINERS: {
            model: result.settings.get("trainer", "")
            for model, result in zip(models, results, strict=True)
        },
        "models": {
            model: {
                "predictions": result.settings.get("predictions", ""),
                "inputs_sha256": result.inputs_sha256,
                "created": result.created,
            }
            for model, result in zip(models, results, strict=True)
        },
        TRAININGS: {
            model: number_of_trainings(result.settings)
            for model, result in zip(models, results, strict=True)
        },
        "common_cases": common_cases,
        "bootstrap": settings.n_bootstrap,
        "confidence": settings.confidence,
        "seed": settings.seed,
        **{key: given[key] for key in MUST_AGREE if key in given},
    }


def _entries(
    aligned: Sequence[pd.DataFrame],
    trainings: Sequence[MethodTrainings | None],
    models: Sequence[str],
    baseline: EvaluationResult,
    settings: StatisticsSettings,
) -> tuple[list[PairedComparison], int]:
    """Return all entries, and how many cases have no headline value in some model."""
    places = [(attribute, label) for attribute in baseline.attributes for label in baseline.labels]
    made: dict[tuple[str, str, str], PairedComparison] = {}
    undefined = 0
    column = "patient" if settings.unit == "patient" else "case"
    rows = sorted(set(aligned[0][column].astype(str)))
    rows += dict.fromkeys(row for of in trainings if of is not None for row in of.rows)
    weights = RandomWeights(rows, settings.generator("weights of units"))
    progress = tqdm(total=len(places) * len(baseline.metrics), desc="Comparing models", unit="test")
    for metric in baseline.metrics:
        # whatever is said about one metric is one family
        family = Family(weights, settings.confidence)
        prepared = []
        for attribute, label in places:
            paired = pair_models(
                aligned, trainings, models, baseline, attribute, label, metric, settings
            )
            prepared.append(_prepared(paired, attribute, label, family))
            if (label, metric) == (baseline.headline_label, baseline.metrics[0]):
                undefined = max(undefined, paired.n_undefined)
            progress.update()
        for entry, pairs, gaps in prepared:
            made[entry.attribute, entry.label, entry.metric] = dataclasses.replace(
                entry,
                differences={
                    model: differences_of(
                        entry.per_model[model],
                        entry.per_model[models[0]],
                        gaps[model],
                        pairs[position, 0],
                        family,
                        settings.confidence,
                    )
                    for position, model in list(enumerate(models))[1:]
                },
                ranks=ranks_of(pairs, models, family, metric.better),
                family_size=family.size,
            )
    progress.close()
    return [made[a, b, m.name] for a, b in places for m in baseline.metrics], undefined


_Prepared = tuple[
    PairedComparison, Mapping[Pair, Mapping[Key, Contrast]], Mapping[str, Mapping[str, Difference]]
]


def _prepared(paired: Paired, attribute: str, label: str, family: Family) -> _Prepared:
    """Return an entry without differences, and all that these will be made from.

    How far a difference has to go depends on all others of its family, which is added to here.
    """
    pairs = {
        (ours, theirs): contrasts_of(paired, ours, theirs)
        for theirs, ours in itertools.combinations(range(len(paired.models)), 2)
    }
    for contrasts in pairs.values():
        family.add(paired.row_names, list(contrasts.values()))
    entry = PairedComparison(
        attribute=attribute,
        metric=paired.metric.name,
        label=label,
        per_model={model: scores_of(paired, i) for i, model in enumerate(paired.models)},
        differences={},
        n_cases=sum(paired.n_cases),
        n_patients=paired.n_patients,
        group_cases=dict(zip(paired.names, paired.n_cases, strict=True)),
        group_patients=dict(zip(paired.names, paired.patients, strict=True)),
        left_out=paired.left_out,
        gap_measure=gap_measure(len(paired.enough)),
    )
    gaps = {
        model: gap_differences(paired, position)
        for position, model in list(enumerate(paired.models))[1:]
    }
    return entry, pairs, gaps
