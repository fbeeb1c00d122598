"""Evaluates a folder of predictions: one case at a time, then groups against each other."""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Any

import pandas as pd

from nnunetv2_fair.errors import EvaluationError, shorten
from nnunetv2_fair.evaluation.measuring.all_cases import Part, case_task, measure_all
from nnunetv2_fair.evaluation.measuring.labels import LabelSet, labels_found
from nnunetv2_fair.evaluation.measuring.one_case import CaseMeasures, LabelMeasures
from nnunetv2_fair.evaluation.measuring.plan import EvaluationPlan
from nnunetv2_fair.evaluation.metrics.registry import DEFAULT_METRICS, Metric, metrics_named
from nnunetv2_fair.evaluation.results.evaluation import EvaluationResult, Exclusion
from nnunetv2_fair.evaluation.results.groups import Comparison
from nnunetv2_fair.evaluation.results.per_case import (
    AVERAGE,
    BOTH_EMPTY,
    EMPTY_PREDICTION,
    EMPTY_REFERENCE,
    MISSING_PREDICTION,
    EmptyDistance,
)
from nnunetv2_fair.evaluation.results.values import MetricInfo
from nnunetv2_fair.evaluation.statistics.all_comparisons import compare_all
from nnunetv2_fair.evaluation.statistics.group_comparison import StatisticsSettings, definitions
from nnunetv2_fair.evaluation.statistics.groupings import UNKNOWN, group_notes, unknown_exclusions
from nnunetv2_fair.files.fingerprints import file_hash, hash_of
from nnunetv2_fair.files.versions import measuring_versions


@dataclass(frozen=True)
class EvaluationSettings:
    """Options of an evaluation.

    Attributes:
        metrics: Names of the metrics.
        tolerance: Distance that NSD accepts, in mm (px for pictures).
        empty_distance: What an infinite distance counts as in the statistics.
        statistics: How cases are aggregated.
        name: What is evaluated, for titles; the prediction folder's name if empty.
        processes: Number of worker processes; 1 measures in this process.
    """

    metrics: tuple[str, ...] = DEFAULT_METRICS
    tolerance: float = 1.0
    empty_distance: EmptyDistance = "diagonal"
    statistics: StatisticsSettings = field(default_factory=StatisticsSettings)
    name: str = ""
    processes: int = 1


def run_evaluation(
    plan: EvaluationPlan, settings: EvaluationSettings, part: Part | None = None
) -> EvaluationResult:
    """Measure every case and compare the groups.

    Only one pair of masks per process is in memory at a time.

    Args:
        plan: What to evaluate.
        settings: How.
        part: Where measured cases are kept; nowhere if None. Not for a single shard.

    Raises:
        EvaluationError: If a mask is unreadable or holds wrong values; all cases at once.
    """
    metrics = metrics_named(settings.metrics)
    task = case_task(plan, settings.metrics, settings.tolerance)
    measured = measure_all(plan, task, settings.processes, part or Part())
    labels = plan.labels if plan.labels is not None else _labels_of(measured, plan)
    infos = tuple(
        _metric_info(metric, plan.unit, settings.tolerance, settings.empty_distance)
        for metric in metrics
    )
    per_case = _per_case(plan, measured, labels, infos)
    names = (*labels.regions, AVERAGE) if len(labels.regions) > 1 else tuple(labels.regions)
    comparisons = compare_all(
        per_case, infos, names, plan.vocabularies, settings.empty_distance, settings.statistics
    )
    return EvaluationResult(
        name=settings.name or plan.prediction_folder.resolve().name,
        per_case=per_case,
        metrics=infos,
        labels=names,
        attributes=tuple(grouping.expression for grouping in plan.groupings),
        comparisons=comparisons,
        exclusions=_exclusions(plan),
        notes=_notes(plan, settings, per_case, infos, comparisons),
        definitions={
            **definitions(settings.statistics),
            **{metric.name: metric.definition for metric in infos},
        },
        settings=_settings(plan, settings, labels),
        versions=measuring_versions(),
        inputs_sha256=_inputs_hash(plan, measured),
        created=datetime.now(timezone.utc).isoformat(timespec="seconds"),
        group_parts={grouping.expression: grouping.parts for grouping in plan.groupings},
    )


def _labels_of(measured: Sequence[CaseMeasures], plan: EvaluationPlan) -> LabelSet:
    labels = labels_found(value for case in measured for value in case.reference_values)
    if not labels.regions:
        raise EvaluationError(
            f"All references in {plan.reference_folder} are empty and there is no dataset.json, so "
            "there is nothing to evaluate. Check -gt, or name the labels with --dataset-json."
        )
    strange = {
        case.case: sorted(set(case.prediction_values) - labels.known)
        for case in measured
        if set(case.prediction_values) - labels.known
    }
    if strange:
        values = sorted({value for found in strange.values() for value in found})
        raise EvaluationError(
            f"{len(strange)} prediction(s) in {plan.prediction_folder} hold the label values "
            f"{shorten(values)}, which no reference holds: {shorten(strange)} (the references hold "
            f"{shorten(sorted(labels.known), 12)}). If these values are right, pass the "
            "dataset.json that describes them with --dataset-json."
        )
    return labels


def _metric_info(
    metric: Metric, unit: str, tolerance: float, empty_distance: EmptyDistance
) -> MetricInfo:
    definition = metric.definition
    if metric.name == "nsd":
        definition += f" The tolerance is {tolerance:g} {unit}."
    if metric.is_distance:
        definition += {
            "diagonal": " In all statistics an infinite distance counts as the image diagonal, so "
            "that a missed structure is never rewarded.",
            "inf": " In all statistics an infinite distance stays infinite.",
            "nan": " Infinite distances are left out of all statistics, which favours models that "
            "miss structures altogether.",
        }[empty_distance]
    unit = unit if metric.is_distance else ""
    return MetricInfo(
        metric.name, metric.title, unit, metric.better, definition, metric.one_minus_is_error
    )


def _per_case(
    plan: EvaluationPlan,
    measured: Sequence[CaseMeasures],
    labels: LabelSet,
    infos: Sequence[MetricInfo],
) -> pd.DataFrame:
    patients = plan.table.patients
    undefined = tuple(math.nan for _ in infos)
    absent = LabelMeasures(undefined, 0, 0)
    both_empty = LabelMeasures(
        tuple(metric.both_empty for metric in metrics_named([info.name for info in infos])), 0, 0
    )
    records: list[dict[str, Any]] = []
    for pair, case in zip(plan.pairs, measured, strict=True):
        about = {
            "case": pair.case,
            "patient": patients[pair.case],
            **{g.expression: g.group_of[pair.case] or "" for g in plan.groupings},
        }
        found: dict[str, tuple[LabelMeasures, str]] = {}
        for name in labels.regions:
            if pair.prediction is None:
                found[name] = (absent, MISSING_PREDICTION)
            else:
                label = case.labels.get(name, both_empty)
                found[name] = (label, _flag(label))
        if len(found) > 1:
            found[AVERAGE] = _average(list(found.values()))
        for name, (label, flags) in found.items():
            known = pair.prediction is not None
            records.append(
                {
                    **about,
                    "label": name,
                    **{info.column: value for info, value in zip(infos, label.values, strict=True)},
                    f"diagonal_{plan.unit}": case.diagonal,
                    "reference_voxels": label.reference_voxels if known else None,
                    "prediction_voxels": label.prediction_voxels if known else None,
                    "flags": flags,
                }
            )
    frame = pd.DataFrame.from_records(records)
    for column in ("reference_voxels", "prediction_voxels"):
        frame[column] = frame[column].astype("Int64")
    return frame


def _flag(label: LabelMeasures) -> str:
    if not label.reference_voxels and not label.prediction_voxels:
        return BOTH_EMPTY
    if not label.prediction_voxels:
        return EMPTY_PREDICTION
    return "" if label.reference_voxels else EMPTY_REFERENCE


def _average(found: Sequence[tuple[LabelMeasures, str]]) -> tuple[LabelMeasures, str]:
    """Return the mean over a case's defined labels; an infinite distance makes it infinite."""
    means = []
    for values in zip(*(label.values for label, _ in found), strict=True):
        defined = [value for value in values if not math.isnan(value)]
        means.append(sum(defined) / len(defined) if defined else math.nan)
    flags = dict.fromkeys(flag for _, flag in found if flag)
    return (
        LabelMeasures(
            tuple(means),
            sum(label.reference_voxels for label, _ in found),
            sum(label.prediction_voxels for label, _ in found),
        ),
        ";".join(flags),
    )


def _exclusions(plan: EvaluationPlan) -> tuple[Exclusion, ...]:
    made = []
    if plan.missing:
        made.append(
            Exclusion(
                "The prediction is missing, so the case enters no statistic.",
                plan.missing,
                {g.expression: _counts(g.group_of, plan.missing) for g in plan.groupings},
            )
        )
    made.extend(unknown_exclusions(plan.groupings, [pair.case for pair in plan.pairs]))
    return tuple(made)


def _counts(group_of: Mapping[str, str | None], cases: Sequence[str]) -> dict[str, int]:
    return dict(Counter(group_of[case] or UNKNOWN for case in cases))


def _notes(
    plan: EvaluationPlan,
    settings: EvaluationSettings,
    per_case: pd.DataFrame,
    infos: Sequence[MetricInfo],
    comparisons: Sequence[Comparison],
) -> tuple[str, ...]:
    notes = []
    if plan.unit == "px":
        notes.append(
            "The masks are pictures without a physical spacing, so distances are in pixels (px)."
        )
    if plan.dataset_json is None:
        notes.append(
            "No dataset.json was found, so the labels are the values that occur in the references."
        )
    labels = per_case[per_case["label"] != AVERAGE]
    flags = Counter(labels["flags"])
    one_empty = flags[EMPTY_PREDICTION] + flags[EMPTY_REFERENCE]
    if one_empty and any(info.unit for info in infos):
        treatment = {
            "diagonal": "counts as the image diagonal",
            "inf": "stays infinite",
            "nan": "is left out",
        }[settings.empty_distance]
        notes.append(
            f"In {_number(one_empty, 'label mask')} the label is empty in the prediction "
            f"({flags[EMPTY_PREDICTION]}) or in the reference ({flags[EMPTY_REFERENCE]}) alone: "
            f"Dice and IoU are 0, and the infinite distance {treatment} in all statistics."
        )
    if flags[BOTH_EMPTY]:
        notes.append(
            f"In {_number(flags[BOTH_EMPTY], 'label mask')} the label is empty in reference and "
            "prediction: nothing can be measured, and these are left out of the statistics."
        )
    voxels = labels.groupby("case")["prediction_voxels"].sum(min_count=1)
    empty = int((voxels == 0).sum())
    if empty:
        notes.append(f"{_number(empty, 'prediction')} without any foreground.")
    patients = per_case["patient"].nunique()
    cases = len(plan.pairs)
    if patients < cases:
        how = (
            "statistics are by patient, not by case"
            if settings.statistics.unit == "patient"
            else "statistics are by case, so intervals and tests are too confident"
        )
        notes.append(f"{cases} cases come from {patients} patients; {how}.")
    notes.extend(group_notes(plan.vocabularies, comparisons))
    synthetic = plan.table.synthetic_cases & {pair.case for pair in plan.pairs}
    if synthetic:
        notes.append(f"{_number(len(synthetic), 'case')} marked as synthetic in the table.")
    if plan.unused_predictions:
        notes.append(
            f"{_number(len(plan.unused_predictions), 'prediction')} without reference: not used."
        )
    return tuple(notes)


def _number(count: int, what: str) -> str:
    return f"{count} {what}{'' if count == 1 else 's'}"


def _settings(
    plan: EvaluationPlan, settings: EvaluationSettings, labels: LabelSet
) -> dict[str, Any]:
    statistics = settings.statistics
    return {
        "references": str(plan.reference_folder),
        "predictions": str(plan.prediction_folder),
        "demographics": str(plan.table.source),
        "dataset_json": str(plan.dataset_json) if plan.dataset_json is not None else "",
        "metrics": list(settings.metrics),
        "tolerance": settings.tolerance,
        "empty_distance": settings.empty_distance,
        "unit": statistics.unit,
        "min_patients": statistics.min_patients,
        "bootstrap": statistics.n_bootstrap,
        "confidence": statistics.confidence,
        "seed": statistics.seed,
        "allow_missing": bool(plan.missing),
        "regions": {name: list(values) for name, values in labels.regions.items()},
        "ignore_label": labels.ignore,
        "groups": {v.expression: list(v.names) for v in plan.vocabularies},
        "reference_groups": {v.expression: v.reference for v in plan.vocabularies},
    }


def _inputs_hash(plan: EvaluationPlan, measured: Sequence[CaseMeasures]) -> str:
    parts = ["\0".join((case.case, *case.sha256)).encode() + b"\n" for case in measured]
    others = [plan.table.source, plan.table.source.with_suffix(".json"), plan.dataset_json]
    for path in others:
        if path is not None and path.is_file():
            parts.append(bytes.fromhex(file_hash(path)))
    return hash_of(*parts)
