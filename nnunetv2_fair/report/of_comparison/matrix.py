"""All models by all metrics, for one attribute: mean, worst group, gap, who loses, who gains."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from nnunetv2_fair.evaluation.findings import numbers
from nnunetv2_fair.evaluation.findings.sentences import Data, Sentence, shortened
from nnunetv2_fair.evaluation.findings.wording import label_words
from nnunetv2_fair.evaluation.results.comparison import (
    BETWEEN_GROUP_VARIANCE,
    BETWEEN_GROUPS,
    GROUP_MEAN,
    OVERALL_MEAN,
    WORST_GROUP_MEAN,
    ModelComparison,
    PairedComparison,
)
from nnunetv2_fair.evaluation.results.findings import Finding
from nnunetv2_fair.evaluation.results.values import MetricInfo
from nnunetv2_fair.report.html.downloads import Downloads
from nnunetv2_fair.report.html.markup import Html
from nnunetv2_fair.report.html.templating import render
from nnunetv2_fair.report.html.terms import Terms
from nnunetv2_fair.report.html.titles import metric_heading
from nnunetv2_fair.report.of_comparison.changes import Words, in_words
from nnunetv2_fair.report.of_comparison.exported import change_numbers

#: At most this many groups are listed in a cell.
_MOST = 6


@dataclass(frozen=True)
class Cell:
    """A value of a model, and how it changes.

    Attributes:
        value: As text.
        group: The group that it is the value of; empty if it is of all.
        change: How it changes; None for the baseline.
    """

    value: str
    group: str
    change: Words | None


@dataclass(frozen=True)
class Row:
    """A model by one metric.

    Attributes:
        model: Its name.
        cells: All groups together, the worst group, and the gap.
        losers: Who loses, and by how much.
        winners: Who gains, and by how much.
        nobody: What is said where nobody does; None for the baseline.
        is_baseline: Whether it must be said that this is the baseline.
    """

    model: str
    cells: Sequence[Cell]
    losers: Sequence[Sentence]
    winners: Sequence[Sentence]
    nobody: str | None
    is_baseline: bool


@dataclass(frozen=True)
class _OfMetric:
    title: str
    key: str
    better: str
    rows: Sequence[Row]


def matrix(result: ModelComparison, attribute: str, terms: Terms, downloads: Downloads) -> Html:
    """Return the table of all models by all metrics, for the headline label."""
    entry = result.headline_entry(attribute)
    beyond_chance = entry.gap_measure == BETWEEN_GROUP_VARIANCE
    markup = render(
        "report/of_comparison/templates/matrix.html",
        attribute=attribute,
        label=label_words(entry.label),
        baseline=result.baseline,
        metrics=[_of_metric(result, attribute, metric) for metric in result.metrics],
        gap=BETWEEN_GROUPS,
        gap_words="SD beyond chance" if beyond_chance else "difference of means",
        terms=terms,
    )
    entries = [result.entry(attribute, metric.name, entry.label) for metric in result.metrics]
    numbers_of = change_numbers(result, entries, result.others)
    title = f"All models and metrics by {shortened(attribute)}"
    return downloads.table(("all", "models", "by", attribute), title, markup, numbers_of)


def _of_metric(result: ModelComparison, attribute: str, metric: MetricInfo) -> _OfMetric:
    entry = result.entry(attribute, metric.name, result.headline_label)
    return _OfMetric(
        metric_heading(metric),
        metric.name,
        f"{metric.better} is better",
        [_row(result, entry, metric, model) for model in result.models],
    )


def _row(result: ModelComparison, entry: PairedComparison, metric: MetricInfo, model: str) -> Row:
    scores = entry.per_model[model]

    def cell(value: float, quantity: str, group: str = "") -> Cell:
        words = None
        if model != result.baseline:
            words = in_words(result.change(entry, model, quantity), entry, metric.unit)
        return Cell(_written(value, metric.unit, hidden=result.shareable), group, words)

    cells = [
        cell(scores.overall_mean, OVERALL_MEAN),
        cell(scores.worst_group_mean, WORST_GROUP_MEAN, scores.worst_group),
        cell(entry.distance(model), BETWEEN_GROUPS),
    ]
    if model == result.baseline:
        return Row(model, cells, (), (), None, model.lower() != "baseline")
    losers, winners, nobody = who_changes(result, entry, model)
    return Row(model, cells, losers, winners, nobody, False)


def who_changes(
    result: ModelComparison, entry: PairedComparison, model: str
) -> tuple[list[Sentence], list[Sentence], str]:
    """Return who loses and who gains, each with by how much, and what is said of nobody.

    Args:
        result: The comparison.
        entry: Attribute, metric and label.
        model: A model other than the baseline.
    """
    unit = result.metric(entry.metric).unit
    found = [
        change
        for group in entry.group_patients
        if (change := result.change(entry, model, GROUP_MEAN, group)) is not None
    ]
    losers, winners = (_of(found, entry, unit, way) for way in ("worse", "better"))
    tested = any(change.verdict != "not_comparable" for change in found)
    return losers, winners, "nobody shown" if tested else "cannot be compared"


def _of(found: Sequence[Finding], entry: PairedComparison, unit: str, way: str) -> list[Sentence]:
    told: list[Sentence] = []
    for change in found:
        if change.direction != way:
            continue
        words = in_words(change, entry, unit)
        if change.verdict == "signs":
            text = " (signs)"
        elif math.isnan(change.value):
            text = f" (by how much is {numbers.HIDDEN})"
        else:
            by = numbers.with_unit(abs(change.value), unit)
            text = f" by {by}" + (f" ({words.limits})" if words.limits else "")
        told.append((Data(change.who[0]), text))
    if len(told) > _MOST:
        told = [*told[:_MOST], (f"and {len(told) - _MOST} more",)]
    return told


def _written(value: float, unit: str, *, hidden: bool) -> str:
    if math.isnan(value) and hidden:
        return numbers.HIDDEN
    return numbers.number(value, unit)
