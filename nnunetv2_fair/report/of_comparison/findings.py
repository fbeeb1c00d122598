"""What a paired comparison of two models shows, in words that claim no more than the numbers."""

import math
from dataclasses import dataclass
from enum import Enum

from nnunetv2_fair.evaluation.findings import numbers
from nnunetv2_fair.evaluation.findings.sentences import Data, Sentence
from nnunetv2_fair.evaluation.findings.wording import confidence
from nnunetv2_fair.evaluation.results.comparison import (
    Difference,
    ModelComparison,
    ModelDifferences,
    PairedComparison,
)
from nnunetv2_fair.evaluation.results.values import MetricInfo

#: The fairness measure that headlines and plots use: defined for any number of groups.
HEADLINE_GAP = "delta"


class GapChange(Enum):
    """How a model's gap compares with the baseline's; the value is shown to readers."""

    SMALLER = "smaller gap"
    LEVELLED_DOWN = "smaller gap by levelling down"
    LARGER = "larger gap"
    NOT_SHOWN = "no change of the gap shown"
    NOT_COMPARABLE = "cannot be compared"


@dataclass(frozen=True)
class ModelFinding:
    """What changes from the baseline to a model.

    Attributes:
        change: What can be said about the gap.
        gap: Sentence about the gap.
        details: Sentences about the overall mean, the worst group and who loses by the change.
    """

    change: GapChange
    gap: Sentence
    details: tuple[Sentence, ...]


def headline_entry(result: ModelComparison, attribute: str) -> PairedComparison:
    """Return the entry that represents an attribute: first metric, headline label."""
    return result.entry(attribute, result.metrics[0].name, result.headline_label)


def other_models(result: ModelComparison) -> list[str]:
    """Return all models but the baseline."""
    return [model for model in result.models if model != result.baseline]


def find_change(result: ModelComparison, entry: PairedComparison, model: str) -> ModelFinding:
    """Return what changes from the baseline to ``model``."""
    metric = result.metric(entry.metric)
    differences = entry.differences[model]
    words = _Words(metric, numbers.percent(confidence(result.settings)))
    base, own = entry.per_model[result.baseline], entry.per_model[model]
    found = differences.gaps.get(HEADLINE_GAP)
    details = [
        words.moved(
            [f"The overall mean {metric.title}"],
            base.overall_mean,
            own.overall_mean,
            differences.overall,
        )
    ]
    if found is None or math.isnan(found.value):
        few: list[str] = ["The gap between the groups of ", Data(entry.attribute)]
        few.append(" cannot be compared: fewer than two groups are large enough")
        few.append(", or their means are hidden." if result.shareable else ".")
        return ModelFinding(GapChange.NOT_COMPARABLE, few, tuple(details))
    before, after = base.gaps[HEADLINE_GAP][0], own.gaps[HEADLINE_GAP][0]
    values = (
        f"{numbers.with_unit(after, metric.unit)} instead of "
        f"{numbers.with_unit(before, metric.unit)} in mean {metric.title} ({words.change(found)})."
    )
    between: list[str] = ["gap between the best and the worst group of ", Data(entry.attribute)]
    if not numbers.excludes_zero(found.interval):
        change = GapChange.NOT_SHOWN
        gap = ["With ", Data(model), ", no change of the ", *between, f" could be shown: {values}"]
    else:
        change = GapChange.SMALLER if found.value < 0 else GapChange.LARGER
        size = "smaller" if found.value < 0 else "larger"
        gap = ["With ", Data(model), ", the ", *between, f" is {size}: {values}"]
    worst: list[str] = ["The worst group's mean (", Data(base.worst_group)]
    if own.worst_group != base.worst_group:
        worst += [" before, ", Data(own.worst_group), " now"]
    details.append(
        words.moved(
            [*worst, ")"], base.worst_group_mean, own.worst_group_mean, differences.worst_group
        )
    )
    if change is GapChange.SMALLER and _levelled_down(metric, entry, differences):
        change = GapChange.LEVELLED_DOWN
        details.append(
            (
                "The gap shrinks because better-off groups lose, not because the worst "
                "group is shown to gain.",
            )
        )
    return ModelFinding(change, gap, tuple(details))


def is_better(difference: Difference, metric: MetricInfo) -> bool | None:
    """Return whether a model is shown to score better; None if nothing is shown."""
    if not numbers.excludes_zero(difference.interval):
        return None
    return (difference.value > 0) == (metric.better == "higher")


def _levelled_down(
    metric: MetricInfo, entry: PairedComparison, differences: ModelDifferences
) -> bool:
    losing = any(
        is_better(found, metric) is False
        for group, found in differences.groups.items()
        if group not in entry.left_out
    )
    return losing and is_better(differences.worst_group, metric) is not True


@dataclass(frozen=True)
class _Words:
    metric: MetricInfo
    level: str

    def change(self, found: Difference) -> str:
        unit = self.metric.unit
        text = f"change {numbers.with_unit(found.value, unit, signed=True)}"
        limits = numbers.interval(found.interval, unit, signed=True)
        if limits == numbers.UNDEFINED:
            return f"{text}, no interval"
        text += f", {self.level} interval {limits}"
        return text if found.p_value is None else f"{text}, {numbers.p_value(found.p_value)}"

    def moved(self, what: Sentence, before: float, after: float, found: Difference) -> Sentence:
        unit = self.metric.unit
        if math.isnan(found.value):
            return [*what, " cannot be compared."]
        better = is_better(found, self.metric)
        verdict = {True: "is better", False: "is worse", None: "is not shown to change"}[better]
        values = f"{numbers.with_unit(after, unit)} instead of {numbers.with_unit(before, unit)}"
        return [*what, f" {verdict}: {values} ({self.change(found)})."]
