"""Compares models on the same cases: paired differences of scores and of fairness measures."""

import dataclasses
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone

import numpy as np
import pandas as pd
import scipy.stats
from tqdm import tqdm

from nnunetv2_fair.evaluation.models.checks import (
    MUST_AGREE,
    common_cases_of,
    model_names,
)
from nnunetv2_fair.evaluation.models.ranks import rank_ranges
from nnunetv2_fair.evaluation.results.comparison import (
    HIGHER_IS_FAIRER,
    OVERALL_MEAN,
    WORST_GROUP_MEAN,
    Difference,
    ModelComparison,
    ModelDifferences,
    ModelScores,
    PairedComparison,
    RankRange,
)
from nnunetv2_fair.evaluation.results.evaluation import EvaluationResult
from nnunetv2_fair.evaluation.results.per_case import EmptyDistance, evaluated_rows, metric_values
from nnunetv2_fair.evaluation.results.values import Interval, MetricInfo
from nnunetv2_fair.evaluation.statistics.effects import holm
from nnunetv2_fair.evaluation.statistics.estimates import Estimates, GapKey, Summaries
from nnunetv2_fair.evaluation.statistics.group_comparison import (
    Observations,
    StatisticsSettings,
    definitions,
    patients_per_group,
    reference_index,
    too_small,
)
from nnunetv2_fair.evaluation.statistics.intervals import NO_INTERVAL, Sources, expanded_interval
from nnunetv2_fair.evaluation.statistics.resampling import Units, bootstrap
from nnunetv2_fair.files.versions import measuring_versions

#: Up to this many changes the signed-rank test is exact.
_MOST_EXACT = 50


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

    Raises:
        UsageError: If there are fewer than two results or the names do not fit.
        EvaluationError: If the evaluations differ in anything but the predictions; all
            differences at once.
    """
    models = model_names(results, names)
    baseline = results[0]
    evaluated = [evaluated_rows(result.per_case) for result in results]
    cases = common_cases_of(results, evaluated, models, common_cases)
    aligned = [
        rows[rows["case"].isin(cases)].sort_values("case", kind="stable") for rows in evaluated
    ]
    given = baseline.settings
    settings = StatisticsSettings(
        unit=given.get("unit", "patient"),
        min_patients=int(given.get("min_patients", 5)),
        n_bootstrap=n_bootstrap,
        confidence=float(confidence or given.get("confidence", 0.95)),
        seed=seed,
    )
    entries = []
    undefined = 0
    with tqdm(
        total=len(baseline.attributes) * len(baseline.labels) * len(baseline.metrics),
        desc="Comparing models",
        unit="test",
    ) as progress:
        for attribute in baseline.attributes:
            for label in baseline.labels:
                for metric in baseline.metrics:
                    entry, dropped = _compare(
                        aligned, models, baseline, attribute, label, metric, settings
                    )
                    if (label, metric.name) == (baseline.headline_label, baseline.metrics[0].name):
                        undefined = max(undefined, dropped)
                    entries.append(entry)
                    progress.update()
    return ModelComparison(
        models=tuple(models),
        baseline=models[0],
        metrics=baseline.metrics,
        labels=baseline.labels,
        attributes=baseline.attributes,
        entries=_corrected(entries),
        notes=_notes(evaluated, models, cases, undefined, baseline),
        definitions={
            **definitions(settings),
            **{metric.name: metric.definition for metric in baseline.metrics},
            **_definitions(settings),
        },
        settings={
            "models": {
                model: {
                    "predictions": result.settings.get("predictions", ""),
                    "inputs_sha256": result.inputs_sha256,
                    "created": result.created,
                }
                for model, result in zip(models, results, strict=True)
            },
            "common_cases": common_cases,
            "bootstrap": n_bootstrap,
            "confidence": settings.confidence,
            "seed": seed,
            **{key: given[key] for key in MUST_AGREE if key in given},
        },
        versions=measuring_versions(),
        created=datetime.now(timezone.utc).isoformat(timespec="seconds"),
        group_parts=baseline.group_parts,
    )


@dataclass(frozen=True)
class _Paired:
    """One metric, label and attribute with everything that both sides of a difference need."""

    models: Sequence[str]
    names: tuple[str, ...]
    units: Units
    estimates: Sequence[Estimates]
    patients: Sequence[int]
    enough: list[int]
    metric: MetricInfo
    settings: StatisticsSettings

    def gaps(self, model: int, summaries: Summaries) -> dict[str, np.ndarray]:
        """Fairness measures by the names used in the result; fairness gaps without their sign."""
        several = len(self.enough) > 2
        return {
            _gap_name(key, several): np.abs(value) if key.name == "fairness_gap" else value
            for key, value in self.estimates[model].gap_values(summaries).items()
        }

    def worst(self, means: np.ndarray) -> np.ndarray:
        """Worst mean of the groups that are large enough, over the last axis."""
        if not self.enough:
            return np.full(means.shape[:-1], np.nan)
        chosen = means[..., self.enough]
        return np.asarray(
            chosen.min(axis=-1) if self.metric.better == "higher" else chosen.max(axis=-1)
        )

    @property
    def sizeable(self) -> int:
        """Patients needed for an interval and a test."""
        return max(2, self.settings.min_patients)


def _gap_name(key: GapKey, several: bool) -> str:
    if key.name == "fairness_gap" and several:
        return f"fairness_gap: {key.between[0]} - {key.between[1]}"
    return key.name


def _compare(
    aligned: Sequence[pd.DataFrame],
    models: Sequence[str],
    baseline: EvaluationResult,
    attribute: str,
    label: str,
    metric: MetricInfo,
    settings: StatisticsSettings,
) -> tuple[PairedComparison, int]:
    """Return the comparison, and how many cases were left out as undefined in some model."""
    policy: EmptyDistance = baseline.settings.get("empty_distance", "diagonal")
    first = aligned[0][aligned[0]["label"] == label]
    names = tuple(baseline.comparison(attribute, metric.name, label).groups)
    position = {name: index for index, name in enumerate(names)}
    group = first[attribute].map(position).to_numpy(dtype=float)
    known = ~np.isnan(group)
    values = np.stack(
        [metric_values(rows, metric, label, baseline.labels, policy)[0] for rows in aligned]
    )
    complete = ~np.isnan(values).any(axis=0)
    chosen = known & complete
    groups = group[chosen].astype(int)
    patients = first["patient"].to_numpy(dtype=object)[chosen]
    observations = Observations(
        values[0, chosen], np.zeros(int(chosen.sum()), dtype=bool), patients, groups, names
    )
    everything = np.ones(len(patients), dtype=bool)
    counts = patients_per_group(observations, everything)
    left_out = too_small(names, observations, counts, settings.min_patients)
    enough = [index for index, name in enumerate(names) if name not in left_out]
    wanted = baseline.settings.get("reference_groups", {}).get(attribute)
    unit_names = patients if settings.unit == "patient" else np.arange(len(patients)).astype(str)
    units = Units.from_cases(values[:, chosen], list(unit_names), groups, len(names))
    replicates = bootstrap(
        units, settings.n_bootstrap, settings.generator(attribute, metric.name, label)
    )
    estimates = [
        Estimates.of(
            units,
            replicates,
            model,
            names=names,
            enough=enough,
            reference=reference_index(names, enough, counts, wanted),
            error_measures=metric.one_minus_is_error,
            confidence=settings.confidence,
        )
        for model in range(len(models))
    ]
    paired = _Paired(models, names, units, estimates, counts, enough, metric, settings)
    n_patients = len(set(patients))
    entry = PairedComparison(
        attribute=attribute,
        metric=metric.name,
        label=label,
        per_model={model: _scores(paired, index, n_patients) for index, model in enumerate(models)},
        differences={
            model: _differences(paired, index, n_patients)
            for index, model in enumerate(models)
            if index
        },
        n_cases=len(patients),
        n_patients=n_patients,
        group_cases={name: int((groups == i).sum()) for i, name in enumerate(names)},
        group_patients=dict(zip(names, counts, strict=True)),
        left_out=left_out,
        ranks=_ranks(paired, n_patients),
    )
    return entry, int((known & ~complete).sum())


def _scores(paired: _Paired, model: int, n_patients: int) -> ModelScores:
    estimates = paired.estimates[model]
    means = estimates.data.means
    worst = float(paired.worst(means))
    worst_group = next((paired.names[i] for i in paired.enough if means[i] == worst), "")
    several = len(paired.enough) > 2
    large = n_patients >= paired.sizeable
    return ModelScores(
        overall_mean=float(estimates.data.overall_mean),
        overall_interval=estimates.overall_mean_interval if large else NO_INTERVAL,
        group_means={name: float(mean) for name, mean in zip(paired.names, means, strict=True)},
        group_intervals={
            name: estimates.mean_interval(index)
            if paired.patients[index] >= paired.sizeable
            else NO_INTERVAL
            for index, name in enumerate(paired.names)
        },
        worst_group=worst_group,
        worst_group_mean=worst,
        gaps={_gap_name(key, several): found for key, found in estimates.gaps().items()},
    )


def _differences(paired: _Paired, model: int, n_patients: int) -> ModelDifferences:
    ours, theirs = paired.estimates[model], paired.estimates[0]
    means = _minus(ours.drawn.means, theirs.drawn.means)
    with np.errstate(invalid="ignore"):  # infinite values have no variance
        variances = means.var(axis=0) if len(means) else np.full(len(paired.names), np.nan)

    def interval(draws: np.ndarray, groups: list[int]) -> Interval:
        if not draws.size or not groups:
            return NO_INTERVAL
        confidence = paired.settings.confidence
        sources = Sources(variances[groups], ours.sizes[groups])
        return expanded_interval(draws, confidence, sources)

    def tested(found: Difference, values: tuple[np.ndarray, np.ndarray], n: int) -> Difference:
        if n < paired.sizeable:
            return Difference(found.value, NO_INTERVAL, math.nan)
        return Difference(found.value, found.interval, signed_rank(_minus(*values)))

    units = paired.units
    overall_draws = _minus(ours.drawn.overall_mean, theirs.drawn.overall_mean)
    overall = Difference(
        float(_minus(ours.data.overall_mean, theirs.data.overall_mean)),
        expanded_interval(
            overall_draws,
            paired.settings.confidence,
            Sources(np.ones(1), np.array([ours.overall.size])),
        )
        if overall_draws.size
        else NO_INTERVAL,
    )
    change = _minus(ours.data.means, theirs.data.means)
    worst_draws = _minus(paired.worst(ours.drawn.means), paired.worst(theirs.drawn.means))
    gaps, base = paired.gaps(model, ours.data), paired.gaps(0, theirs.data)
    gap_draws, base_draws = paired.gaps(model, ours.drawn), paired.gaps(0, theirs.drawn)
    return ModelDifferences(
        overall=tested(overall, (units.overall[model], units.overall[0]), n_patients),
        groups={
            name: tested(
                Difference(float(change[index]), interval(means[:, index], [index])),
                (units.of_group(index, model), units.of_group(index, 0)),
                paired.patients[index],
            )
            for index, name in enumerate(paired.names)
        },
        worst_group=Difference(
            float(_minus(paired.worst(ours.data.means), paired.worst(theirs.data.means))),
            interval(worst_draws, paired.enough),
        ),
        gaps={
            name: Difference(
                float(_minus(gaps[name], base[name])),
                interval(_minus(gap_draws[name], base_draws[name]), paired.enough),
            )
            for name in gaps
        },
    )


def _ranks(paired: _Paired, n_patients: int) -> dict[str, dict[str, RankRange]]:
    """Return the ranks of all models by every measure."""
    if n_patients < paired.sizeable or not paired.settings.n_bootstrap:
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


def _corrected(entries: Sequence[PairedComparison]) -> tuple[PairedComparison, ...]:
    """Correct the tests of each metric for their number."""
    places: dict[str, list[tuple[int, str, str | None]]] = {}
    for index, entry in enumerate(entries):
        for model, found in entry.differences.items():
            for group in (None, *found.groups):
                places.setdefault(entry.metric, []).append((index, model, group))
    made = [dict(entry.differences) for entry in entries]
    for family in places.values():
        tests = [
            made[index][model].overall if group is None else made[index][model].groups[group]
            for index, model, group in family
        ]
        corrected = holm([math.nan if t.p_value is None else t.p_value for t in tests])
        for (index, model, group), test, p_value in zip(family, tests, corrected, strict=True):
            found = made[index][model]
            changed = dataclasses.replace(test, corrected_p=p_value)
            made[index][model] = (
                dataclasses.replace(found, overall=changed)
                if group is None
                else dataclasses.replace(found, groups={**found.groups, group: changed})
            )
    return tuple(
        dataclasses.replace(entry, differences=differences)
        for entry, differences in zip(entries, made, strict=True)
    )


def _minus(ours: np.ndarray, theirs: np.ndarray) -> np.ndarray:
    with np.errstate(invalid="ignore"):  # two infinite distances have no difference
        return np.asarray(ours - theirs)


def signed_rank(changes: np.ndarray) -> float:
    """Return the p-value of the two-sided Wilcoxon signed-rank test; 1 if nothing changed.

    Zeros are dropped. Up to 50 changes the test is exact, also with ties; beyond it uses the normal
    approximation.

    Args:
        changes: One difference per unit.

    Returns:
        The p-value; NaN if a difference is undefined or there are none.

    Source: Wilcoxon, Individual comparisons by ranking methods, 1945.
    """
    if not changes.size or np.isnan(changes).any():
        return math.nan
    changes = changes[changes != 0]
    if not changes.size:
        return 1.0
    if changes.size > _MOST_EXACT:
        return float(scipy.stats.wilcoxon(changes, method="approx").pvalue)
    # scipy's exact test enumerates all signs if there are ties; sums of ranks are few. Twice the
    # ranks are whole numbers: sums[k] counts the sign patterns with positive rank sum k / 2.
    ranks = np.rint(2 * scipy.stats.rankdata(np.abs(changes))).astype(int)
    sums = np.zeros(ranks.sum() + 1)
    sums[0] = 1
    for rank in ranks:
        sums[rank:] += sums[:-rank].copy()
    positive = ranks[changes > 0].sum()
    tail = min(sums[: positive + 1].sum(), sums[positive:].sum())
    return min(1.0, float(2 * tail / sums.sum()))


def _notes(
    evaluated: Sequence[pd.DataFrame],
    models: Sequence[str],
    cases: Sequence[str],
    undefined: int,
    baseline: EvaluationResult,
) -> tuple[str, ...]:
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


def _definitions(settings: StatisticsSettings) -> Mapping[str, str]:
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
        "Models whose ranges overlap are not put in an order.",
        "worst_group": "Group with the worst mean; for the difference each model's own worst group "
        "is taken, which may be different groups.",
        "paired_test": "Two-sided Wilcoxon signed-rank test of the differences per unit.",
        "corrected_p": "p-value corrected by Holm's method over all tests by the same metric "
        "(every model, attribute, label and group).",
    }
