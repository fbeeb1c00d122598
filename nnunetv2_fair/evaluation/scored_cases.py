"""Scores of other tools as an evaluation needs them: demographics, and rows of ``per_case.csv``."""

from collections.abc import Mapping
from dataclasses import replace

import pandas as pd

from nnunetv2_fair.errors import EvaluationError, UsageError, counted, shorten
from nnunetv2_fair.evaluation.measuring.plan import all_synthetic
from nnunetv2_fair.evaluation.metrics.registry import METRICS
from nnunetv2_fair.evaluation.results.tables.per_case import AVERAGE, EmptyDistance
from nnunetv2_fair.evaluation.scores_from_files import Scores
from nnunetv2_fair.files.tabular import Table
from nnunetv2_fair.subgroups.schema import INTERSECTION, RESERVED_COLUMNS
from nnunetv2_fair.subgroups.table import DemographicsTable, table_of
from nnunetv2_fair.subgroups.table_checks import lines_of
from nnunetv2_fair.tables.settings import TableSettings


def table_of_scores(scores: Scores, settings: TableSettings) -> DemographicsTable:
    """Return the columns of a scores file that describe the cases, as demographics.

    Args:
        scores: The scores.
        settings: What its columns and cells mean.

    Raises:
        UsageError: If the file has no such columns.
        DemographicsError: If a column is unusable.
    """
    # joint groups are built again from their parts
    columns = [name for name in scores.about_cases if INTERSECTION not in str(name)]
    frame = scores.about_cases[columns]
    if set(frame.columns) <= set(RESERVED_COLUMNS):
        raise UsageError(
            f"{scores.source} says nothing about the cases except their scores. Pass the "
            "table that says who they are from with --demographics."
        )
    cells = [[str(cell) for cell in row] for row in frame.itertuples(index=False, name=None)]
    table = Table([str(name) for name in columns], list(lines_of(frame)), cells)
    return table_of(table, scores.source, settings=settings)


def check_cases(scores: Scores, table: DemographicsTable) -> None:
    """Raise an EvaluationError unless every case of the scores has a row in the table."""
    cases = set(scores.rows["case"])
    unlisted = sorted(cases - set(table.cases))
    if unlisted:
        raise EvaluationError(
            f"{len(unlisted)} of {len(cases)} cases of {scores.source} have no row in "
            f"{table.source}: {shorten(unlisted)} (rows are named like "
            f"{shorten(table.cases, 2)}). Add a row for each; leave cells empty where a value is "
            "unknown."
        )


def without_synthetic(scores: Scores, table: DemographicsTable) -> tuple[Scores, int]:
    """Return the scores of real cases, and how many synthetic ones were left out.

    Args:
        scores: The scores.
        table: Says which cases are synthetic.

    Raises:
        EvaluationError: If all are.
    """
    of_synthetic = scores.rows["case"].isin(table.synthetic_cases)
    if not of_synthetic.any():
        return scores, 0
    if of_synthetic.all():
        raise EvaluationError(all_synthetic(str(scores.source), table.source))
    about = scores.about_cases
    kept = replace(
        scores,
        rows=scores.rows[~of_synthetic].reset_index(drop=True),
        about_cases=about[~about["case"].isin(table.synthetic_cases)].reset_index(drop=True),
    )
    return kept, int(scores.rows["case"][of_synthetic].nunique())


def check_infinite_distances(scores: Scores, per_case: pd.DataFrame, wanted: EmptyDistance) -> None:
    """Raise an EvaluationError if an infinite distance cannot be treated as requested."""
    for metric in scores.metrics:
        chosen = per_case[per_case[metric.column].abs() == float("inf")]
        infinite = chosen["case"].unique()
        known = METRICS.get(metric.name)
        # of a metric without unit infinite values stay so, as where masks are measured
        if not len(infinite) or (known is not None and not known.is_distance):
            continue
        if not metric.unit and wanted != "inf":
            raise EvaluationError(
                f"{scores.source}: {metric.column} is infinite in {counted(len(infinite), 'case')} "
                f"({shorten(infinite)}) and its unit is unknown. Name the column "
                f"{metric.name}_mm or {metric.name}_px, or pass --empty-distance inf."
            )
        if wanted == "diagonal" and metric.unit and chosen[f"diagonal_{metric.unit}"].isna().any():
            raise EvaluationError(
                f"{scores.source}: {metric.column} is infinite in {counted(len(infinite), 'case')} "
                f"({shorten(infinite)}), and the image diagonals that would replace it are "
                "not in the file. Pass --empty-distance inf or nan, or add a column "
                f"diagonal_{metric.unit}."
            )


def scored_rows(
    scores: Scores, table: DemographicsTable, groups: Mapping[str, Mapping[str, str | None]]
) -> pd.DataFrame:
    """Return the scores as rows of ``per_case.csv``, with averages where there are several labels.

    Args:
        scores: The scores.
        table: Demographics of all their cases.
        groups: Attribute expression -> group of each case; None where it is unknown.
    """
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
    names = rows["case"].to_numpy(dtype=object)
    about = pd.DataFrame(
        {
            "case": rows["case"],
            "patient": [patients[case] for case in names],
            **{
                expression: [group_of[case] or "" for case in names]
                for expression, group_of in groups.items()
            },
        }
    )
    return pd.concat([about, rows.drop(columns="case")], axis=1)


def _average(scores: Scores) -> pd.DataFrame:
    by_case = scores.rows.groupby("case", sort=False)
    # undefined where a label is, see metric_values
    means = by_case[[metric.column for metric in scores.metrics]].mean(skipna=False)
    first = by_case[[c for c in scores.rows if str(c).startswith("diagonal_")]].first()
    voxels = by_case[["reference_voxels", "prediction_voxels"]].sum(min_count=1)
    flags = by_case["flags"].agg(lambda found: ";".join(dict.fromkeys(f for f in found if f)))
    return pd.concat([means, first, voxels, flags], axis=1).reset_index().assign(label=AVERAGE)
