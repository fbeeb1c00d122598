"""Two attributes at once: one cell per intersection."""

import math
from collections.abc import Sequence

from nnunetv2_fair.evaluation.findings import numbers
from nnunetv2_fair.evaluation.findings.sentences import Data
from nnunetv2_fair.evaluation.findings.wording import label_words
from nnunetv2_fair.evaluation.results.evaluation import EvaluationResult
from nnunetv2_fair.evaluation.results.groups import NOT_CHOSEN, Comparison
from nnunetv2_fair.evaluation.results.values import MetricInfo
from nnunetv2_fair.report.html.downloads import Downloads
from nnunetv2_fair.report.html.figure import Figure
from nnunetv2_fair.report.html.markup import Html
from nnunetv2_fair.report.html.templating import render
from nnunetv2_fair.report.html.titles import metric_heading
from nnunetv2_fair.report.of_evaluation.exported import group_numbers
from nnunetv2_fair.report.of_evaluation.heat_grid import (
    NO_CASES,
    HeatCell,
    HeatScale,
    heat_grid,
    heat_scale,
)


def parts_of(expression: str) -> tuple[str, ...]:
    """Return the attributes of an expression: ``sex+age`` gives ``sex`` and ``age``."""
    return tuple(expression.split("+"))


def heatmap(result: EvaluationResult, comparison: Comparison, downloads: Downloads) -> Html:
    """Return the table of means of a two-attribute expression; empty for any other.

    Args:
        result: The evaluation.
        comparison: The comparison to show.
        downloads: What readers can take along.
    """
    attributes = parts_of(comparison.attribute)
    if len(attributes) != 2:
        return Html("")
    metric = result.metric(comparison.metric)
    found = heat_figure(result, comparison, metric, (attributes[0], attributes[1]))
    title = f"Mean {metric_heading(metric)} by {attributes[0]} and {attributes[1]}"
    template = "report/of_evaluation/templates/heatmap.html"
    grid = Html("")
    if found is not None:
        name = ("mean", metric.name, "by", comparison.attribute)
        grid = downloads.figure(name, title, found, group_numbers([(metric, comparison)]))
    return render(template, metric=metric.title, grid=grid)


def scale_of(result: EvaluationResult, metric: MetricInfo) -> HeatScale:
    """Return the one scale of colours that the page has for a metric."""
    label = result.headline_label
    made = [c for c in result.comparisons if (c.metric, c.label) == (metric.name, label)]
    return heat_scale(metric, [g.mean for c in made for g in c.groups.values()])


def heat_figure(
    result: EvaluationResult,
    comparison: Comparison,
    metric: MetricInfo,
    attributes: tuple[str, str],
) -> Figure | None:
    """Return the grid; None if the result does not say which levels a group is made of."""
    parts = result.parts_of(comparison.attribute)
    if parts is None:
        return None
    # a group of unknown people has one name for both attributes and no cell of its own
    groups = {parts[group]: group for group in comparison.groups if len(parts.get(group, ())) == 2}
    rows = _in_order(result, attributes[0], [levels[0] for levels in groups])
    columns = _in_order(result, attributes[1], [levels[1] for levels in groups])
    scale = scale_of(result, metric)
    cells = [
        [_cell(comparison, metric, groups.get((row, column)), scale) for column in columns]
        for row in rows
    ]
    units = "cases" if result.settings.get("unit") == "case" else "patients"
    about = ["Rows ", Data(attributes[0]), ", columns ", Data(attributes[1]), ", ",
             *label_words(comparison.label), f". n counts {units} with a value."]  # fmt: skip
    return heat_grid(scale, rows, columns, cells, about)


def _in_order(result: EvaluationResult, attribute: str, present: Sequence[str]) -> list[str]:
    """Return the levels in the dictionary's order where the single attribute was compared."""
    known = next((c.groups for c in result.comparisons if c.attribute == attribute), {})
    levels = list(dict.fromkeys(present))
    order = {level: position for position, level in enumerate(known)}
    return sorted(levels, key=lambda level: order.get(level, len(order)))


def _cell(
    comparison: Comparison, metric: MetricInfo, group: str | None, scale: HeatScale
) -> HeatCell:
    found = comparison.groups.get(group) if group is not None else None
    if found is None or found.n_cases == 0:
        return NO_CASES
    if found.n_patients is None:
        # a median in its place would be mistaken for the mean
        return HeatCell(numbers.UNDEFINED, (numbers.HIDDEN,), kind="none")
    size = f"n = {numbers.whole(found.n_units)}"
    if math.isnan(found.mean):
        why = "undefined" if found.n_undefined == found.n_cases else numbers.HIDDEN
        return HeatCell(numbers.UNDEFINED, (size, why), kind="none")
    mean = numbers.with_unit(found.mean, metric.unit)
    reason = comparison.left_out.get(group or "")
    if reason == NOT_CHOSEN:
        return HeatCell(mean, (size, "not compared"), scale.share(found.mean))
    if reason is not None:
        return HeatCell(mean, (size, "not compared"), kind="few")
    return HeatCell(mean, (size,), scale.share(found.mean))
