"""What a comparison of several models on the same cases found, as frozen values and as a file."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from nnunetv2_fair.evaluation.results.findings import Finding
from nnunetv2_fair.evaluation.results.json_file import JsonFormat
from nnunetv2_fair.evaluation.results.tables.per_case import representative
from nnunetv2_fair.evaluation.results.values import NO_INTERVAL, Interval, MetricInfo
from nnunetv2_fair.files.outputs import one_unit, read_as_one
from nnunetv2_fair.paths import COMPARISON_JSON

_FILE = JsonFormat(5, "nnUNetv2_fair_compare", "Compare again")

#: Fairness measures for which higher is fairer; for all others lower (in magnitude) is fairer.
HIGHER_IS_FAIRER = frozenset({"es_std", "es_absolute"})

#: The fairness measure that plots show: defined for any number of groups.
PLOTTED_GAP = "delta"

#: Settings: the dataset that the references are from; model -> its trainer. Empty if not known.
DATASET = "dataset"
TRAINERS = "trainers"

#: What models are ranked by: keys of :attr:`PairedComparison.ranks`.
OVERALL_MEAN = "overall_mean"
WORST_GROUP_MEAN = "worst_group_mean"
BETWEEN_GROUPS = "between_groups"

#: What changes in each group.
GROUP_MEAN = "group_mean"

#: How far groups are apart (:attr:`ModelScores.between_groups`), if there are two, and if more.
ABSOLUTE_GAP = "absolute_gap"
BETWEEN_GROUP_VARIANCE = "between_group_variance"


@dataclass(frozen=True)
class RankRange:
    """Ranks that a model can have; 1 is the best.

    Attributes:
        first: Best rank it can have.
        last: Worst rank it can have; equal to ``first`` where the data decide.
    """

    first: int
    last: int


@dataclass(frozen=True)
class Difference:
    """A model's value minus the baseline's, on the same cases.

    Attributes:
        value: The difference, in the unit of the metric; NaN if not computable.
        interval: Interval of this difference alone. Of fairness measures: a paired bootstrap
            interval, both models resampled with the same patients.
        p_value: Two-sided p-value of this difference alone; None for fairness measures, which
            describe and decide nothing; NaN if there are too few units.
        corrected_p: Corrected over the family: everything that is said about one metric, of all
            models, attributes, labels, groups, worst groups and gaps. None and NaN as ``p_value``.
        simultaneous: Interval that holds the truth together with those of the whole family; it
            excludes 0 where the corrected p-value is at most 1 minus the confidence.
    """

    value: float
    interval: Interval
    p_value: float | None = None
    corrected_p: float | None = None
    simultaneous: Interval = NO_INTERVAL


def gap_measure(n_groups: int) -> str:
    """Return how the distance of so many groups is measured; empty for fewer than two."""
    if n_groups < 2:
        return ""
    return ABSOLUTE_GAP if n_groups == 2 else BETWEEN_GROUP_VARIANCE


@dataclass(frozen=True)
class ModelScores:
    """One model's scores; the same definitions as in an evaluation of that model.

    Attributes:
        overall_mean: Mean over all units of known group.
        overall_interval: Bootstrap interval of it.
        group_means: Group -> mean over its units; every group is here.
        group_intervals: Group -> bootstrap interval of the mean.
        worst_group: Group with the worst mean among those large enough; empty if there is none.
        worst_group_mean: Its mean; NaN if there is none.
        gaps: Fairness measure -> value and bootstrap interval. With more than two groups there
            is one fairness gap per non-reference group, named
            ``fairness_gap: <reference> - <other>``; otherwise the name is ``fairness_gap``.
        between_groups: How far the groups that are large enough are apart: of two the absolute
            difference of their means; of more the variance between them without the part that
            noise contributes, in the squared unit of the metric, negative if they are closer than
            chance makes them; NaN if it cannot be said.
        overall_std: Sample standard deviation (ddof 1) of the overall mean over the trainings of a
            method; NaN of one trained model.
        group_stds: Group -> the same of its mean; empty of one trained model.
    """

    overall_mean: float
    overall_interval: Interval
    group_means: Mapping[str, float]
    group_intervals: Mapping[str, Interval]
    worst_group: str
    worst_group_mean: float
    gaps: Mapping[str, tuple[float, Interval]]
    between_groups: float = math.nan
    overall_std: float = math.nan
    group_stds: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class ModelDifferences:
    """One model against the baseline.

    Attributes:
        overall: Difference of the overall means.
        groups: Group -> difference of its means.
        worst_group: Mean of the model's worst group minus that of the baseline's worst group;
            the two may be different groups.
        gaps: Fairness measure (keys as in :class:`ModelScores`) -> difference. Fairness gaps are
            compared by magnitude, so that a negative difference always means a smaller gap. They
            describe: noise enlarges them, so they cannot tell a fairer model from a less noisy one.
        between_groups: Difference of :attr:`ModelScores.between_groups`, which decides whether
            the gap is smaller.
    """

    overall: Difference
    groups: Mapping[str, Difference]
    worst_group: Difference
    gaps: Mapping[str, Difference]
    between_groups: Difference = Difference(math.nan, NO_INTERVAL)


@dataclass(frozen=True)
class PairedComparison:
    """One metric of one label over the groups of one attribute expression, model by model.

    Attributes:
        attribute: Attribute expression, such as ``sex+age``.
        metric: Name of the metric.
        label: Label or region, or ``average``.
        per_model: Model -> its scores; every model is here, the baseline first.
        differences: Model -> its differences to the baseline; every model but the baseline.
        n_cases: Cases of known group that have a value in every model.
        n_patients: Patients they come from.
        group_cases: Group -> number of these cases.
        group_patients: Group -> number of patients they come from; this and the other counts are
            None where a shareable comparison hides them.
        left_out: Groups that are excluded from gaps and worst groups, with the reason.
        ranks: ``overall_mean``, ``worst_group_mean`` or ``between_groups`` -> model -> ranks it
            can have; models and measures that cannot be ranked are absent.
        gap_measure: What ``between_groups`` is here: ``absolute_gap`` (two groups) or
            ``between_group_variance``; empty with fewer groups.
        family_size: Number of differences of the same metric that are looked at together.
    """

    attribute: str
    metric: str
    label: str
    per_model: Mapping[str, ModelScores]
    differences: Mapping[str, ModelDifferences]
    n_cases: int | None = 0
    n_patients: int | None = 0
    group_cases: Mapping[str, int | None] = field(default_factory=dict)
    group_patients: Mapping[str, int | None] = field(default_factory=dict)
    left_out: Mapping[str, str] = field(default_factory=dict)
    ranks: Mapping[str, Mapping[str, RankRange]] = field(default_factory=dict)
    gap_measure: str = ""
    family_size: int = 0

    def distance(self, model: str) -> float:
        """Return how far the groups are apart under a model, in the unit of the metric.

        Of two groups that is the absolute gap; of more the standard deviation between them
        without the part that chance contributes, 0 if they are no further apart than by chance.
        """
        found = self.per_model[model].between_groups
        if self.gap_measure == BETWEEN_GROUP_VARIANCE and not math.isnan(found):
            return math.sqrt(max(0.0, found))
        return found


@dataclass(frozen=True)
class ModelErrors:
    """Mean absolute errors of a downstream measure under one model, in the measure's unit.

    Attributes:
        overall: Mean over all units of known group.
        groups: Group -> mean over its units; NaN if it has none.
    """

    overall: float
    groups: Mapping[str, float]


@dataclass(frozen=True)
class ErrorChanges:
    """One model's mean absolute errors minus the baseline's; negative is better.

    Attributes:
        overall: Of all units.
        groups: Group -> of its units.
    """

    overall: Difference
    groups: Mapping[str, Difference]


@dataclass(frozen=True)
class ErrorComparison:
    """Errors of one downstream measure of one label, by the groups of one attribute expression.

    Attributes:
        attribute: Attribute expression.
        label: Label or region that the measure is taken from.
        measure: Name, unit and definition.
        per_model: Model -> its errors; every model is here, the baseline first.
        differences: Model -> its changes; every model but the baseline.
        n_patients: Patients with a value in every model.
        n_cases: Cases (of the heart: pairs of frames) that they have.
        n_undefined: Those without a value in some model, which are left out of all.
        group_patients: Group -> number of patients.
        group_cases: Group -> number of cases.
        left_out: Groups that are too small or not chosen, with the reason.
        family_size: Number of differences that are looked at together: of all measures, labels,
            models, attributes and groups.
    """

    attribute: str
    label: str
    measure: MetricInfo
    per_model: Mapping[str, ModelErrors]
    differences: Mapping[str, ErrorChanges]
    n_patients: int
    n_cases: int
    n_undefined: int
    group_patients: Mapping[str, int]
    group_cases: Mapping[str, int]
    left_out: Mapping[str, str]
    family_size: int = 0


@dataclass(frozen=True)
class ModelComparison:
    """Everything one comparison found.

    Attributes:
        models: Names in the order given.
        baseline: The first of them; differences are measured from it.
        metrics: Metrics in the order to show.
        labels: Labels and regions in the order to show; ``average`` last, if every model has one.
        attributes: Attribute expressions in the order to show.
        entries: One per attribute, label and metric.
        notes: What readers must know, in sentences.
        definitions: Name of a measure -> what it is, in words.
        settings: Options the comparison ran with.
        versions: Versions of Python and the packages used.
        created: ISO 8601 time.
        shareable: Whether it reveals no group of fewer than five patients
            (:mod:`nnunetv2_fair.evaluation.disclosure.of_comparison`).
        group_parts: Attribute expression -> name of a group -> its level of each attribute, as in
            an evaluation.
        findings: Everything that is claimed, most important first.
        downstream: Errors of downstream measures that all evaluations have; empty in a shareable
            comparison.
    """

    models: tuple[str, ...]
    baseline: str
    metrics: tuple[MetricInfo, ...]
    labels: tuple[str, ...]
    attributes: tuple[str, ...]
    entries: tuple[PairedComparison, ...]
    notes: tuple[str, ...] = ()
    definitions: Mapping[str, str] = field(default_factory=dict)
    settings: Mapping[str, Any] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)
    created: str = ""
    shareable: bool = False
    group_parts: Mapping[str, Mapping[str, tuple[str, ...]]] = field(default_factory=dict)
    findings: tuple[Finding, ...] = ()
    downstream: tuple[ErrorComparison, ...] = ()

    def metric(self, name: str) -> MetricInfo:
        """Return how to read a metric or a downstream measure."""
        further = (found.measure for found in self.downstream)
        return next(metric for metric in (*self.metrics, *further) if metric.name == name)

    def entry(self, attribute: str, metric: str, label: str) -> PairedComparison:
        """Return the comparison of one metric and label over one attribute.

        Raises:
            KeyError: If it was not made.
        """
        for found in self.entries:
            if (found.attribute, found.metric, found.label) == (attribute, metric, label):
                return found
        raise KeyError((attribute, metric, label))

    def headline_entry(self, attribute: str) -> PairedComparison:
        """Return the entry that represents an attribute: first metric, headline label."""
        return self.entry(attribute, self.metrics[0].name, self.headline_label)

    def change(
        self, entry: PairedComparison, model: str, quantity: str, group: str = ""
    ) -> Finding | None:
        """Return what is claimed about one change.

        Args:
            entry: Attribute, label and metric.
            model: A model other than the baseline.
            quantity: What changes; ``between_groups`` for the gap, whichever way it is measured.
            group: The group, if the quantity is ``group_mean``.

        Returns:
            None if a shareable comparison hides it.
        """
        wanted = quantity
        if quantity == BETWEEN_GROUPS:
            wanted = entry.gap_measure or BETWEEN_GROUP_VARIANCE
        where = (entry.attribute, entry.label, entry.metric)
        return self._changes.get((*where, model, wanted, group))

    @cached_property
    def _changes(self) -> Mapping[tuple[str, ...], Finding]:
        return {
            (
                *(found.attribute, found.label, found.metric, found.model, found.quantity),
                found.who[0] if found.quantity == GROUP_MEAN else "",
            ): found
            for found in self.findings
            if found.kind == "model_change"
        }

    @property
    def others(self) -> tuple[str, ...]:
        """All models but the baseline."""
        return tuple(model for model in self.models if model != self.baseline)

    @property
    def headline_label(self) -> str:
        """Label that represents the whole result: the average, or the first if there is none."""
        return representative(self.labels)

    def write(self, folder: Path) -> None:
        """Write ``comparison.json`` and a manifest, both or none.

        Raises:
            UsageError: If another process works in the folder.
            OSError: If they cannot be written.
        """
        with one_unit(folder, _FILE.command) as unit:
            self.put(unit)

    def put(self, folder: Path) -> None:
        """Write ``comparison.json`` into a temporary folder, without a manifest."""
        _FILE.write(self, folder / COMPARISON_JSON)

    @classmethod
    def read(cls, folder: Path) -> "ModelComparison":
        """Read what :meth:`write` wrote.

        Raises:
            EvaluationError: If the file is missing, damaged or of another format, or is not the
                one that was written.
        """
        with read_as_one(folder, _FILE.again) as names:
            names.append(COMPARISON_JSON)
            return _FILE.read(cls, folder / COMPARISON_JSON)
