"""One attribute of a comparison: planes, scores, changes in each group, labels."""

import math

from nnunetv2_fair.evaluation.findings import numbers
from nnunetv2_fair.evaluation.findings.sentences import Data, shortened
from nnunetv2_fair.evaluation.findings.wording import confidence
from nnunetv2_fair.evaluation.results.comparison import (
    GROUP_MEAN,
    OVERALL_MEAN,
    PLOTTED_GAP,
    ModelComparison,
    PairedComparison,
)
from nnunetv2_fair.evaluation.results.findings import Finding
from nnunetv2_fair.evaluation.results.values import NO_INTERVAL
from nnunetv2_fair.report.html.downloads import Downloads
from nnunetv2_fair.report.html.markup import Html
from nnunetv2_fair.report.html.planes import NOTHING_TO_DRAW, ModelPoint, planes
from nnunetv2_fair.report.html.row_plots import Whisker, forest_plot
from nnunetv2_fair.report.html.templating import render
from nnunetv2_fair.report.html.terms import Terms
from nnunetv2_fair.report.html.titles import metric_heading
from nnunetv2_fair.report.of_comparison.exported import group_changes
from nnunetv2_fair.report.of_comparison.tables import (
    differences_table,
    labels_table,
    measures_table,
    patients,
    scores_table,
)


def attribute_section(
    result: ModelComparison, attribute: str, anchor: str, terms: Terms, downloads: Downloads
) -> Html:
    """Return the section of one attribute.

    Args:
        result: The comparison.
        attribute: Attribute expression that was compared.
        anchor: Id of the section.
        terms: Definitions to link to.
        downloads: What readers can take along.
    """
    entry = result.headline_entry(attribute)
    metric = result.metric(entry.metric)
    title = f"Change of the mean {metric_heading(metric)} in each group"
    rows = _change_rows(result, entry)
    left, right = "\N{LEFTWARDS ARROW} worse |", "| better \N{RIGHTWARDS ARROW}"
    if metric.better == "lower":
        left, right = "\N{LEFTWARDS ARROW} better |", "| worse \N{RIGHTWARDS ARROW}"
    elsewhere = [
        row
        for other in result.attributes
        if other != attribute
        for row in _change_rows(result, result.headline_entry(other))
    ]
    level = numbers.percent(confidence(result.settings))
    hint = (
        f"Model minus baseline in the same patients, with simultaneous {level} intervals; a filled "
        "marker where a change is shown, a ring where it is not. All attributes have the same axis."
    )
    unit_words = f"{left} change in {metric_heading(metric)} {right}"
    return render(
        "report/of_comparison/templates/attribute.html",
        anchor=anchor,
        attribute=attribute,
        planes=_planes(result, entry, downloads),
        nothing_to_draw=NOTHING_TO_DRAW,
        scores=scores_table(result, entry, terms, downloads),
        changes_title=title,
        changes=downloads.figure(
            ("changes", "by", attribute),
            f"{title} of {shortened(attribute)}",
            forest_plot(rows, unit_words, title, along=elsewhere),
            group_changes(result, entry),
            hint,
        ),
        hint=hint,
        differences=[
            differences_table(result, attribute, model, terms, downloads) for model in result.others
        ],
        further=[
            table
            for measured in result.metrics
            if (table := measures_table(result, attribute, measured, terms, downloads))
        ],
        labels=labels_table(result, attribute, terms, downloads),
    )


def _planes(result: ModelComparison, entry: PairedComparison, downloads: Downloads) -> Html:
    """Return the planes; empty if no model has a gap."""
    points = _points(result, entry)
    if not any(math.isfinite(point.gap[0]) for point in points):
        return Html("")
    level = numbers.percent(confidence(result.settings))
    hint = (
        f"Right and up are better in both. Lines: {level} intervals of each model on its own; the "
        "paired changes are the ones to compare models by. Delta grows with noise: a model "
        "whose scores vary less can look fairer without being it. Arrows start at the baseline. "
        "All attributes have the same axes."
    )
    elsewhere = [
        point
        for other in result.attributes
        if other != entry.attribute
        for point in _points(result, result.headline_entry(other))
    ]
    metric = result.metric(entry.metric)
    return planes(
        points,
        metric,
        result.baseline,
        hint,
        along=elsewhere,
        downloads=downloads,
        name=("by", entry.attribute),
    )


def _points(result: ModelComparison, entry: PairedComparison) -> list[ModelPoint]:
    nothing = (math.nan, NO_INTERVAL)
    points = []
    for model in result.models:
        scores = entry.per_model[model]
        worst = scores.group_intervals.get(scores.worst_group, NO_INTERVAL)
        points.append(
            ModelPoint(
                model,
                (scores.overall_mean, scores.overall_interval),
                scores.gaps.get(PLOTTED_GAP, nothing),
                (scores.worst_group_mean, worst),
            )
        )
    return points


def _change_rows(result: ModelComparison, entry: PairedComparison) -> list[Whisker]:
    metric = result.metric(entry.metric)
    rows = []
    several = len(result.models) > 2
    for group in ("", *entry.group_patients):
        size = patients(entry.group_patients.get(group) if group else entry.n_patients)
        for position, model in enumerate(result.others):
            quantity = GROUP_MEAN if group else OVERALL_MEAN
            found = result.change(entry, model, quantity, group)
            if found is None:  # hidden in a shareable comparison
                continue
            notes = [size]
            if several:
                # the group is named once, the model in each row
                notes = [*([] if position else [size]), shortened(model, 26)]
            name = (Data(group),) if group else ("all groups",)
            rows.append(
                Whisker(
                    () if position else name,
                    notes,
                    _change_text(found, metric.unit),
                    found.value if math.isfinite(found.value) else math.nan,
                    found.interval,
                    filled=found.verdict == "shown",
                    colour=result.models.index(model),
                )
            )
    return rows


def _change_text(found: Finding, unit: str) -> str:
    limits = numbers.interval(found.interval, unit, signed=True)
    text = numbers.number(found.value, unit, signed=True)
    return f"{text}\n{limits}" if limits != numbers.UNDEFINED else text
