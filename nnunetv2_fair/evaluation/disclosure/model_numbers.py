"""How the numbers of several models are shown: means, and what changes from one to another."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from nnunetv2_fair.evaluation.disclosure.group_profiles import Cell
from nnunetv2_fair.evaluation.disclosure.precision import (
    FINEST,
    Sample,
    beside,
    holding,
    limits_to_step,
    rounded_in_order,
    shown_p,
    step_for,
    to_step,
)
from nnunetv2_fair.evaluation.disclosure.samples import samples_of
from nnunetv2_fair.evaluation.disclosure.sums import secret_means
from nnunetv2_fair.evaluation.disclosure.suppression import Suppression
from nnunetv2_fair.evaluation.estimation import gaps
from nnunetv2_fair.evaluation.results.comparison import (
    BETWEEN_GROUP_VARIANCE,
    Difference,
    ModelScores,
    PairedComparison,
)
from nnunetv2_fair.evaluation.results.values import Interval, MetricInfo

_MEASURES = ("delta", "std", "es_std", "es_absolute")


@dataclass(frozen=True)
class PairedValues:
    """The values behind a comparison of models.

    Attributes:
        models: Model -> group, or :data:`EVERYONE`, -> its values.
        changes: Every model but the baseline -> group -> its values minus the baseline's.
    """

    models: Mapping[str, Mapping[str, Sample]]
    changes: Mapping[str, Mapping[str, Sample]]

    @classmethod
    def of(
        cls,
        models: Sequence[str],
        values: np.ndarray,
        people: pd.DataFrame,
        attribute: str,
        *,
        by_image: bool,
    ) -> "PairedValues":
        """Sort the values by group.

        Args:
            models: The baseline first.
            values: (models, cases); NaN where a value of any model is undefined.
            people: One row per case, as in :func:`samples_of`.
            attribute: Attribute expression.
            by_image: Whether images are counted.
        """
        with np.errstate(invalid="ignore"):  # two infinite distances have no difference
            changes = np.nan_to_num(values - values[0], nan=np.inf)
        changes[np.isnan(values)] = np.nan
        made = [samples_of(row, people, attribute, by_image=by_image) for row in values]
        moved = [samples_of(row, people, attribute, by_image=by_image) for row in changes[1:]]
        return cls(
            dict(zip(models, made, strict=True)),
            dict(zip(models[1:], moved, strict=True)),
        )


def secret_of_models(
    values: Sequence[PairedValues],
    attributes: Sequence[str],
    people: pd.DataFrame,
    pattern: Suppression | None,
) -> frozenset[Cell]:
    """Return the groups, or all of an expression together, whose means are hidden of all models.

    Args:
        values: The values by every attribute.
        attributes: The attribute expressions.
        people: One row per case with a value.
        pattern: What the counts hide of values; None: everything.
    """
    found: frozenset[Cell] = frozenset()
    for kind in ("models", "changes"):
        for model in getattr(values[0], kind):
            samples = {
                attribute: getattr(known, kind)[model]
                for attribute, known in zip(attributes, values, strict=True)
            }
            found |= secret_means(people, samples, pattern)
    return found


@dataclass(frozen=True)
class ModelNumbers:
    """How numbers of one metric, label and attribute are shown.

    Attributes:
        metric: The metric.
        entry: The comparison, as it was made.
        values: The values behind it.
        level: Level of the tests.
    """

    metric: MetricInfo
    entry: PairedComparison
    values: PairedValues
    level: float

    @property
    def compared(self) -> tuple[str, ...]:
        """Groups that are large enough."""
        return tuple(g for g in self.entry.group_patients if g not in self.entry.left_out)

    def mean(self, model: str, group: str, mean: float) -> float:
        """Return a mean as it is shown."""
        return self.means(model, {group: mean})[group]

    def means(self, model: str, means: Mapping[str, float]) -> dict[str, float]:
        """Return the means of groups as they are shown: rounded, in their order."""
        samples = self.values.models[model]

        def step(group: str, least: float) -> float:
            sample = samples.get(group)
            return math.nan if sample is None else step_for(max(least, sample.mean_step))

        shown = rounded_in_order(means, step)
        return {group: self._possible(mean) for group, mean in shown.items()}

    def std(self, model: str, group: str, std: float) -> float:
        """Return a standard deviation of a mean over trainings as it is shown.

        It has one digit, and groups of too few patients to show a median have none: what few
        patients' values do from training to training would be told otherwise.
        """
        sample = self.values.models[model].get(group)
        if sample is None or not sample.tells_median or not math.isfinite(std):
            return math.nan
        digit = 10.0 ** math.floor(math.log10(std)) if std > 0 else FINEST
        return to_step(std, max(digit, FINEST))

    def limits(self, model: str, group: str, limits: Interval, mean: float) -> Interval:
        """Return an interval of a mean as it is shown.

        Args:
            model: The model.
            group: The group.
            limits: The interval.
            mean: The mean as it is shown.
        """
        step = _end_step([self.values.models[model].get(group)])
        shown = holding(limits_to_step(limits, step, step), mean)
        return Interval(self._possible(shown.low), self._possible(shown.high))

    def _possible(self, value: float) -> float:
        """Return a value that rounding has not driven out of what the metric can be."""
        bounded = min(max(value, self.metric.lowest), self.metric.highest)
        return value if math.isnan(value) else bounded

    def gaps(
        self, model: str, found: Mapping[str, tuple[float, Interval]], shown: ModelScores
    ) -> dict[str, tuple[float, Interval]]:
        """Return the fairness measures, made of means as they are shown."""
        means = np.array([shown.group_means[group] for group in self.compared])
        if len(means) < 2 or np.isnan(means).any():
            return {}
        overall = np.array(shown.overall_mean)
        made = {
            "delta": gaps.max_min_gap_along(means),
            "std": gaps.group_std_along(means),
            "es_std": gaps.equity_scaled_along(overall, means, "std"),
            "es_absolute": gaps.equity_scaled_along(overall, means, "absolute"),
        }
        step = _end_step([self.values.models[model].get(group) for group in self.compared])
        return {
            measure: (
                round(float(made[measure]), 6),
                holding(
                    limits_to_step(found[measure][1], step, step), round(float(made[measure]), 6)
                ),
            )
            for measure in _MEASURES
            if measure in found and not math.isnan(made[measure])
        }

    def distance(self, model: str, found: float, shown: ModelScores) -> float:
        """Return how far groups are apart, as it is shown."""
        samples = [self.values.models[model][group] for group in self.compared]
        if self.entry.gap_measure == BETWEEN_GROUP_VARIANCE:
            step = max((s.mean_step for s in samples), default=math.nan)
            return _square(to_step(_root(found), step))
        means = [shown.group_means[group] for group in self.compared]
        return round(abs(means[0] - means[1]), 6) if len(means) == 2 else math.nan

    def change(self, model: str, group: str, found: Difference) -> Difference:
        """Return a difference of a group's means as it is shown: by how much patients change."""
        sample = self.values.changes[model].get(group)
        step = math.nan if sample is None else sample.mean_step
        return self._shown(found, step, _end_step([sample]))

    def change_of_all(self, model: str, found: Difference) -> Difference:
        """Return a difference of what is made of several groups' means, as it is shown."""
        samples = [
            self.values.models[name].get(group)
            for name in (next(iter(self.values.models)), model)
            for group in self.compared
        ]
        steps = [math.nan if sample is None else sample.mean_step for sample in samples]
        return self._shown(found, max(steps, default=math.nan), _end_step(samples))

    def change_of_distance(self, model: str, found: Difference) -> Difference:
        """Return by how much groups are further apart, as it is shown."""
        if self.entry.gap_measure != BETWEEN_GROUP_VARIANCE:
            return self.change_of_all(model, found)
        roots = Difference(
            _root(found.value),
            _root_limits(found.interval),
            found.p_value,
            found.corrected_p,
            _root_limits(found.simultaneous),
        )
        shown = self.change_of_all(model, roots)
        return Difference(
            _square(shown.value),
            Interval(_square(shown.interval.low), _square(shown.interval.high)),
            shown.p_value,
            shown.corrected_p,
            Interval(_square(shown.simultaneous.low), _square(shown.simultaneous.high)),
        )

    def _shown(self, found: Difference, step: float, end_step: float) -> Difference:
        rounded = to_step(found.value, step)
        interval = limits_to_step(found.interval, end_step, end_step)
        simultaneous = limits_to_step(found.simultaneous, end_step, end_step)
        # the simultaneous one decides
        value, simultaneous = beside(rounded, simultaneous, found.simultaneous)
        _, interval = beside(rounded, interval, found.interval)
        return Difference(
            value, interval, self._p(found.p_value), self._p(found.corrected_p), simultaneous
        )

    def _p(self, p_value: float | None) -> float | None:
        return None if p_value is None else shown_p(p_value, self.level)


def _end_step(samples: Sequence[Sample | None]) -> float:
    """Return the step of an interval's ends; NaN where one of the groups is too small for any."""
    if not samples or any(sample is None or sample.is_small for sample in samples):
        return math.nan
    return max(sample.end_step for sample in samples if sample is not None)


def _root(value: float) -> float:
    """Return the root of a variance, or of a difference of two, with its sign."""
    return math.copysign(math.sqrt(abs(value)), value)


def _root_limits(limits: Interval) -> Interval:
    return Interval(_root(limits.low), _root(limits.high))


def _square(value: float) -> float:
    return math.copysign(value**2, value)
