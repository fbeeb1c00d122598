"""The trainings of a method that is compared: how far another training would move its means.

What a training adds to the error of a mean is kept like what a patient adds: as a row of its own,
by which differences of any groups and models get their errors. Trainings of different methods have
nothing in common. Folds of the same names share their training data, so they have their rows in
common, and differences are paired by fold.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from nnunetv2_fair.errors import EvaluationError, shorten_lines
from nnunetv2_fair.evaluation.estimation.estimates import Summaries
from nnunetv2_fair.evaluation.estimation.trainings import share_of_variance
from nnunetv2_fair.evaluation.estimation.units import Units
from nnunetv2_fair.evaluation.results.evaluation import EvaluationResult
from nnunetv2_fair.evaluation.results.tables.per_case import (
    EmptyDistance,
    evaluated_rows,
    metric_values,
)
from nnunetv2_fair.evaluation.results.trainings import TRAININGS, TrainingKind
from nnunetv2_fair.evaluation.results.values import MetricInfo


@dataclass(frozen=True)
class MethodTrainings:
    """All trainings of one method.

    Attributes:
        kind: How they differ.
        rows: What each is called among the sources of error; the same for the same fold of
            different methods.
        tables: Rows of each, with the cases that are compared, in their order.
    """

    kind: TrainingKind
    rows: tuple[str, ...]
    tables: tuple[pd.DataFrame, ...]


@dataclass(frozen=True)
class Trained:
    """Statistics of each training, for one metric, label and attribute.

    Attributes:
        kind: How the trainings differ.
        rows: As in :class:`MethodTrainings`.
        summaries: Statistics of each training, along the first axis.
        of_compared: The same of the chosen groups alone; ``summaries`` if all are compared.
    """

    kind: TrainingKind
    rows: tuple[str, ...]
    summaries: Summaries
    of_compared: Summaries

    @property
    def errors(self) -> np.ndarray:
        """Return (trainings, groups and overall) share of each training in the means' errors."""
        columns = [self.summaries.means, self.summaries.overall_mean[:, None]]
        values = np.concatenate(columns, axis=1)
        share = share_of_variance(self.kind, len(values)) / (len(values) - 1)
        with np.errstate(invalid="ignore"):  # infinite values have no error
            return np.asarray((values - values.mean(axis=0)) * np.sqrt(share))


def trainings_of(
    results: Sequence[EvaluationResult], models: Sequence[str], cases: Sequence[str]
) -> list[MethodTrainings | None]:
    """Return the trainings of every method; None where an evaluation is of one trained model.

    Args:
        results: Evaluations, in the order of the models.
        models: Names of the models.
        cases: Cases that are compared.

    Raises:
        EvaluationError: If one training is part of two models.
    """
    _check_no_training_twice(results, models)
    found: list[MethodTrainings | None] = []
    for position, result in enumerate(results):
        if not result.trainings:
            found.append(None)
            continue
        kind: TrainingKind = result.settings[TRAININGS]["kind"]
        tables = []
        for training in result.trainings:
            rows = evaluated_rows(training.per_case)
            rows = rows[rows["case"].isin(cases)]
            tables.append(rows.sort_values("case", kind="stable"))
        names = [training.name for training in result.trainings]
        whose = " ".join(names) if kind == "folds" else str(position)
        # no unit has a name with this character
        rows_of = tuple(f"\0{kind} {whose}: {name}" for name in names)
        found.append(MethodTrainings(kind, rows_of, tuple(tables)))
    return found


def _check_no_training_twice(results: Sequence[EvaluationResult], models: Sequence[str]) -> None:
    """Refuse a training that is part of two models, which would not be independent."""
    known: dict[bytes, str] = {}
    problems = []
    for result, model in zip(results, models, strict=True):
        for training in result.trainings or (result,):
            rows = training.per_case.sort_values(["case", "label"])
            values = rows[[metric.column for metric in result.metrics]].to_numpy(dtype=float)
            name = f"'{training.name}' of '{model}'" if result.trainings else f"'{model}'"
            first = known.setdefault(values.tobytes(), name)
            if first != name:
                problems.append(f"{first} and {name} have the same values in all cases")
    if problems and any(result.trainings for result in results):
        raise EvaluationError(
            "One training is given twice, so that the models are not independent:\n"
            f"{shorten_lines(problems)}\nGive each training to one model."
        )


def trained(
    of: MethodTrainings,
    metric: MetricInfo,
    label: str,
    labels: Sequence[str],
    policy: EmptyDistance,
    chosen: np.ndarray,
    means: np.ndarray,
    units: Sequence[str] | np.ndarray,
    groups: np.ndarray,
    n_groups: int,
    large: Sequence[int],
    compared: Sequence[int],
) -> Trained:
    """Return the statistics of each training on the same cases as the method's.

    Args:
        of: The trainings.
        metric: The metric.
        label: Label, region or ``average``.
        labels: All of them.
        policy: What an infinite distance counts as.
        chosen: (cases,) whether a case is compared.
        means: (chosen cases,) the method's values, which stand in where a training has none.
        units: Unit of each chosen case.
        groups: Its group.
        n_groups: Number of groups.
        large: Groups that are large enough.
        compared: Groups that fairness measures are about, whatever their size.
    """
    values = np.stack(
        [metric_values(table, metric, label, labels, policy)[0][chosen] for table in of.tables]
    )
    made = Units.from_cases(
        np.where(np.isnan(values), means, values), units, groups, n_groups, large
    )
    everything = _summaries(made)
    of_compared = everything if len(compared) == n_groups else _summaries(made.only(compared))
    return Trained(of.kind, of.rows, everything, of_compared)


def _summaries(units: Units) -> Summaries:
    models, groups = range(len(units.values)), range(units.n_groups)
    return Summaries(
        np.array([[_mean(units.of_group(g, k)) for g in groups] for k in models]),
        np.array([[units.quantile(0.5, g, k) for g in groups] for k in models]),
        np.array([_mean(units.overall[k]) for k in models]),
        np.array([units.quantile(0.5, None, k) for k in models]),
    )


def _mean(values: np.ndarray) -> float:
    return float(values.mean()) if values.size else float("nan")
