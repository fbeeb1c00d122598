"""One attribute of an evaluation: table, distributions, heatmap, labels."""

import math

import numpy as np

from nnunetv2_fair.evaluation.findings import numbers
from nnunetv2_fair.evaluation.findings.sentences import Data, plain, shortened
from nnunetv2_fair.evaluation.findings.wording import label_words
from nnunetv2_fair.evaluation.results.evaluation import EvaluationResult
from nnunetv2_fair.evaluation.results.groups import Comparison, GroupStatistics
from nnunetv2_fair.evaluation.results.tables.unit_values import unit_values
from nnunetv2_fair.report.html.cells import having_value, why_undefined
from nnunetv2_fair.report.html.downloads import Downloads
from nnunetv2_fair.report.html.markup import Html
from nnunetv2_fair.report.html.row_plots import Strip, strip_plot
from nnunetv2_fair.report.html.templating import render
from nnunetv2_fair.report.html.terms import Terms
from nnunetv2_fair.report.html.titles import metric_heading
from nnunetv2_fair.report.of_evaluation.beyond_medians import beyond_medians
from nnunetv2_fair.report.of_evaluation.exported import group_numbers
from nnunetv2_fair.report.of_evaluation.groups import group_table
from nnunetv2_fair.report.of_evaluation.heatmap import heatmap
from nnunetv2_fair.report.of_evaluation.labels import labels_part

#: Fewer patients than this are never drawn one by one, even if the evaluation compares them.
FEWEST_DOTS = 5


def attribute_section(
    result: EvaluationResult, attribute: str, anchor: str, terms: Terms, downloads: Downloads
) -> Html:
    """Return the section of one attribute.

    Args:
        result: The evaluation.
        attribute: Attribute expression that was compared.
        anchor: Id of the section.
        terms: Definitions to link to.
        downloads: What readers can take along.
    """
    label = result.headline_label
    made = [c for c in result.comparisons if (c.attribute, c.label) == (attribute, label)]
    first = made[0]
    distance = next((c for c in reversed(made) if result.metric(c.metric).unit), None)
    shown = [first] + ([distance] if distance is not None and distance is not first else [])
    others = [c for c in made if c not in shown]
    return render(
        "report/of_evaluation/templates/attribute.html",
        anchor=anchor,
        attribute=attribute,
        tables=group_table(result, attribute, label, terms, downloads),
        shown=[_strips(result, c, downloads) for c in shown],
        others=[_strips(result, c, downloads) for c in others],
        other_metrics=[result.metric(c.metric).title for c in others],
        heatmap=heatmap(result, first, downloads),
        labels=labels_part(result, attribute, [c.metric for c in shown], terms, downloads),
        beyond_medians=beyond_medians(result, attribute, terms, downloads),
    )


def _strips(result: EvaluationResult, comparison: Comparison, downloads: Downloads) -> Html:
    metric = result.metric(comparison.metric)
    values = unit_values(result, comparison.attribute, comparison.metric, comparison.label)
    rows = []
    infinite = 0
    for position, (group, found) in enumerate(comparison.groups.items()):
        dots, instead = _dots(found, values[group], result.shareable)
        if dots is not None:
            infinite += int(np.isinf(dots).sum())
        rows.append(
            Strip(
                (Data(group),),
                having_value(found, by_case=result.settings.get("unit") == "case"),
                numbers.with_unit(found.median, metric.unit) if dots is not None else "",
                dots,
                (found.q1, found.median, found.q3),
                position,
                instead,
            )
        )
    by_case = comparison.by_image or result.settings.get("unit") == "case"
    unit = "case" if by_case else "patient"
    hint = "Box: middle half; line: median, written on the right."
    if not result.shareable:
        hint = f"One dot per {unit}. {hint}"
    if comparison.by_image:
        hint += " Median and quartiles weight a case by 1 over the cases of its patient."
    if infinite:
        hint += f" {numbers.count(infinite, 'infinite value')} not drawn."
    title = metric_heading(metric)
    of = "quartiles" if result.shareable else f"of every {unit}"
    description = f"{title} {of}, by group of {shortened(comparison.attribute)}"
    plot = strip_plot(rows, title, description, along=_everywhere(result, comparison))
    return render(
        "report/of_evaluation/templates/strips.html",
        title=title,
        plot=downloads.figure(
            (metric.name, "by", comparison.attribute),
            f"{description}, {plain(label_words(comparison.label))}",
            plot,
            group_numbers([(metric, comparison)]),
            hint,
        ),
        hint=hint,
    )


def _everywhere(result: EvaluationResult, comparison: Comparison) -> list[float]:
    """Return the ends of what the page draws of a metric, so that all its axes are the same."""
    values: list[float] = []
    for found in result.comparisons:
        if (found.metric, found.label) != (comparison.metric, comparison.label):
            continue
        if result.shareable:
            values += [v for g in found.groups.values() for v in (g.q1, g.median, g.q3)]
            continue
        drawn = unit_values(result, found.attribute, found.metric, found.label)
        finite = [v[np.isfinite(v)] for g, v in drawn.items() if _dots(found.groups[g], v, False)[0]
                  is not None]  # fmt: skip
        values += [float(end) for v in finite if len(v) for end in (v.min(), v.max())]
    return values


def _dots(
    found: GroupStatistics, values: np.ndarray, shareable: bool
) -> tuple[np.ndarray | None, str]:
    """Return what to draw of a group, or why nothing: few dots could identify people."""
    if shareable:
        return (None, why_undefined(found)) if math.isnan(found.median) else (values, "")
    if found.n_cases == 0:
        return None, "no cases"
    if found.n_patients is not None and found.n_patients < FEWEST_DOTS:
        return None, f"fewer than {FEWEST_DOTS} patients: not drawn"
    if not len(values):
        return None, why_undefined(found)
    return values, ""
