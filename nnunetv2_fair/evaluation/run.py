"""Runs an evaluation: of masks that are measured, or of scores that already exist."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pandas as pd

from nnunetv2_fair.evaluation.confounding.adjusted_gaps import adjusted_gaps
from nnunetv2_fair.evaluation.confounding.adjusted_gaps import (
    definitions as definitions_of_adjustment,
)
from nnunetv2_fair.evaluation.confounding.confounders import confounders_of
from nnunetv2_fair.evaluation.downstream.all_measures import downstream_task, with_downstream
from nnunetv2_fair.evaluation.downstream.settings import DownstreamSettings
from nnunetv2_fair.evaluation.failures.criteria import check_failures, criteria_of
from nnunetv2_fair.evaluation.failures.rates import compare_failures
from nnunetv2_fair.evaluation.failures.rates import definitions as failure_definitions
from nnunetv2_fair.evaluation.findings.all_findings import with_findings
from nnunetv2_fair.evaluation.measuring.all_cases import Part, case_task, measure_all
from nnunetv2_fair.evaluation.measuring.case_rows import case_rows, labels_in
from nnunetv2_fair.evaluation.measuring.labels import LabelSet
from nnunetv2_fair.evaluation.measuring.one_case import CaseMeasures
from nnunetv2_fair.evaluation.measuring.plan import EvaluationPlan
from nnunetv2_fair.evaluation.metrics.registry import DEFAULT_METRICS, Metric, metrics_named
from nnunetv2_fair.evaluation.origin import name_of_scores, origin
from nnunetv2_fair.evaluation.results.evaluation import EvaluationResult, Exclusion
from nnunetv2_fair.evaluation.results.failures import FailureCriterion
from nnunetv2_fair.evaluation.results.groups import CHOSEN_GROUPS
from nnunetv2_fair.evaluation.results.tables.per_case import EmptyDistance, evaluated_rows
from nnunetv2_fair.evaluation.results.tables.public_notes import MISSING_PREDICTION
from nnunetv2_fair.evaluation.results.trainings import ONE_TRAINING
from nnunetv2_fair.evaluation.results.values import MetricInfo
from nnunetv2_fair.evaluation.run_notes import (
    note_on_synthetic,
    notes_on_cases,
    notes_on_masks,
    notes_on_scores,
    notes_on_units,
)
from nnunetv2_fair.evaluation.scored_cases import (
    check_cases,
    check_infinite_distances,
    scored_rows,
    without_synthetic,
)
from nnunetv2_fair.evaluation.scores_from_files import Scores
from nnunetv2_fair.evaluation.statistics.all_comparisons import GroupVocabulary, compare_all
from nnunetv2_fair.evaluation.statistics.averages import labels_to_compare
from nnunetv2_fair.evaluation.statistics.equivalence import check_margins
from nnunetv2_fair.evaluation.statistics.group_comparison import StatisticsSettings, definitions
from nnunetv2_fair.evaluation.statistics.groupings import (
    UNKNOWN,
    group_notes,
    make_groupings,
    make_vocabularies,
    unknown_exclusions,
)
from nnunetv2_fair.files.fingerprints import file_hash, hash_of
from nnunetv2_fair.files.versions import measuring_versions
from nnunetv2_fair.subgroups.groups import Grouping
from nnunetv2_fair.subgroups.table import DemographicsTable
from nnunetv2_fair.tables.remedy import options_of

_INFINITE: Mapping[EmptyDistance, str] = {
    "diagonal": " In all statistics an infinite distance counts as the image diagonal, so that a "
    "missed structure is never rewarded.",
    "inf": " In all statistics an infinite distance stays infinite.",
    "nan": " Infinite distances are left out of all statistics, which favours models that miss "
    "structures altogether.",
}


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
        failures: When a case counts as failed; None: a Dice of at most 0.1.
        adjust: Columns of the table to adjust gaps for.
        margins: Metric -> gap of means up to which groups count as equivalent.
    """

    metrics: tuple[str, ...] = DEFAULT_METRICS
    tolerance: float = 1.0
    empty_distance: EmptyDistance = "diagonal"
    statistics: StatisticsSettings = field(default_factory=StatisticsSettings)
    name: str = ""
    processes: int = 1
    failures: tuple[FailureCriterion, ...] | None = None
    adjust: tuple[str, ...] = ()
    margins: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class ScoredSettings:
    """Options of an evaluation of scores.

    Attributes:
        empty_distance: What an infinite distance counts as; ``diagonal`` needs the image
            diagonals in the file.
        statistics: How cases are aggregated.
        name: What is evaluated, for titles; the file's name if empty.
        references: Attribute expression -> group that fairness gaps are measured from.
        failures: When a case counts as failed; None: a Dice of at most 0.1.
        adjust: Columns of the table to adjust gaps for.
        margins: Metric -> gap of means up to which groups count as equivalent.
        groups: Attribute expression -> groups to compare; all where it is not named.
    """

    empty_distance: EmptyDistance = "diagonal"
    statistics: StatisticsSettings = field(default_factory=StatisticsSettings)
    name: str = ""
    references: Mapping[str, str] = field(default_factory=dict)
    failures: tuple[FailureCriterion, ...] | None = None
    adjust: tuple[str, ...] = ()
    margins: Mapping[str, float] = field(default_factory=dict)
    groups: Mapping[str, Sequence[str]] = field(default_factory=dict)


@dataclass(frozen=True)
class _Cases:
    """All cases with their values, wherever these come from.

    Attributes:
        name: What is evaluated, for titles.
        rows: Rows of ``per_case.csv``.
        metrics: Metrics in the order to show.
        labels: Labels and regions in the order to show, without the average.
        groupings: Groups of each attribute expression.
        vocabularies: The same, with the reference groups chosen.
        cases: Cases in the order of the input.
        missing: Those without a prediction.
        missing_by_group: How many of them are in which group, where known.
        settings: What was evaluated, and how it was measured.
        notes_before: Notes before those on groups.
        notes_after: Notes after them.
        inputs_sha256: Hash over the bytes of all inputs.
    """

    name: str
    rows: pd.DataFrame
    metrics: tuple[MetricInfo, ...]
    labels: tuple[str, ...]
    groupings: tuple[Grouping, ...]
    vocabularies: tuple[GroupVocabulary, ...]
    cases: Sequence[str]
    missing: tuple[str, ...]
    missing_by_group: Mapping[str, Mapping[str, int]]
    settings: Mapping[str, Any]
    notes_before: Iterable[str]
    notes_after: Iterable[str]
    inputs_sha256: str


def run_evaluation(
    plan: EvaluationPlan,
    settings: EvaluationSettings,
    part: Part | None = None,
    downstream: DownstreamSettings | None = None,
    images: Path | None = None,
) -> EvaluationResult:
    """Measure every case and compare the groups.

    Only one pair of masks per process is in memory at a time.

    Args:
        plan: What to evaluate.
        settings: How.
        part: Where measured cases are kept; nowhere if None. Not for a single shard.
        downstream: Which measures that clinicians take from masks are compared; None: none.
        images: Folder of the images, for intensities; None if there is none.

    Raises:
        EvaluationError: If a mask is unreadable or holds wrong values; all cases at once.
    """
    confounders = confounders_of(
        plan.table,
        settings.adjust,
        plan.groupings,
        plan.vocabularies,
        [pair.case for pair in plan.pairs],
        settings.statistics.min_patients,
    )
    check_margins(
        settings.margins,
        {m.name: m.highest for m in metrics_named(settings.metrics)},
        settings.statistics.confidence,
    )
    further = None if downstream is None else downstream_task(plan, downstream, images)
    task = case_task(plan, settings.metrics, settings.tolerance, further)
    measured = measure_all(plan, task, settings.processes, part or Part())
    labels = plan.labels if plan.labels is not None else labels_in(measured, plan)
    infos = tuple(
        _metric_info(metric, plan.unit, settings.tolerance, settings.empty_distance)
        for metric in metrics_named(settings.metrics)
    )
    rows = case_rows(plan, measured, labels, infos)
    policy, statistics = settings.empty_distance, settings.statistics
    found = _Cases(
        name=settings.name or plan.prediction_folder.resolve().name,
        rows=rows,
        metrics=infos,
        labels=tuple(labels.regions),
        groupings=plan.groupings,
        vocabularies=plan.vocabularies,
        cases=[pair.case for pair in plan.pairs],
        missing=plan.missing,
        missing_by_group={g.expression: _counts(g, plan.missing) for g in plan.groupings},
        settings=_settings_of_masks(plan, settings, labels),
        notes_before=(*plan.table.notes, *notes_on_masks(plan, rows, infos, policy)),
        notes_after=notes_on_cases(plan),
        inputs_sha256=_hash_of_masks(plan, measured),
    )
    result = _compared(found, policy, statistics, settings.failures, confounders)
    if downstream is not None and further is not None:
        result = with_downstream(result, plan, downstream, further, measured)
    return with_findings(result)


def evaluate_scores(
    scores: Scores,
    table: DemographicsTable,
    attributes: Sequence[str] = (),
    settings: ScoredSettings | None = None,
) -> EvaluationResult:
    """Compare the groups by the scores.

    Args:
        scores: Scores per case and label.
        table: Demographics; rows without scores are not used, and cases with ``synthetic`` 1 are
            left out.
        attributes: Attribute expressions; the table's default one if empty.
        settings: How to compare.

    Raises:
        EvaluationError: If a case has no row in the table, all cases are synthetic, or an
            infinite distance cannot be replaced.
        DemographicsError: If an attribute expression is wrong.
        UsageError: If a reference group does not exist.
    """
    settings = settings or ScoredSettings()
    check_margins(
        settings.margins,
        {metric.name: metric.highest for metric in scores.metrics},
        settings.statistics.confidence,
    )
    groupings = make_groupings(table, attributes)
    check_cases(scores, table)
    scores, n_synthetic = without_synthetic(scores, table)
    cases = list(dict.fromkeys(scores.rows["case"]))
    vocabularies = make_vocabularies(
        groupings,
        settings.references,
        cases,
        table.patients,
        settings.groups,
        settings.statistics.min_patients,
    )
    rows = scored_rows(scores, table, {g.expression: g.group_of for g in groupings})
    policy, statistics = settings.empty_distance, settings.statistics
    check_infinite_distances(scores, rows, policy)
    evaluated = set(evaluated_rows(rows)["case"])
    found = _Cases(
        name=settings.name or name_of_scores(scores.source),
        rows=rows,
        metrics=scores.metrics,
        labels=scores.labels,
        groupings=groupings,
        vocabularies=vocabularies,
        cases=cases,
        missing=tuple(case for case in cases if case not in evaluated),
        missing_by_group={},
        settings={
            **origin(None, scores.source),
            "scores": str(scores.source),
            "demographics": str(table.source),
            "table_options": options_of(table.reading),
            "metrics": [metric.name for metric in scores.metrics],
            "empty_distance": policy,
            "margins": dict(settings.margins),
            **_settings_of(statistics),
        },
        notes_before=(*table.notes, *notes_on_scores(scores, rows)),
        notes_after=note_on_synthetic(n_synthetic),
        inputs_sha256=_hash_of_scores(scores, table.source),
    )
    confounders = confounders_of(
        table,
        settings.adjust,
        groupings,
        vocabularies,
        cases,
        statistics.min_patients,
    )
    return with_findings(_compared(found, policy, statistics, settings.failures, confounders))


def _compared(
    found: _Cases,
    empty_distance: EmptyDistance,
    statistics: StatisticsSettings,
    failures: Sequence[FailureCriterion] | None,
    confounders: Mapping[str, Mapping[str, str | float]],
) -> EvaluationResult:
    """Compare the groups, and assemble everything that a result holds."""
    criteria = criteria_of(failures, found.metrics)
    # where no dataset.json says so, labels are known only now
    check_failures(criteria, [metric.name for metric in found.metrics], found.labels)
    labels, notes_on_average = labels_to_compare(
        found.rows,
        found.metrics[0],
        found.labels,
        found.vocabularies,
        empty_distance,
        statistics.min_patients,
    )
    rows = found.rows[found.rows["label"].isin(labels)].reset_index(drop=True)
    comparisons = compare_all(
        rows, found.metrics, labels, found.vocabularies, empty_distance, statistics
    )
    titles = {metric.name: metric.title for metric in found.metrics}
    notes = (
        *found.notes_before,
        *notes_on_average,
        *notes_on_units(rows, comparisons, statistics.unit, titles),
        *group_notes(found.vocabularies, comparisons, titles),
    )
    return EvaluationResult(
        name=found.name,
        per_case=rows,
        metrics=found.metrics,
        labels=labels,
        attributes=tuple(grouping.expression for grouping in found.groupings),
        comparisons=comparisons,
        exclusions=_exclusions(found),
        notes=(*notes, *found.notes_after, ONE_TRAINING),
        definitions={
            **definitions(statistics),
            **failure_definitions(criteria),
            **definitions_of_adjustment(statistics.confidence),
            **{metric.name: metric.definition for metric in found.metrics},
        },
        settings={
            **found.settings,
            "groups": {v.expression: list(v.names) for v in found.vocabularies},
            "reference_groups": {v.expression: v.reference for v in found.vocabularies},
            CHOSEN_GROUPS: {
                v.expression: list(v.chosen) for v in found.vocabularies if v.chosen is not None
            },
            "failures": [str(criterion) for criterion in criteria],
            "adjust": list(confounders),
        },
        versions=measuring_versions(),
        inputs_sha256=found.inputs_sha256,
        created=datetime.now(timezone.utc).isoformat(timespec="seconds"),
        group_parts={grouping.expression: grouping.parts for grouping in found.groupings},
        adjusted_gaps=adjusted_gaps(
            rows,
            found.metrics,
            labels,
            found.vocabularies,
            empty_distance,
            statistics,
            confounders,
        ),
        failures=compare_failures(
            rows, found.metrics, labels, found.vocabularies, empty_distance, statistics, criteria
        ),
    )


def _metric_info(
    metric: Metric, unit: str, tolerance: float, empty_distance: EmptyDistance
) -> MetricInfo:
    definition = metric.definition
    if metric.name == "nsd":
        definition += f" The tolerance is {tolerance:g} {unit}."
    if metric.is_distance:
        definition += _INFINITE[empty_distance]
    return MetricInfo(
        metric.name,
        metric.title,
        unit if metric.is_distance else "",
        metric.better,
        definition,
        metric.one_minus_is_error,
        lowest=0.0,
        highest=metric.highest,
    )


def _exclusions(found: _Cases) -> tuple[Exclusion, ...]:
    missing = Exclusion(
        MISSING_PREDICTION,
        found.missing,
        found.missing_by_group,
    )
    unknown = unknown_exclusions(found.groupings, found.cases)
    return (*([missing] if found.missing else []), *unknown)


def _counts(grouping: Grouping, cases: Sequence[str]) -> dict[str, int]:
    return dict(Counter(grouping.group_of[case] or UNKNOWN for case in cases))


def _settings_of_masks(
    plan: EvaluationPlan, settings: EvaluationSettings, labels: LabelSet
) -> dict[str, Any]:
    return {
        **origin(plan.reference_folder, plan.prediction_folder),
        "references": str(plan.reference_folder),
        "predictions": str(plan.prediction_folder),
        "demographics": str(plan.table.source),
        "table_options": options_of(plan.table.reading),
        "dataset_json": str(plan.dataset_json) if plan.dataset_json is not None else "",
        "metrics": list(settings.metrics),
        "tolerance": settings.tolerance,
        "empty_distance": settings.empty_distance,
        "margins": dict(settings.margins),
        **_settings_of(settings.statistics),
        "allow_missing": bool(plan.missing),
        "regions": {name: list(values) for name, values in labels.regions.items()},
        "ignore_label": labels.ignore,
    }


def _settings_of(statistics: StatisticsSettings) -> dict[str, Any]:
    return {
        "unit": statistics.unit,
        "min_patients": statistics.min_patients,
        "bootstrap": statistics.n_bootstrap,
        "confidence": statistics.confidence,
        "seed": statistics.seed,
    }


def _hash_of_masks(plan: EvaluationPlan, measured: Sequence[CaseMeasures]) -> str:
    masks = [
        "\0".join((case.case, *case.sha256)).encode("utf-8", "surrogatepass") + b"\n"
        for case in measured
    ]
    table = plan.table.source
    return hash_of(*masks, *_hashes([table, table.with_suffix(".json"), plan.dataset_json]))


def _hash_of_scores(scores: Scores, table: Path) -> str:
    others = [path for path in (table, table.with_suffix(".json")) if path != scores.source]
    return hash_of(scores.sha256.encode(), *_hashes(others))


def _hashes(paths: Iterable[Path | None]) -> list[bytes]:
    """Return the hashes of the files that exist."""
    return [bytes.fromhex(file_hash(path)) for path in paths if path is not None and path.is_file()]
