"""From measured cases to the rows of ``per_case.csv``."""

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pandas as pd

from nnunetv2_fair.errors import EvaluationError, counted, shorten
from nnunetv2_fair.evaluation.measuring.labels import LabelSet, labels_found
from nnunetv2_fair.evaluation.measuring.one_case import CaseMeasures, CasePair, LabelMeasures
from nnunetv2_fair.evaluation.measuring.plan import EvaluationPlan
from nnunetv2_fair.evaluation.metrics.registry import metrics_named
from nnunetv2_fair.evaluation.results.tables.per_case import AVERAGE, MISSING_PREDICTION, flag_of
from nnunetv2_fair.evaluation.results.values import MetricInfo

#: What is known of one label of one case, and its flags.
_Row = tuple[LabelMeasures, str]


def labels_in(measured: Sequence[CaseMeasures], plan: EvaluationPlan) -> LabelSet:
    """Return the labels that the references hold, where no ``dataset.json`` says which there are.

    Raises:
        EvaluationError: If no reference holds any, or a prediction holds others.
    """
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
            f"{counted(len(strange), 'prediction')} in {plan.prediction_folder} with the label "
            "values "
            f"{shorten(values)}, which no reference holds: {shorten(strange)} (the references hold "
            f"{shorten(sorted(labels.known), 12)}). If these values are right, pass the "
            "dataset.json that describes them with --dataset-json."
        )
    return labels


def case_rows(
    plan: EvaluationPlan,
    measured: Sequence[CaseMeasures],
    labels: LabelSet,
    infos: Sequence[MetricInfo],
) -> pd.DataFrame:
    """Return one row per case and label, and per case one of the average where there are several.

    Args:
        plan: What was evaluated.
        measured: One per pair of the plan, in its order.
        labels: Labels and regions to show.
        infos: Metrics in the order of the measures.

    Returns:
        Columns as in ``EvaluationResult.per_case``.
    """
    patients = plan.table.patients
    metrics = metrics_named([info.name for info in infos])
    both_empty = LabelMeasures(tuple(metric.both_empty for metric in metrics), 0, 0)
    records: list[dict[str, Any]] = []
    for pair, case in zip(plan.pairs, measured, strict=True):
        about = {
            "case": pair.case,
            "patient": patients[pair.case],
            **{g.expression: g.group_of[pair.case] or "" for g in plan.groupings},
        }
        found = dict(_rows_of(pair, case, labels, both_empty))
        if len(found) > 1:
            found[AVERAGE] = _average(list(found.values()))
        records += [
            {**about, **_cells(name, row, infos, pair, f"diagonal_{plan.unit}", case.diagonal)}
            for name, row in found.items()
        ]
    frame = pd.DataFrame.from_records(records)
    for column in ("reference_voxels", "prediction_voxels"):
        frame[column] = frame[column].astype("Int64")
    return frame


def _rows_of(
    pair: CasePair, case: CaseMeasures, labels: LabelSet, both_empty: LabelMeasures
) -> Iterator[tuple[str, _Row]]:
    """Yield every label with its measures and flags; undefined ones without a prediction."""
    for name in labels.regions:
        if pair.prediction is None:
            undefined = (math.nan,) * len(both_empty.values)
            yield name, (LabelMeasures(undefined, 0, 0), MISSING_PREDICTION)
        else:
            label = case.labels.get(name, both_empty)
            yield name, (label, flag_of(label.reference_voxels, label.prediction_voxels))


def _cells(
    name: str,
    row: _Row,
    infos: Sequence[MetricInfo],
    pair: CasePair,
    diagonal_column: str,
    diagonal: float,
) -> Mapping[str, Any]:
    label, flags = row
    known = pair.prediction is not None
    return {
        "label": name,
        **{info.column: value for info, value in zip(infos, label.values, strict=True)},
        diagonal_column: diagonal,
        "reference_voxels": label.reference_voxels if known else None,
        "prediction_voxels": label.prediction_voxels if known else None,
        "flags": flags,
    }


def _average(found: Sequence[_Row]) -> _Row:
    """Return the mean over a case's labels; undefined or infinite where one of them is."""
    by_metric = zip(*(label.values for label, _ in found), strict=True)
    means = [sum(values) / len(values) for values in by_metric]
    flags = dict.fromkeys(flag for _, flag in found if flag)
    return (
        LabelMeasures(
            tuple(means),
            sum(label.reference_voxels for label, _ in found),
            sum(label.prediction_voxels for label, _ in found),
        ),
        ";".join(flags),
    )
