"""Whose errors of downstream measures are smaller: mean absolute errors, paired by patient.

Everything that is said about these errors is one family: all measures, labels, models, attributes
and groups.
"""

import dataclasses
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from nnunetv2_fair.evaluation.estimation.units import Units
from nnunetv2_fair.evaluation.model_comparison.contrasts import Key, MeanDifference
from nnunetv2_fair.evaluation.model_comparison.downstream.tables import error_columns, joined
from nnunetv2_fair.evaluation.model_comparison.simultaneous import Family, RandomWeights
from nnunetv2_fair.evaluation.model_comparison.standard_errors import Means
from nnunetv2_fair.evaluation.results.comparison import (
    GROUP_MEAN,
    OVERALL_MEAN,
    Difference,
    ErrorChanges,
    ErrorComparison,
    ModelErrors,
)
from nnunetv2_fair.evaluation.results.downstream.comparison import DownstreamComparison
from nnunetv2_fair.evaluation.results.evaluation import EvaluationResult
from nnunetv2_fair.evaluation.results.groups import NOT_CHOSEN, chosen_of
from nnunetv2_fair.evaluation.results.values import NO_INTERVAL
from nnunetv2_fair.evaluation.statistics.group_comparison import (
    Observations,
    StatisticsSettings,
    not_compared,
    patients_per_group,
)


@dataclass(frozen=True)
class _Prepared:
    """One measure without differences, and all that these will be made from."""

    entry: ErrorComparison
    contrasts: Mapping[str, Mapping[Key, MeanDifference]]


def error_comparisons(
    results: Sequence[EvaluationResult], models: Sequence[str], settings: StatisticsSettings
) -> tuple[ErrorComparison, ...]:
    """Return the errors of downstream measures that all evaluations have, model by model.

    Args:
        results: Evaluations, the baseline first.
        models: Their names.
        settings: How to aggregate.

    Raises:
        EvaluationError: If the same measure of the same reference differs between evaluations.
    """
    if not all(result.downstream for result in results):
        return ()
    rows = joined(results, models)
    person = "case" if settings.unit == "case" else "patient"
    units = sorted(set(rows[person].astype(str)))
    if not units:
        return ()
    family = Family(
        RandomWeights(units, settings.generator("weights of units", "downstream")),
        settings.confidence,
    )
    by_measure = dict(list(rows.groupby(["label", "measure"], sort=False)))
    prepared = [
        made
        for found in results[0].downstream
        if (ours := by_measure.get((found.label, found.measure.name))) is not None
        and (made := _prepared(ours, found, results[0], models, settings, family)) is not None
    ]
    return tuple(_finished(made, models, family, settings.confidence) for made in prepared)


def _prepared(
    rows: pd.DataFrame,
    found: DownstreamComparison,
    baseline: EvaluationResult,
    models: Sequence[str],
    settings: StatisticsSettings,
    family: Family,
) -> _Prepared | None:
    """Return one measure; None if no case has a value in all models."""
    names = tuple(found.groups)
    values = rows[error_columns(models)].to_numpy(dtype=float).T
    group = rows[found.attribute].map({n: i for i, n in enumerate(names)}).to_numpy(dtype=float)
    known, complete = ~np.isnan(group), ~np.isnan(values).any(axis=0)
    chosen = known & complete
    if not chosen.any():
        return None
    groups = group[chosen].astype(int)
    patients = rows["patient"].to_numpy(dtype=object)[chosen]
    observations = Observations(
        values[0, chosen], np.zeros(len(patients), dtype=bool), patients, groups, names
    )
    counts = patients_per_group(observations, np.ones(len(patients), dtype=bool))
    left_out = not_compared(
        names,
        observations,
        counts,
        settings.min_patients,
        chosen_of(baseline.settings, found.attribute),
    )
    unit_of = patients
    if settings.unit == "case":
        unit_of = rows["case"].to_numpy(dtype=object)[chosen]
    means = Means.of(Units.from_cases(values[:, chosen], unit_of, groups, len(names)))
    contrasts = {
        model: dict(_contrasts(means, position, names, counts, left_out, patients, settings))
        for position, model in list(enumerate(models))[1:]
    }
    units = np.unique(unit_of.astype(str)).tolist()
    for of_model in contrasts.values():
        family.add(units, list(of_model.values()))
    entry = ErrorComparison(
        attribute=found.attribute,
        label=found.label,
        measure=found.measure,
        per_model={
            model: ModelErrors(
                float(means.values[position, -1]),
                {n: float(means.values[position, index]) for index, n in enumerate(names)},
            )
            for position, model in enumerate(models)
        },
        differences={},
        n_patients=len(set(patients)),
        n_cases=len(patients),
        n_undefined=int((known & ~complete).sum()),
        group_patients=dict(zip(names, counts, strict=True)),
        group_cases={n: int((groups == index).sum()) for index, n in enumerate(names)},
        left_out=left_out,
    )
    return _Prepared(entry, contrasts)


def _contrasts(
    means: Means,
    position: int,
    names: Sequence[str],
    counts: Sequence[int],
    left_out: Mapping[str, str],
    patients: np.ndarray,
    settings: StatisticsSettings,
) -> Iterator[tuple[Key, MeanDifference]]:
    """Yield what can be tested of a model against the baseline."""
    wanted: list[tuple[Key, int]] = []
    if len(set(patients)) >= settings.sizeable:
        wanted.append(((OVERALL_MEAN, ""), means.overall))
    wanted += [
        ((GROUP_MEAN, name), index)
        for index, name in enumerate(names)
        if counts[index] >= settings.sizeable and left_out.get(name) != NOT_CHOSEN
    ]
    for key, column in wanted:
        contrast = MeanDifference(means, position, 0, column)
        if not math.isnan(contrast.p_value):
            yield key, contrast


def _finished(
    made: _Prepared, models: Sequence[str], family: Family, confidence: float
) -> ErrorComparison:
    entry = made.entry
    base = entry.per_model[models[0]]

    def difference(model: str, key: Key, own: float, before: float) -> Difference:
        contrast = made.contrasts[model].get(key)
        if contrast is None:
            return Difference(own - before, NO_INTERVAL, math.nan, math.nan)
        return Difference(
            contrast.value,
            contrast.interval(confidence),
            contrast.p_value,
            family.corrected(contrast),
            family.interval(contrast),
        )

    changes = {
        model: ErrorChanges(
            difference(model, (OVERALL_MEAN, ""), own.overall, base.overall),
            {
                name: difference(model, (GROUP_MEAN, name), mean, base.groups[name])
                for name, mean in own.groups.items()
            },
        )
        for model, own in entry.per_model.items()
        if model != models[0]
    }
    return dataclasses.replace(entry, differences=changes, family_size=family.size)
