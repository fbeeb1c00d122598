"""Compares groups by scores that are there already."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path

import pandas as pd

from nnunetv2_fair.errors import EvaluationError, UsageError, shorten
from nnunetv2_fair.evaluation.metrics.registry import METRICS
from nnunetv2_fair.evaluation.results.evaluation import EvaluationResult, Exclusion
from nnunetv2_fair.evaluation.results.per_case import (
    AVERAGE,
    BOTH_EMPTY,
    EmptyDistance,
    evaluated_rows,
)
from nnunetv2_fair.evaluation.scores_from_files import Scores
from nnunetv2_fair.evaluation.statistics.all_comparisons import compare_all
from nnunetv2_fair.evaluation.statistics.group_comparison import StatisticsSettings, definitions
from nnunetv2_fair.evaluation.statistics.groupings import (
    group_notes,
    make_groupings,
    make_vocabularies,
    unknown_exclusions,
)
from nnunetv2_fair.files.fingerprints import file_hash, hash_of
from nnunetv2_fair.files.versions import measuring_versions
from nnunetv2_fair.subgroups.schema import INTERSECTION, PATIENT, RESERVED_COLUMNS
from nnunetv2_fair.subgroups.table import DemographicsTable, cut, table_of


@dataclass(frozen=True)
class ScoredSettings:
    """Options of an evaluation of scores.

    Attributes:
        empty_distance: What an infinite distance counts as; ``diagonal`` needs the image
            diagonals in the file.
        statistics: How cases are aggregated.
        name: What is evaluated, for titles; the file's name if empty.
        references: Attribute expression -> group that fairness gaps are measured from.
    """

    empty_distance: EmptyDistance = "diagonal"
    statistics: StatisticsSettings = field(default_factory=StatisticsSettings)
    name: str = ""
    references: Mapping[str, str] = field(default_factory=dict)


def table_of_scores(scores: Scores, cuts: Mapping[str, Sequence[float]]) -> DemographicsTable:
    """Return the columns of a scores file that describe the cases, as demographics.

    Args:
        scores: The scores.
        cuts: Numeric attribute -> numbers to cut at.

    Raises:
        UsageError: If the file has no such columns.
        DemographicsError: If a column is unusable.
    """
    # joint groups are made anew from their parts
    columns = [name for name in scores.about_cases if INTERSECTION not in str(name)]
    frame = scores.about_cases[columns].astype(object)
    if PATIENT not in frame:
        frame.insert(1, PATIENT, frame["case"])
    if set(frame.columns) <= set(RESERVED_COLUMNS):
        raise UsageError(
            f"{scores.source} says nothing about the cases but their scores. Pass the table that "
            "says who they are from with --demographics."
        )
    return cut(table_of(frame, None, scores.source), cuts, described=False)


def evaluate_scores(
    scores: Scores,
    table: DemographicsTable,
    attributes: Sequence[str] = (),
    settings: ScoredSettings | None = None,
) -> EvaluationResult:
    """Compare the groups by the scores.

    Args:
        scores: Scores per case and label.
        table: Demographics; rows without scores are not used.
        attributes: Attribute expressions; the table's default one if empty.
        settings: How to compare.

    Raises:
        EvaluationError: If a case has no row in the table, or an infinite distance cannot be
            replaced.
        DemographicsError: If an attribute expression is wrong.
        UsageError: If a reference group is not there.
    """
    settings = settings or ScoredSettings()
    groupings = make_groupings(table, attributes)
    vocabularies = make_vocabularies(groupings, settings.references)
    cases = list(dict.fromkeys(scores.rows["case"]))
    unlisted = sorted(set(cases) - set(table.cases))
    if unlisted:
        raise EvaluationError(
            f"{len(unlisted)} of {len(cases)} cases of {scores.source} have no row in "
            f"{table.source}: {shorten(unlisted)} (rows are named like "
            f"{shorten(table.cases, 2)}). Add a row for each; leave cells empty where a value is "
            "unknown."
        )
    per_case = _per_case(scores, table, {g.expression: g.group_of for g in groupings})
    policy = _policy(scores, per_case, settings.empty_distance)
    labels = (*scores.labels, AVERAGE) if len(scores.labels) > 1 else scores.labels
    comparisons = compare_all(
        per_case, scores.metrics, labels, vocabularies, policy, settings.statistics
    )
    evaluated = set(evaluated_rows(per_case)["case"])
    missing = tuple(case for case in cases if case not in evaluated)
    exclusions = [
        Exclusion("The prediction is missing, so the case enters no statistic.", missing, {})
    ] if missing else []  # fmt: skip
    statistics = settings.statistics
    return EvaluationResult(
        name=settings.name or scores.source.stem,
        per_case=per_case,
        metrics=scores.metrics,
        labels=labels,
        attributes=tuple(grouping.expression for grouping in groupings),
        comparisons=comparisons,
        exclusions=(*exclusions, *unknown_exclusions(groupings, cases)),
        notes=(*_notes(scores, per_case), *group_notes(vocabularies, comparisons)),
        definitions={
            **definitions(statistics),
            **{metric.name: metric.definition for metric in scores.metrics},
        },
        settings={
            "scores": str(scores.source),
            "demographics": str(table.source),
            "metrics": [metric.name for metric in scores.metrics],
            "empty_distance": policy,
            "unit": statistics.unit,
            "min_patients": statistics.min_patients,
            "bootstrap": statistics.n_bootstrap,
            "confidence": statistics.confidence,
            "seed": statistics.seed,
            "groups": {v.expression: list(v.names) for v in vocabularies},
            "reference_groups": {v.expression: v.reference for v in vocabularies},
        },
        versions=measuring_versions(),
        inputs_sha256=_inputs_hash(scores, table.source),
        created=datetime.now(timezone.utc).isoformat(timespec="seconds"),
        group_parts={grouping.expression: grouping.parts for grouping in groupings},
    )


def _per_case(
    scores: Scores, table: DemographicsTable, groups: Mapping[str, Mapping[str, str | None]]
) -> pd.DataFrame:
    patients = table.patients
    parts = [scores.rows]
    if len(scores.labels) > 1:
        parts.append(_average(scores))
    rows = pd.concat(parts, ignore_index=True)
    place = {label: index for index, label in enumerate((*scores.labels, AVERAGE))}
    order = rows.assign(_place=rows["label"].map(place)).sort_values(
        ["case", "_place"], kind="stable"
    )
    rows = rows.loc[order.index].reset_index(drop=True)
    about = pd.DataFrame(
        {
            "case": rows["case"],
            "patient": rows["case"].map(patients),
            **{
                expression: [group_of[case] or "" for case in rows["case"]]
                for expression, group_of in groups.items()
            },
        }
    )
    return pd.concat([about, rows.drop(columns="case")], axis=1)


def _average(scores: Scores) -> pd.DataFrame:
    by_case = scores.rows.groupby("case", sort=False)
    means = by_case[[metric.column for metric in scores.metrics]].mean()
    first = by_case[[c for c in scores.rows if str(c).startswith("diagonal_")]].first()
    voxels = by_case[["reference_voxels", "prediction_voxels"]].sum(min_count=1)
    flags = by_case["flags"].agg(lambda found: ";".join(dict.fromkeys(f for f in found if f)))
    return pd.concat([means, first, voxels, flags], axis=1).reset_index().assign(label=AVERAGE)


def _policy(scores: Scores, per_case: pd.DataFrame, wanted: EmptyDistance) -> EmptyDistance:
    for metric in scores.metrics:
        chosen = per_case[per_case[metric.column].abs() == float("inf")]
        infinite = chosen["case"].unique()
        known = METRICS.get(metric.name)
        # of a metric without unit infinite values stay so, as where masks are measured
        if not len(infinite) or (known is not None and not known.is_distance):
            continue
        if not metric.unit and wanted != "inf":
            raise EvaluationError(
                f"{scores.source}: {metric.column} is infinite in {len(infinite)} cases "
                f"({shorten(infinite)}) and its unit is unknown. Name the column "
                f"{metric.name}_mm or {metric.name}_px, or pass --empty-distance inf."
            )
        if wanted == "diagonal" and metric.unit and chosen[f"diagonal_{metric.unit}"].isna().any():
            raise EvaluationError(
                f"{scores.source}: {metric.column} is infinite in {len(infinite)} cases "
                f"({shorten(infinite)}), and the image diagonals that would take its place are "
                "not in the file. Pass --empty-distance inf or nan, or add a column "
                f"diagonal_{metric.unit}."
            )
    return wanted


def _notes(scores: Scores, per_case: pd.DataFrame) -> list[str]:
    notes = [
        f"The scores were read from {scores.source.name}; no mask was measured, so that rules for "
        "empty masks are those of whatever measured them."
    ]
    if scores.incomplete:
        notes.append(
            f"{scores.incomplete} combinations of case and label are not in the file and count as "
            "undefined."
        )
    flags = per_case[per_case["label"] != AVERAGE]["flags"]
    both = int((flags == BOTH_EMPTY).sum())
    if both:
        notes.append(
            f"In {both} label masks the label is empty in reference and prediction: nothing can "
            "be measured, and these are left out of the statistics."
        )
    return notes


def _inputs_hash(scores: Scores, table: Path) -> str:
    parts = [scores.sha256.encode()]
    for path in (table, table.with_suffix(".json")):
        if path.is_file() and path != scores.source:
            parts.append(bytes.fromhex(file_hash(path)))
    return hash_of(*parts)
