"""Compares models on the same cases: paired differences of scores and of fairness measures."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone

import numpy as np
import pandas as pd
import scipy.stats
from tqdm import tqdm

from nnunetv2_fair.errors import EvaluationError, UsageError, shorten, shorten_lines
from nnunetv2_fair.evaluation.aggregation import EmptyDistance, evaluated_rows, metric_values
from nnunetv2_fair.evaluation.comparison_result import (
    Difference,
    ModelComparison,
    ModelDifferences,
    ModelScores,
    PairedComparison,
)
from nnunetv2_fair.evaluation.evaluator import versions
from nnunetv2_fair.evaluation.registry import METRICS
from nnunetv2_fair.evaluation.result import EvaluationResult, MetricInfo
from nnunetv2_fair.evaluation.statistics import (
    NO_INTERVAL,
    GapKey,
    Observations,
    StatisticsSettings,
    Summaries,
    definitions,
    gap_values,
    interval,
    patients_per_group,
    reference_index,
    summaries_of_replicates,
    too_small,
)
from nnunetv2_fair.evaluation.units import Replicates, Units, bootstrap

#: Settings that must agree, or the same name would stand for different things.
_MUST_AGREE = (
    "unit", "min_patients", "empty_distance", "tolerance", "regions", "ignore_label",
    "reference_groups",
)  # fmt: skip

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
    models = _names(results, names)
    baseline = results[0]
    evaluated = [evaluated_rows(result.per_case) for result in results]
    cases = _check(results, evaluated, models, common_cases)
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
        entries=tuple(entries),
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
            **{key: given[key] for key in _MUST_AGREE if key in given},
        },
        versions=versions(),
        created=datetime.now(timezone.utc).isoformat(timespec="seconds"),
    )


def _names(results: Sequence[EvaluationResult], names: Sequence[str] | None) -> list[str]:
    if len(results) < 2:
        raise UsageError(
            f"A comparison needs two or more evaluations, got {len(results)}. Pass the output "
            "folders of nnUNetv2_fair_evaluate, the baseline first."
        )
    chosen = [result.name for result in results] if names is None else list(names)
    if len(chosen) != len(results):
        raise UsageError(
            f"--names has {len(chosen)} names for {len(results)} evaluations: give one for each."
        )
    if len(set(chosen)) != len(chosen):
        raise UsageError(
            f"The models have the same name ({shorten(chosen)}): tell them apart with --names, for "
            "example --names baseline oversampling."
        )
    return chosen


def _check(
    results: Sequence[EvaluationResult],
    evaluated: Sequence[pd.DataFrame],
    models: Sequence[str],
    common_cases: bool,
) -> list[str]:
    """Return the cases to compare; raise if the evaluations differ in anything else."""
    baseline, first = results[0], models[0]
    problems = []
    case_sets = [set(rows["case"]) for rows in evaluated]
    common = set.intersection(*case_sets)
    for result, model, rows, cases in zip(
        results[1:], models[1:], evaluated[1:], case_sets[1:], strict=True
    ):
        pair = f"'{first}' and '{model}'"
        for what, ours, theirs in (
            ("labels", baseline.labels, result.labels),
            (
                "metrics",
                tuple(metric.column for metric in baseline.metrics),
                tuple(metric.column for metric in result.metrics),
            ),
            ("attributes", baseline.attributes, result.attributes),
        ):
            if ours != theirs:
                problems.append(
                    f"{pair} have different {what}: {shorten(ours, 12)} against "
                    f"{shorten(theirs, 12)}"
                )
        problems.extend(
            f"{pair} were evaluated with different settings: {key} is "
            f"{baseline.settings.get(key)!r} against {result.settings.get(key)!r}"
            for key in _MUST_AGREE
            if baseline.settings.get(key) != result.settings.get(key)
        )
        alone, missing = case_sets[0] - cases, cases - case_sets[0]
        if (alone or missing) and not common_cases:
            problems.append(
                f"{pair} have different cases: {len(alone)} only in the first "
                f"({shorten(sorted(alone), 3) or 'none'}), {len(missing)} only in the second "
                f"({shorten(sorted(missing), 3) or 'none'}); pass --common-cases to compare the "
                f"{len(common)} that all have"
            )
        if not problems:
            problems.extend(_row_problems(pair, evaluated[0], rows, common, baseline.attributes))
    if not common:
        problems.append(
            f"no case has a prediction in all evaluations: {first} has cases like "
            f"{shorten(sorted(case_sets[0]), 2) or 'none'}"
        )
    if problems:
        raise EvaluationError(
            "These evaluations cannot be compared:\n"
            f"{shorten_lines(problems)}\n"
            "Evaluate all models with the same references, table and options."
        )
    return sorted(common)


def _row_problems(
    pair: str,
    ours: pd.DataFrame,
    theirs: pd.DataFrame,
    common: set[str],
    attributes: Sequence[str],
) -> list[str]:
    problems = []
    left, right = (
        rows[rows["case"].isin(common)].set_index(["case", "label"]).sort_index()
        for rows in (ours, theirs)
    )
    for column in ("patient", *attributes):
        differing = sorted(
            {key[0] for key in left.index[(left[column] != right[column]).to_numpy(dtype=bool)]}
        )
        if differing:
            problems.append(
                f"{pair}: the column '{column}' differs in {len(differing)} cases: "
                f"{shorten(differing)}; were they evaluated with the same table?"
            )
    same = left["reference_voxels"].to_numpy(dtype=float) == right["reference_voxels"].to_numpy(
        dtype=float
    )
    differing = sorted({key[0] for key in left.index[~same]})
    if differing:
        problems.append(
            f"{pair}: the references differ in {len(differing)} cases: {shorten(differing)}"
        )
    return problems


@dataclass(frozen=True)
class _Paired:
    """One metric, label and attribute with everything that both sides of a difference need."""

    models: Sequence[str]
    names: tuple[str, ...]
    units: Units
    replicates: Replicates
    patients: Sequence[int]
    enough: list[int]
    reference: int | None
    metric: MetricInfo
    settings: StatisticsSettings

    def summaries(self, model: int) -> Summaries:
        """Means and medians of the data."""
        groups = [self.units.of_group(index, model) for index in range(len(self.names))]
        overall = self.units.overall[model]
        return Summaries(
            np.array([values.mean() if values.size else math.nan for values in groups]),
            np.array([np.median(values) if values.size else math.nan for values in groups]),
            np.asarray(overall.mean() if overall.size else math.nan),
        )

    def gaps(self, summaries: Summaries) -> dict[str, np.ndarray]:
        """Fairness measures by the names used in the result."""
        found = gap_values(
            summaries,
            self.names,
            self.enough,
            self.reference,
            METRICS[self.metric.name].one_minus_is_error,
        )
        several = len(self.enough) > 2
        return {_gap_name(key, several): value for key, value in found.items()}

    def magnitude(self, summaries: Summaries, name: str) -> np.ndarray:
        """One fairness measure as differences use it: fairness gaps without their sign."""
        value = self.gaps(summaries)[name]
        return np.abs(value) if name.startswith("fairness_gap") else value

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
    paired = _Paired(
        models,
        names,
        units,
        bootstrap(units, settings.n_bootstrap, settings.generator(attribute, metric.name, label)),
        counts,
        enough,
        reference_index(names, enough, counts, wanted),
        metric,
        settings,
    )
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
    )
    return entry, int((known & ~complete).sum())


def _scores(paired: _Paired, model: int, n_patients: int) -> ModelScores:
    confidence = paired.settings.confidence
    summaries = paired.summaries(model)
    drawn = summaries_of_replicates(paired.replicates, model)
    drawn_gaps = paired.gaps(drawn)
    worst = float(paired.worst(summaries.means))
    worst_group = next((paired.names[i] for i in paired.enough if summaries.means[i] == worst), "")
    large = n_patients >= paired.sizeable
    return ModelScores(
        overall_mean=float(summaries.overall_mean),
        overall_interval=interval(drawn.overall_mean, confidence) if large else NO_INTERVAL,
        group_means={
            name: float(mean) for name, mean in zip(paired.names, summaries.means, strict=True)
        },
        group_intervals={
            name: interval(drawn.means[:, index], confidence)
            if paired.patients[index] >= paired.sizeable
            else NO_INTERVAL
            for index, name in enumerate(paired.names)
        },
        worst_group=worst_group,
        worst_group_mean=worst,
        gaps={
            name: (float(value), interval(drawn_gaps[name], confidence))
            for name, value in paired.gaps(summaries).items()
        },
    )


def _differences(paired: _Paired, model: int, n_patients: int) -> ModelDifferences:
    confidence = paired.settings.confidence
    data = paired.summaries(model), paired.summaries(0)
    drawn = tuple(summaries_of_replicates(paired.replicates, m) for m in (model, 0))

    def of(function: Callable[[Summaries], np.ndarray]) -> Difference:
        value, draws = (_minus(*map(function, pair)) for pair in (data, drawn))
        return Difference(float(value), interval(draws, confidence))

    def tested(found: Difference, ours: np.ndarray, theirs: np.ndarray, n: int) -> Difference:
        if n < paired.sizeable:
            return Difference(found.value, NO_INTERVAL, math.nan)
        return Difference(found.value, found.interval, signed_rank(_minus(ours, theirs)))

    units = paired.units
    overall = of(lambda summaries: summaries.overall_mean)
    gap_names = list(paired.gaps(data[0]))
    return ModelDifferences(
        overall=tested(overall, units.overall[model], units.overall[0], n_patients),
        groups={
            name: tested(
                of(lambda summaries, group=index: summaries.means[..., group]),  # type: ignore[misc]
                units.of_group(index, model),
                units.of_group(index, 0),
                paired.patients[index],
            )
            for index, name in enumerate(paired.names)
        },
        worst_group=of(lambda summaries: paired.worst(summaries.means)),
        gaps={
            name: of(lambda summaries, gap=name: paired.magnitude(summaries, gap))  # type: ignore[misc]
            for name in gap_names
        },
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
            f"{len(models) - 1} models are compared with {models[0]}; p-values are not corrected "
            "for that."
        )
    return tuple(notes)


def _definitions(settings: StatisticsSettings) -> Mapping[str, str]:
    return {
        "difference": "A model's value minus the baseline's, on the same cases.",
        "difference_interval": f"{settings.confidence:.0%} paired percentile bootstrap interval: "
        f"{settings.n_bootstrap} resamples of whole {settings.unit}s within each group, the same "
        "ones for all models. If it excludes 0, the models differ by more than chance explains.",
        "gap_difference": "Fairness measure of the model minus that of the baseline. Fairness gaps "
        "are compared by magnitude. Below 0 the model is fairer, except for equity-scaled scores, "
        "where above 0 is better.",
        "worst_group": "Group with the worst mean; for the difference each model's own worst group "
        "is taken, which may be different groups.",
        "paired_test": "Two-sided Wilcoxon signed-rank test of the differences per unit; p-values "
        "are not corrected for testing several metrics, labels, groups and models.",
    }
