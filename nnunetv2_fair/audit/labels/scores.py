"""Scores of one kind of masks against another, of all cases that have both."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd

from nnunetv2_fair.errors import EvaluationError, UsageError, shorten
from nnunetv2_fair.evaluation.measuring.all_cases import Part, case_task, measure_all
from nnunetv2_fair.evaluation.measuring.case_rows import case_rows, labels_in
from nnunetv2_fair.evaluation.measuring.plan import EvaluationPlan, plan_evaluation
from nnunetv2_fair.evaluation.results.evaluation import EvaluationResult
from nnunetv2_fair.evaluation.results.tables.per_case import (
    AVERAGE,
    EmptyDistance,
    evaluated_rows,
    metric_values,
)
from nnunetv2_fair.evaluation.results.values import MetricInfo
from nnunetv2_fair.evaluation.trainings.folders import prediction_folders
from nnunetv2_fair.subgroups.table import DemographicsTable


@dataclass(frozen=True)
class Scores:
    """Scores of one kind.

    Attributes:
        name: One of :data:`~nnunetv2_fair.audit.results.labels.SCORES`.
        trainings: Rows as in ``EvaluationResult.per_case``; one table for each training.
        labels: Labels in the order to show.
        empty_distance: What an infinite distance counts as.
    """

    name: str
    trainings: tuple[pd.DataFrame, ...]
    labels: tuple[str, ...]
    empty_distance: EmptyDistance

    @property
    def number(self) -> int:
        """Number of trainings."""
        return len(self.trainings)

    @cached_property
    def cases(self) -> frozenset[str]:
        """Cases that have both masks."""
        return frozenset(evaluated_rows(self.trainings[0])["case"])

    def values(self, metric: MetricInfo, label: str) -> pd.DataFrame:
        """Return the scores: a row per case, a column per training; none is undefined."""
        columns = []
        for rows in self.trainings:
            found = evaluated_rows(rows)
            values, _ = metric_values(found, metric, label, self.labels, self.empty_distance)
            one = label if label != AVERAGE else self.labels[0]
            cases = found.loc[found["label"] == one, "case"].to_numpy(dtype=object)
            columns.append(pd.Series(values, index=cases))
        frame = pd.concat(columns, axis=1)
        return frame[np.isfinite(frame.to_numpy()).all(axis=1)]


def folders_of(given: Sequence[Path], option: str, *, several: bool) -> tuple[Path, ...]:
    """Return the folder of each training.

    Args:
        given: Folders that the option names.
        option: The option, for messages.
        several: Whether ``--trainings`` says that there are several.

    Raises:
        UsageError: If there are several and nothing says how they differ, or the reverse.
        EvaluationError: If they are not trainings of one method.
    """
    if len(given) > 1 and not several:
        raise UsageError(
            f"{option} names {len(given)} folders: pass --trainings repeats (other random seeds) "
            "or --trainings folds if they are predictions of trainings of one method."
        )
    if not several:
        return tuple(given)
    try:
        return tuple(prediction_folders(given).values())
    except UsageError as error:
        # its message is about -pred
        raise UsageError(str(error).replace("-pred", option)) from error


def plan_scores(
    references: Path,
    folder: Path,
    table: DemographicsTable,
    like: EvaluationPlan,
    suffixes: tuple[str, str],
    label_names: Mapping[str, int],
) -> EvaluationPlan:
    """Check masks against others without reading voxels; cases need not have both.

    Args:
        references: Folder of the masks that are measured against.
        folder: Folder of the other masks.
        table: Demographics.
        like: Plan of the automated against the expert masks, whose labels hold here, too.
        suffixes: What names of both kinds of masks have behind the case.
        label_names: Value of each label, instead of ``dataset.json``.

    Raises:
        EvaluationError: If they do not fit together, or have no case in common.
    """
    plan = plan_evaluation(
        references,
        folder,
        table,
        [grouping.expression for grouping in like.groupings],
        dataset_json=like.dataset_json,
        allow_missing=True,
        label_names=label_names,
        suffixes=suffixes,
    )
    if plan.unit != like.unit:
        raise EvaluationError(
            f"{references} measures distances in {plan.unit}, {like.reference_folder} in "
            f"{like.unit}: their scores cannot be compared. Save all masks in one format."
        )
    return plan


def measured(
    name: str,
    plans: Sequence[EvaluationPlan],
    quality: EvaluationResult,
    metrics: Sequence[str],
    tolerance: float,
    processes: int,
) -> Scores:
    """Measure all cases of one kind of scores.

    Args:
        name: The kind.
        plans: One for each training.
        quality: The evaluation of the automated masks, whose labels all have to have.
        metrics: Metrics to measure.
        tolerance: Distance that NSD accepts.
        processes: Number of worker processes.

    Raises:
        EvaluationError: If a mask is unreadable, or holds other labels.
    """
    single = tuple(label for label in quality.labels if label != AVERAGE)
    rows = []
    for plan in plans:
        task = case_task(plan, metrics, tolerance)
        found = measure_all(plan, task, processes, Part())
        labels = plan.labels if plan.labels is not None else labels_in(found, plan)
        if set(labels.regions) != set(single):
            raise EvaluationError(
                f"{plan.reference_folder} holds the labels {shorten(labels.regions, 12)}, the "
                f"expert masks {shorten(single, 12)}: label sets must be the same. Pass the "
                "dataset.json that names them with --dataset-json, or check the folders."
            )
        rows.append(case_rows(plan, found, labels, quality.metrics))
    policy: EmptyDistance = quality.settings.get("empty_distance", "diagonal")
    return Scores(name, tuple(rows), quality.labels, policy)
