"""The evaluations and comparisons that a study has finished, as one table of scores.

Only ``summary.json`` and ``comparison.json`` are read, never a table with individual patients.
"""

import dataclasses
import logging
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePath

from nnunetv2_fair.errors import EvaluationError, shorten
from nnunetv2_fair.evaluation.results.comparison import (
    BETWEEN_GROUPS,
    OVERALL_MEAN,
    WORST_GROUP_MEAN,
    ModelComparison,
    RankRange,
)
from nnunetv2_fair.evaluation.results.evaluation import EvaluationResult
from nnunetv2_fair.evaluation.results.groups import Comparison
from nnunetv2_fair.evaluation.results.tables.per_case import representative
from nnunetv2_fair.evaluation.results.values import NO_INTERVAL, Interval, MetricInfo
from nnunetv2_fair.paths import COMPARISON_JSON, SUMMARY_JSON
from nnunetv2_fair.study.index.progress import Progress, StepProgress

logger = logging.getLogger(__name__)

#: Dataset, configuration, plans, test set, and how it was predicted.
_Place = tuple[str, str, str, str, str]


@dataclass(frozen=True)
class Evaluated:
    """One method on one test set.

    Attributes:
        trainer: The method.
        step: The step that writes its evaluation.
        folder: Its folder; relative to the study's folder unless the plan says otherwise.
        result: The evaluation without cases; None if the step is not done, or see ``problem``.
        problem: Why a finished evaluation cannot be shown; empty if it can.
    """

    trainer: str
    step: StepProgress
    folder: PurePath
    result: EvaluationResult | None = None
    problem: str = ""


@dataclass(frozen=True)
class OnTestSet:
    """All methods on one test set.

    Attributes:
        dataset: Dataset that they were trained on.
        configuration: nnU-Net configuration.
        plans: nnU-Net plans.
        test: Name of the test set.
        evaluated: The methods in the plan's order.
        comparing: The step that compares them; None if the plan has none.
        comparison_folder: Folder of the comparison.
        compared: The comparison; None if it is not done, or see ``problem``.
        problem: Why a finished comparison cannot be shown; empty if it can.
        predicted: ``single folds`` (and which run of each method) if each fold's model predicts by
            itself; empty if all folds predict together.
    """

    dataset: str
    configuration: str
    plans: str
    test: str
    evaluated: tuple[Evaluated, ...]
    comparing: StepProgress | None = None
    comparison_folder: PurePath = field(default_factory=PurePath)
    compared: ModelComparison | None = None
    problem: str = ""
    predicted: str = ""

    @property
    def shown(self) -> Mapping[str, EvaluationResult]:
        """Method -> its evaluation, of all that can be shown."""
        return {e.trainer: e.result for e in self.evaluated if e.result is not None}

    @property
    def headline_label(self) -> str:
        """Label that represents the results: the average, or the first unless all have one."""
        first, *others = self.shown.values()
        return representative([la for la in first.labels if all(la in r.labels for r in others)])


@dataclass(frozen=True)
class Score:
    """One value of one method.

    Attributes:
        measure: ``overall_mean``, ``worst_group_mean``, a fairness measure, or, if there is a
            comparison, ``between_groups``: how far the groups are apart, as it measures that.
        value: In the unit of the metric (SER and SKEW: none); NaN if not computable, or if it
            would reveal a single patient.
        interval: Bootstrap interval of the evaluation alone.
        group: Name of the worst group; of a signed gap both groups; empty otherwise.
        ranks: Ranks it can have; None without a comparison.
        n_ranked: Number of methods that were ranked.
    """

    measure: str
    value: float
    interval: Interval
    group: str = ""
    ranks: RankRange | None = None
    n_ranked: int = 0


def read_results(folder: Path, progress: Progress) -> tuple[OnTestSet, ...]:
    """Read everything that is evaluated and compared, in the plan's order."""
    evaluated: dict[_Place, list[Evaluated]] = {}
    comparing: dict[_Place, tuple[StepProgress, PurePath]] = {}
    for step in progress.steps:
        place = (
            step.fact("dataset"),
            step.fact("configuration"),
            step.fact("plans"),
            step.fact("test"),
            step.fact("predicted"),
        )
        if (output := _output(step, SUMMARY_JSON)) is not None:
            evaluated.setdefault(place, []).append(_read_evaluation(folder, step, output.parent))
        elif (output := _output(step, COMPARISON_JSON)) is not None:
            comparing[place] = (step, output.parent)
    found = []
    for place, methods in evaluated.items():
        on_test = OnTestSet(*place[:4], tuple(methods), predicted=place[4])
        if place in comparing:
            on_test = _with_comparison(folder, on_test, *comparing[place])
        found.append(on_test)
    return tuple(found)


def scores_of(
    on_test: OnTestSet, trainer: str, attribute: str, label: str, metric: MetricInfo
) -> list[Score]:
    """Return all values of one method by one metric.

    Raises:
        KeyError: If that was not evaluated.
    """
    comparison = on_test.shown[trainer].comparison(attribute, metric.name, label)
    values = list(_values(comparison, metric))
    ranks: Mapping[str, Mapping[str, RankRange]] = {}
    compared = on_test.compared
    # some method may have no average, and then the comparison has none
    if compared is not None and label in compared.labels and not tells_of_one_patient(comparison):
        entry = compared.entry(attribute, metric.name, label)
        ranks = entry.ranks
        if trainer in entry.per_model:
            values.append((BETWEEN_GROUPS, entry.distance(trainer), NO_INTERVAL, ""))
    return [
        Score(
            measure,
            value,
            interval,
            group,
            ranks.get(measure, {}).get(trainer),
            len(ranks.get(measure, {})),
        )
        for measure, value, interval, group in values
    ]


def tells_of_one_patient(comparison: Comparison) -> bool:
    """Return whether a compared group is a single patient (possible with ``--min-patients 1``)."""
    compared = [g for name, g in comparison.groups.items() if name not in comparison.left_out]
    return any(group.n_patients == 1 for group in (*compared, comparison.overall))


def _values(
    comparison: Comparison, metric: MetricInfo
) -> Iterator[tuple[str, float, Interval, str]]:
    hidden = tells_of_one_patient(comparison)

    def told(
        measure: str, value: float, interval: Interval, group: str = ""
    ) -> tuple[str, float, Interval, str]:
        return (measure, math.nan, NO_INTERVAL, "") if hidden else (measure, value, interval, group)

    overall = comparison.overall
    yield told(OVERALL_MEAN, overall.mean, overall.mean_interval)
    groups = {
        name: group
        for name, group in comparison.groups.items()
        if name not in comparison.left_out and not math.isnan(group.mean)
    }
    if groups:
        pick = min if metric.better == "higher" else max
        worst = pick(groups, key=lambda name: groups[name].mean)
        yield told(WORST_GROUP_MEAN, groups[worst].mean, groups[worst].mean_interval, worst)
    else:
        yield told(WORST_GROUP_MEAN, math.nan, NO_INTERVAL)
    for gap in comparison.gaps:
        pair = " - ".join(gap.between) if gap.name == "fairness_gap" else ""
        yield told(gap.name, gap.value, gap.interval, pair)


def _output(step: StepProgress, name: str) -> PurePath | None:
    return next((p for p in map(PurePath, step.step.outputs) if p.name == name), None)


def _read_evaluation(folder: Path, step: StepProgress, output: PurePath) -> Evaluated:
    result, problem = None, ""
    if step.is_done:
        try:
            result = EvaluationResult.read(folder / output, with_cases=False)
        except (EvaluationError, OSError) as error:
            logger.warning("%s", error)
            problem = f"finished, but its {SUMMARY_JSON} cannot be read"
    return Evaluated(step.fact("trainer"), step, output, result, problem)


def _with_comparison(
    folder: Path, on_test: OnTestSet, step: StepProgress, output: PurePath
) -> OnTestSet:
    compared, problem = None, ""
    if step.is_done:
        try:
            compared = ModelComparison.read(folder / output)
            problem = _differs(on_test, compared)
        except (EvaluationError, OSError) as error:
            logger.warning("%s", error)
            problem = f"its {COMPARISON_JSON} cannot be read"
    return dataclasses.replace(
        on_test,
        comparing=step,
        comparison_folder=output,
        compared=None if problem else compared,
        problem=problem,
    )


def _differs(on_test: OnTestSet, compared: ModelComparison) -> str:
    """Say why a comparison is not one of these evaluations; empty if it is."""
    models: Mapping[str, Mapping[str, str]] = compared.settings.get("models", {})
    other = [
        trainer
        for trainer, result in on_test.shown.items()
        if (models.get(trainer, {}).get("inputs_sha256"), models.get(trainer, {}).get("created"))
        != (result.inputs_sha256, result.created)
    ]
    return f"it was made from other evaluations of {shorten(other)}" if other else ""
