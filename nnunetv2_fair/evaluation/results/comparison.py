"""What a comparison of several models on the same cases found, as frozen values and as a file."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from nnunetv2_fair.errors import EvaluationError
from nnunetv2_fair.evaluation.results.evaluation import (
    Interval,
    MetricInfo,
    group_parts_from_json,
    interval_from_json,
    to_json,
)
from nnunetv2_fair.files.atomic import write_text
from nnunetv2_fair.paths import COMPARISON_JSON

COMPARISON_FORMAT = 3

#: Fairness measures of which more is fairer; of all others less (in magnitude) is fairer.
HIGHER_IS_FAIRER = frozenset({"es_std", "es_absolute"})

#: Keys of :attr:`PairedComparison.ranks` beside the fairness measures.
OVERALL_MEAN = "overall_mean"
WORST_GROUP_MEAN = "worst_group_mean"


@dataclass(frozen=True)
class RankRange:
    """Ranks that a model can have; 1 is the best.

    Attributes:
        first: Best rank it can have.
        last: Worst rank it can have; equal to ``first`` where the data settle it.
    """

    first: int
    last: int


@dataclass(frozen=True)
class Difference:
    """A model's value minus the baseline's, on the same cases.

    Attributes:
        value: The difference, in the unit of the metric; NaN if not computable.
        interval: Paired bootstrap interval: both models are resampled with the same patients.
        p_value: Wilcoxon signed-rank test over the units; None where there is no such test
            (worst group, gaps), NaN if there are too few units.
        corrected_p: Corrected by Holm's method over the family: the tests of all models,
            attributes, labels and groups by the same metric. None and NaN as ``p_value``.
    """

    value: float
    interval: Interval
    p_value: float | None = None
    corrected_p: float | None = None


@dataclass(frozen=True)
class ModelScores:
    """One model's scores; the same definitions as in an evaluation of its own.

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
    """

    overall_mean: float
    overall_interval: Interval
    group_means: Mapping[str, float]
    group_intervals: Mapping[str, Interval]
    worst_group: str
    worst_group_mean: float
    gaps: Mapping[str, tuple[float, Interval]]


@dataclass(frozen=True)
class ModelDifferences:
    """One model against the baseline.

    Attributes:
        overall: Difference of the overall means.
        groups: Group -> difference of its means.
        worst_group: Mean of the model's worst group minus that of the baseline's worst group;
            the two may be different groups.
        gaps: Fairness measure (keys as in :class:`ModelScores`) -> difference. Fairness gaps are
            compared by magnitude, so that a negative difference always means a smaller gap.
    """

    overall: Difference
    groups: Mapping[str, Difference]
    worst_group: Difference
    gaps: Mapping[str, Difference]


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
            None where a shareable comparison does not tell them.
        left_out: Groups that enter no gap and no worst group, with the reason.
        ranks: ``overall_mean``, ``worst_group_mean`` or a fairness measure (keys as in
            :class:`ModelScores`) -> model -> ranks it can have; models and measures that cannot
            be ranked are absent. Fairness gaps are ranked by magnitude.
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


@dataclass(frozen=True)
class ModelComparison:
    """Everything one comparison found.

    Attributes:
        models: Names in the order given.
        baseline: The first of them; differences are measured from it.
        metrics: Metrics in the order to show.
        labels: Labels and regions in the order to show; ``average`` last if more than one.
        attributes: Attribute expressions in the order to show.
        entries: One per attribute, label and metric.
        notes: Sentences a reader must know.
        definitions: Name of a measure -> what it is, in words.
        settings: Options the comparison ran with.
        versions: Versions of Python and the packages used.
        created: ISO 8601 time.
        shareable: Whether it tells of no group of fewer than five patients
            (:mod:`.comparison_disclosure`).
        group_parts: Attribute expression -> name of a group -> its level of each attribute, as in
            an evaluation.
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

    def metric(self, name: str) -> MetricInfo:
        """Return how to read a metric."""
        return next(metric for metric in self.metrics if metric.name == name)

    def entry(self, attribute: str, metric: str, label: str) -> PairedComparison:
        """Return the comparison of one metric and label over one attribute.

        Raises:
            KeyError: If it was not made.
        """
        for found in self.entries:
            if (found.attribute, found.metric, found.label) == (attribute, metric, label):
                return found
        raise KeyError((attribute, metric, label))

    @property
    def headline_label(self) -> str:
        """Label that stands for the whole result: the average, or the only one."""
        return self.labels[-1]

    def write(self, folder: Path) -> None:
        """Write ``comparison.json``; it appears whole or not at all."""
        content = {f.name: to_json(getattr(self, f.name)) for f in fields(self)}
        content["format"] = COMPARISON_FORMAT
        text = json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False)
        write_text(folder / COMPARISON_JSON, text + "\n")

    @classmethod
    def read(cls, folder: Path) -> "ModelComparison":
        """Read what :meth:`write` wrote.

        Raises:
            EvaluationError: If the file is missing, damaged or of another format.
        """
        path = folder / COMPARISON_JSON
        if not path.is_file():
            raise EvaluationError(
                f"{folder} has no {COMPARISON_JSON}: it is no output folder of "
                "nnUNetv2_fair_compare. Run nnUNetv2_fair_compare first and pass its -o folder."
            )
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
            if content.get("format") != COMPARISON_FORMAT:
                raise EvaluationError(
                    f"{path} has format {content.get('format')!r}, expected {COMPARISON_FORMAT}. "
                    "Compare again with this version of nnunetv2_fair."
                )
            return cls(
                models=tuple(content["models"]),
                baseline=content["baseline"],
                metrics=tuple(MetricInfo(**metric) for metric in content["metrics"]),
                labels=tuple(content["labels"]),
                attributes=tuple(content["attributes"]),
                entries=tuple(_entry(entry) for entry in content["entries"]),
                notes=tuple(content["notes"]),
                definitions=content["definitions"],
                settings=content["settings"],
                versions=content["versions"],
                created=content["created"],
                shareable=bool(content.get("shareable", False)),
                group_parts=group_parts_from_json(content.get("group_parts", {})),
            )
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise EvaluationError(f"{path} is damaged ({error!r}). Compare again.") from error


def _difference(entry: Mapping[str, Any]) -> Difference:
    p_values = (entry["p_value"], entry["corrected_p"])
    return Difference(
        float(entry["value"]),
        interval_from_json(entry["interval"]),
        *(None if p_value is None else float(p_value) for p_value in p_values),
    )


def _scores(entry: Mapping[str, Any]) -> ModelScores:
    return ModelScores(
        overall_mean=float(entry["overall_mean"]),
        overall_interval=interval_from_json(entry["overall_interval"]),
        group_means={name: float(value) for name, value in entry["group_means"].items()},
        group_intervals={
            name: interval_from_json(value) for name, value in entry["group_intervals"].items()
        },
        worst_group=entry["worst_group"],
        worst_group_mean=float(entry["worst_group_mean"]),
        gaps={
            name: (float(value), interval_from_json(interval))
            for name, (value, interval) in entry["gaps"].items()
        },
    )


def _differences(entry: Mapping[str, Any]) -> ModelDifferences:
    return ModelDifferences(
        overall=_difference(entry["overall"]),
        groups={name: _difference(value) for name, value in entry["groups"].items()},
        worst_group=_difference(entry["worst_group"]),
        gaps={name: _difference(value) for name, value in entry["gaps"].items()},
    )


def _entry(entry: Mapping[str, Any]) -> PairedComparison:
    return PairedComparison(
        attribute=entry["attribute"],
        metric=entry["metric"],
        label=entry["label"],
        per_model={name: _scores(value) for name, value in entry["per_model"].items()},
        differences={name: _differences(value) for name, value in entry["differences"].items()},
        n_cases=entry["n_cases"],
        n_patients=entry["n_patients"],
        group_cases=entry["group_cases"],
        group_patients=entry["group_patients"],
        left_out=entry["left_out"],
        ranks={
            measure: {model: RankRange(**ranks) for model, ranks in by_model.items()}
            for measure, by_model in entry["ranks"].items()
        },
    )
