"""All models on the same cases: one metric, label and attribute, resampled together."""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from nnunetv2_fair.evaluation.estimation.estimates import Estimates, FailureAware, GapKey, Summaries
from nnunetv2_fair.evaluation.estimation.resampling import bootstrap
from nnunetv2_fair.evaluation.estimation.two_part import Cases
from nnunetv2_fair.evaluation.estimation.units import Units
from nnunetv2_fair.evaluation.model_comparison.method_trainings import (
    MethodTrainings,
    Trained,
    trained,
)
from nnunetv2_fair.evaluation.model_comparison.standard_errors import Means
from nnunetv2_fair.evaluation.results.evaluation import EvaluationResult
from nnunetv2_fair.evaluation.results.groups import chosen_of
from nnunetv2_fair.evaluation.results.tables.per_case import EmptyDistance, metric_values
from nnunetv2_fair.evaluation.results.values import MetricInfo
from nnunetv2_fair.evaluation.statistics.group_comparison import (
    Observations,
    StatisticsSettings,
    not_compared,
    patients_per_group,
    reference_index,
)
from nnunetv2_fair.evaluation.statistics.small_groups import group_sizes


@dataclass(frozen=True)
class Paired:
    """One metric, label and attribute with everything that both sides of a difference need.

    Attributes:
        models: Names of the models, the baseline first.
        names: Groups, in the order to show.
        row_names: Patients (or cases) with a value of every model, and then trainings, in the
            order of the errors of ``means``.
        means: Of every model and group, with the errors that they share.
        estimates: Of each model, from the data and from resamples with the same units.
        of_compared: The same of the chosen groups alone, for fairness measures; ``estimates`` if
            all groups are compared.
        trained: Of each model its trainings; None if it is one trained model.
        patients: Patients of each group.
        n_patients: Patients of all groups together.
        n_cases: Cases of each group.
        left_out: Groups that are too small or not chosen, with the reason.
        n_undefined: Cases that are left out as undefined in some model.
        metric: The metric.
        settings: How to aggregate.
    """

    models: Sequence[str]
    names: tuple[str, ...]
    row_names: Sequence[str]
    means: Means
    estimates: Sequence[Estimates]
    of_compared: Sequence[Estimates]
    trained: Sequence[Trained | None]
    patients: Sequence[int]
    n_patients: int
    n_cases: Sequence[int]
    left_out: Mapping[str, str]
    n_undefined: int
    metric: MetricInfo
    settings: StatisticsSettings

    @property
    def enough(self) -> list[int]:
        """Positions of the groups that are large enough."""
        return [index for index, name in enumerate(self.names) if name not in self.left_out]

    def gap_name(self, key: GapKey) -> str:
        """Name of a fairness measure in the result."""
        if key.name == "fairness_gap" and len(self.enough) > 2:
            return f"fairness_gap: {key.between[0]} - {key.between[1]}"
        return key.name

    def gaps(self, model: int, summaries: Summaries) -> dict[str, np.ndarray]:
        """Fairness measures by the names used in the result; fairness gaps without their sign."""
        return {
            self.gap_name(key): np.abs(value) if key.name == "fairness_gap" else value
            for key, value in self.of_compared[model].gap_values(summaries).items()
        }

    @property
    def sizeable(self) -> int:
        """Patients needed for an interval and a test."""
        return self.settings.sizeable

    @property
    def is_sizeable(self) -> bool:
        """Whether all groups together have as many."""
        return self.n_patients >= self.sizeable


def pair_models(
    aligned: Sequence[pd.DataFrame],
    trainings: Sequence[MethodTrainings | None],
    models: Sequence[str],
    baseline: EvaluationResult,
    attribute: str,
    label: str,
    metric: MetricInfo,
    settings: StatisticsSettings,
) -> Paired:
    """Return what is compared of one metric, label and attribute.

    Cases without a value in some model are left out of all of them.

    Args:
        aligned: Rows of each model, with the same cases in the same order.
        trainings: Of each model its trainings; None if it is one trained model.
        models: Names of the models, the baseline first.
        baseline: Evaluation of the first.
        attribute: Attribute expression.
        label: Label, region or ``average``.
        metric: The metric.
        settings: How to aggregate.
    """
    policy: EmptyDistance = baseline.settings.get("empty_distance", "diagonal")
    first = aligned[0][aligned[0]["label"] == label]
    names = tuple(baseline.comparison(attribute, metric.name, label).groups)
    position = {name: index for index, name in enumerate(names)}
    group = first[attribute].map(position).to_numpy(dtype=float)
    known = ~np.isnan(group)
    found = [metric_values(rows, metric, label, baseline.labels, policy) for rows in aligned]
    values = np.stack([of_model for of_model, _ in found])
    complete = ~np.isnan(values).any(axis=0)
    chosen = known & complete
    groups = group[chosen].astype(int)
    patients = first["patient"].to_numpy(dtype=object)[chosen]
    observations = Observations(
        values[0, chosen], np.zeros(int(chosen.sum()), dtype=bool), patients, groups, names
    )
    everything = np.ones(len(patients), dtype=bool)
    counts = patients_per_group(observations, everything)
    chosen_groups = chosen_of(baseline.settings, attribute)
    small = not_compared(names, observations, counts, settings.min_patients)
    left_out = not_compared(names, observations, counts, settings.min_patients, chosen_groups)
    large = [index for index, name in enumerate(names) if name not in small]
    enough = [index for index, name in enumerate(names) if name not in left_out]
    wanted = baseline.settings.get("reference_groups", {}).get(attribute)
    sizes = group_sizes(first["patient"].to_numpy(dtype=object), group, len(names))
    reference = reference_index(names, enough, sizes, wanted)
    unit_of = patients if settings.unit == "patient" else first["case"].to_numpy(object)[chosen]
    row_names, rows = np.unique(unit_of.astype(str), return_inverse=True)
    units = Units.from_cases(values[:, chosen], unit_of, groups, len(names), large)
    where = (attribute, metric.name, label)

    def estimated(of: Units, inside: np.ndarray) -> list[Estimates]:
        replicates = bootstrap(of, settings.n_bootstrap, settings.streams(names, *where))
        return [
            Estimates.of(
                of,
                replicates,
                model,
                names=names,
                enough=enough,
                reference=reference,
                error_measures=metric.one_minus_is_error,
                confidence=settings.confidence,
                aware=FailureAware.of_cases(
                    Cases(
                        values[model, chosen][inside],
                        found[model][1][chosen][inside],
                        np.unique(rows[inside], return_inverse=True)[1],
                        groups[inside],
                        len(names),
                    ),
                    metric.scale,
                    settings.n_bootstrap,
                    settings.streams(names, *where, "failures"),
                    settings.confidence,
                ),
            )
            for model in range(len(models))
        ]

    estimates = estimated(units, everything)
    of_compared, within = estimates, list(range(len(names)))
    if chosen_groups is not None:
        within = [index for index, name in enumerate(names) if name in chosen_groups]
        of_compared = estimated(units.only(within), np.isin(groups, within))
    each = [
        None
        if of is None
        else trained(
            of,
            metric,
            label,
            baseline.labels,
            policy,
            chosen,
            values[model, chosen],
            unit_of,
            groups,
            len(names),
            large,
            within,
        )
        for model, of in enumerate(trainings)
    ]
    means = Means.of(units, each)
    return Paired(
        models=models,
        names=names,
        row_names=[*row_names.tolist(), *itertools.chain(*means.trainings)],
        means=means,
        estimates=estimates,
        of_compared=of_compared,
        trained=each,
        patients=counts,
        n_patients=len(set(patients)),
        n_cases=[int((groups == index).sum()) for index in range(len(names))],
        left_out=left_out,
        n_undefined=int((known & ~complete).sum()),
        metric=metric,
        settings=settings,
    )


def minus(ours: np.ndarray, theirs: np.ndarray) -> np.ndarray:
    """Return the difference of two models' values; NaN where both are infinite."""
    with np.errstate(invalid="ignore"):
        return np.asarray(ours - theirs)
