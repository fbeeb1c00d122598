"""The evaluation of a method, made of the evaluations of its trainings.

A case's value is its mean over the trainings. What another patient would change is seen from these
as in any evaluation; what another training would change, from the evaluations of the trainings.
"""

import dataclasses
import itertools
import math
from collections.abc import Mapping, Sequence
from datetime import datetime, timezone

import numpy as np
import pandas as pd

from nnunetv2_fair.errors import shorten
from nnunetv2_fair.evaluation.findings.all_findings import with_findings
from nnunetv2_fair.evaluation.results.downstream.cases import no_measures
from nnunetv2_fair.evaluation.results.evaluation import EvaluationResult
from nnunetv2_fair.evaluation.results.groups import Comparison, chosen_of
from nnunetv2_fair.evaluation.results.tables.per_case import (
    AVERAGE,
    EmptyDistance,
    metric_values,
)
from nnunetv2_fair.evaluation.results.tables.public_notes import OF_EACH_TRAINING
from nnunetv2_fair.evaluation.results.trainings import ONE_TRAINING, TRAININGS, TrainingKind
from nnunetv2_fair.evaluation.statistics.all_comparisons import GroupVocabulary, compare_all
from nnunetv2_fair.evaluation.statistics.averages import labels_to_compare
from nnunetv2_fair.evaluation.statistics.effects import correct_tests
from nnunetv2_fair.evaluation.statistics.group_comparison import StatisticsSettings
from nnunetv2_fair.evaluation.statistics.over_trainings import with_training_errors
from nnunetv2_fair.evaluation.trainings.adjusted import adjusted_gaps_of_method
from nnunetv2_fair.evaluation.trainings.checks import check_trainings
from nnunetv2_fair.evaluation.trainings.failures import failures_of_method
from nnunetv2_fair.files.fingerprints import hash_of

_SHARED_DATA = {
    "repeats": "They differ in their random seed alone, so everything holds for further trainings "
    "on the same data; other training data could change more.",
    "folds": "They are folds of one data set, so everything holds for trainings on parts of these "
    "data. That folds share training data is allowed for by Nadeau and Bengio's correction, which "
    "does not reach as far as a new data set could: it could change more.",
}


def method_of(
    results: Mapping[str, EvaluationResult], kind: TrainingKind, name: str = ""
) -> EvaluationResult:
    """Return the evaluation of a method.

    Args:
        results: Name of the training -> its evaluation, two or more, with the same options.
        kind: How the trainings differ.
        name: What the method is called; made of the trainings' names if empty.

    Returns:
        The method's result, with the trainings' own under ``trainings``.

    Raises:
        UsageError: If there are fewer than two.
        EvaluationError: If they are not trainings of one method on the same cases; all problems
            at once.
    """
    check_trainings(results)
    each = [dataclasses.replace(result, name=name) for name, result in results.items()]
    first, settings = each[0], StatisticsSettings.of_result(each[0].settings)
    policy: EmptyDistance = first.settings.get("empty_distance", "diagonal")
    single = tuple(label for label in first.labels if label != AVERAGE)
    vocabularies = [
        GroupVocabulary(
            attribute,
            tuple(first.settings["groups"][attribute]),
            first.settings["reference_groups"].get(attribute),
            chosen_of(first.settings, attribute),
        )
        for attribute in first.attributes
    ]
    rows = _mean_rows(each, single, policy)
    labels, notes_on_average = labels_to_compare(
        rows, first.metrics[0], single, vocabularies, policy, settings.min_patients
    )
    rows = rows[rows["label"].isin(labels)].reset_index(drop=True)
    compared = compare_all(rows, first.metrics, labels, vocabularies, policy, settings)
    notes = [
        note
        for note in first.notes
        if note != ONE_TRAINING and all(note in result.notes for result in each)
    ]
    method = dataclasses.replace(
        first,
        name=name or _common_name(list(results)),
        per_case=rows,
        labels=labels,
        comparisons=compared,
        notes=(
            *_notes(each, kind),
            *notes,
            *(note for note in notes_on_average if note not in notes),
        ),
        definitions={**first.definitions, "trainings": _definition(kind, len(each))},
        settings={
            **{key: value for key, value in first.settings.items() if key != "predictions"},
            TRAININGS: {"kind": kind, "number": len(results), "names": list(results)},
        },
        inputs_sha256=hash_of(*(result.inputs_sha256.encode() for result in each)),
        created=datetime.now(timezone.utc).isoformat(timespec="seconds"),
        discovery=None,
        preset_tables=(),
        boundary_maps=(),
        downstream=(),
        downstream_cases=no_measures(),
        trainings=tuple(each),
    )
    return with_findings(
        dataclasses.replace(
            method,
            comparisons=_over_trainings(method, each, kind, settings, vocabularies),
            failures=failures_of_method(method, vocabularies, kind, settings),
            adjusted_gaps=adjusted_gaps_of_method(each, kind, settings.confidence),
        )
    )


def _over_trainings(
    method: EvaluationResult,
    each: Sequence[EvaluationResult],
    kind: TrainingKind,
    settings: StatisticsSettings,
    vocabularies: Sequence[GroupVocabulary],
) -> tuple[Comparison, ...]:
    """Widen the comparisons of the mean values by those of each training."""
    # against the same reference, even where a training leaves a value undefined; where the chosen
    # one is not compared it is another
    used = {(c.attribute, _reference(c)) for c in method.comparisons}
    fixed = [
        dataclasses.replace(vocabulary, reference=reference)
        for vocabulary in vocabularies
        for reference in (*vocabulary.names, None)
        if (vocabulary.expression, reference) in used
    ]
    plain = dataclasses.replace(settings, n_bootstrap=0, min_patients=1)
    policy: EmptyDistance = method.settings.get("empty_distance", "diagonal")
    # the average of a training may have no rows, so that of the last label decide who is compared
    labels = sorted(method.labels, key=lambda label: label != AVERAGE)
    by_training = [
        _by_reference(
            compare_all(training.per_case, method.metrics, labels, fixed, policy, plain),
            [vocabulary.reference for vocabulary in fixed],
            len(labels) * len(method.metrics),
        )
        for training in each
    ]
    return correct_tests(
        with_training_errors(
            whole,
            [
                made[whole.attribute, whole.metric, whole.label, _reference(whole)]
                for made in by_training
            ],
            kind,
            settings.confidence,
        )
        for whole in method.comparisons
    )


def _reference(comparison: Comparison) -> str | None:
    """Return the group that gaps start from; None if no groups are compared."""
    return comparison.effects[0].between[0] if comparison.effects else None


def _by_reference(
    made: Sequence[Comparison], references: Sequence[str | None], each: int
) -> dict[tuple[str, str, str, str | None], Comparison]:
    """Return comparisons by attribute, metric, label and the reference that was asked for.

    Args:
        made: For every reference ``each`` comparisons.
        references: The references.
        each: Number of comparisons of each.
    """
    asked = [reference for reference in references for _ in range(each)]
    return {
        (c.attribute, c.metric, c.label, reference): c
        for c, reference in zip(made, asked, strict=True)
    }


def _mean_rows(
    each: Sequence[EvaluationResult], labels: Sequence[str], policy: EmptyDistance
) -> pd.DataFrame:
    """Return rows of cases with the mean over the trainings, and the average over labels last.

    Infinite distances are replaced before, as the mean with an infinite one would be infinite. A
    value that is undefined in some trainings (nothing predicted where there is nothing) is the
    mean of the others, so that a structure that one training invents is not overlooked.
    """
    order = each[0].per_case["case"].drop_duplicates().tolist()
    position = {case: index for index, case in enumerate(order)}
    by_training = [
        training.per_case.assign(_place=training.per_case["case"].map(position)).sort_values(
            "_place", kind="stable"
        )
        for training in each
    ]
    parts = []
    for label in labels:
        same = [rows[rows["label"] == label] for rows in by_training]
        part = same[0].copy()
        for metric in each[0].metrics:
            values = np.stack(
                [metric_values(rows, metric, label, labels, policy)[0] for rows in same]
            )
            part[metric.column] = _mean_of_defined(values)
        flags = np.stack([rows["flags"].to_numpy(dtype=object) for rows in same])
        part["flags"] = np.where((flags == flags[0]).all(axis=0), flags[0], "")
        part["prediction_voxels"] = _rounded_mean([rows["prediction_voxels"] for rows in same])
        parts.append(part)
    if len(labels) > 1:
        parts.append(_average(parts, [metric.column for metric in each[0].metrics]))
    rows = pd.concat(parts, ignore_index=True)
    return rows.sort_values("_place", kind="stable").drop(columns="_place").reset_index(drop=True)


def _average(parts: Sequence[pd.DataFrame], columns: Sequence[str]) -> pd.DataFrame:
    made = parts[0].assign(label=AVERAGE)
    for column in columns:
        made[column] = np.stack([part[column].to_numpy(dtype=float) for part in parts]).mean(axis=0)
    for column in ("reference_voxels", "prediction_voxels"):
        sums = np.stack([part[column].to_numpy(float, na_value=math.nan) for part in parts])
        made[column] = pd.Series(sums.sum(axis=0), index=made.index).round().astype("Int64")
    flags = zip(*(part["flags"] for part in parts), strict=True)
    made["flags"] = [";".join(dict.fromkeys(filter(None, found))) for found in flags]
    return made


def _mean_of_defined(values: np.ndarray) -> np.ndarray:
    """Return the mean along the first axis without undefined values; NaN if all are."""
    defined = ~np.isnan(values)
    with np.errstate(invalid="ignore"):
        return np.asarray(np.where(defined, values, 0.0).sum(axis=0) / defined.sum(axis=0))


def _rounded_mean(counts: Sequence[pd.Series]) -> pd.Series:
    values = np.stack([found.to_numpy(float, na_value=math.nan) for found in counts])
    return pd.Series(values.mean(axis=0), index=counts[0].index).round().astype("Int64")


def _notes(each: Sequence[EvaluationResult], kind: TrainingKind) -> list[str]:
    names = shorten([training.name for training in each], 12)
    notes = [
        f"This is about the method, of which {len(each)} trainings were evaluated ({names}): every "
        "value of a case is the mean over them, and intervals, tests and verdicts allow for what "
        f"another training would change. {_SHARED_DATA[kind]}"
    ]
    if any(
        t.discovery is not None or t.preset_tables or t.boundary_maps or t.downstream for t in each
    ):
        notes.append(OF_EACH_TRAINING)
    return notes


def _definition(kind: TrainingKind, number: int) -> str:
    correction = (
        "share of the variance that the mean of folds keeps: 1/K + 1/(K - 1)"
        if kind == "folds"
        else "share of the variance that their mean keeps: 1/K"
    )
    return (
        f"Intervals reach as far as patients and the {number} trainings together move a value: the "
        "root of the sum of both squared distances, that of the trainings being their standard "
        f"deviation with Student's quantile of {number - 1} degrees of freedom ({correction}). "
        "p-values follow from the same sum. Numbers of cases with a value that is undefined or "
        "was replaced are those of the mean over trainings."
    )


def _common_name(names: Sequence[str]) -> str:
    """Return what all names begin with, else the first with the number of the others."""
    alike = itertools.takewhile(lambda letters: len(set(letters)) == 1, zip(*names, strict=False))
    start = "".join(letters[0] for letters in alike).rstrip(" _-.")
    return start if len(start) > 2 else f"{names[0]} and {len(names) - 1} more"
