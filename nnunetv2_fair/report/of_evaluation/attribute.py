"""One attribute of an evaluation: table, distributions, heatmap, labels."""

import math
from collections.abc import Sequence

import numpy as np

from nnunetv2_fair.evaluation.results.evaluation import EvaluationResult
from nnunetv2_fair.evaluation.results.groups import Comparison, GroupStatistics
from nnunetv2_fair.evaluation.results.per_case import AVERAGE
from nnunetv2_fair.evaluation.results.unit_values import unit_values
from nnunetv2_fair.evaluation.results.values import MetricInfo
from nnunetv2_fair.report.html import numbers
from nnunetv2_fair.report.html.cells import undefined, value, why_undefined
from nnunetv2_fair.report.html.document import (
    Terms,
    metric_heading,
)
from nnunetv2_fair.report.html.figures import Strip, Whisker, forest_plot, strip_plot
from nnunetv2_fair.report.html.markup import Html, element, join, name, shortened
from nnunetv2_fair.report.of_evaluation.findings import (
    FAIRNESS_GAP,
    confidence,
    excludes_zero,
)
from nnunetv2_fair.report.of_evaluation.groups import group_table
from nnunetv2_fair.report.of_evaluation.heatmap import heatmap

#: Fewer patients than this are never drawn one by one, whatever the evaluation compares.
FEWEST_DOTS = 5


def attribute_section(result: EvaluationResult, attribute: str, anchor: str, terms: Terms) -> Html:
    """Return the section of one attribute.

    Args:
        result: The evaluation.
        attribute: Attribute expression that was compared.
        anchor: Id of the section.
        terms: Definitions to link to.
    """
    label = result.headline_label
    made = [c for c in result.comparisons if (c.attribute, c.label) == (attribute, label)]
    first = made[0]
    distance = next((c for c in reversed(made) if result.metric(c.metric).unit), None)
    shown = [first] + ([distance] if distance is not None and distance is not first else [])
    others = [c for c in made if c not in shown]
    plots = element("div", *[_strips(result, c) for c in shown], class_="pair")
    more: Html | str = ""
    if others:
        titles = " and ".join(result.metric(c.metric).title for c in others)
        more = element(
            "details",
            element("summary", f"The same for {titles}"),
            element("div", *[_strips(result, c) for c in others], class_="pair"),
        )
    return element(
        "section",
        element("h2", "Groups of ", name(attribute)),
        element("div", group_table(result, attribute, label, terms), class_="card"),
        plots,
        more,
        heatmap(result, first),
        _labels(result, attribute, [c.metric for c in shown], terms),
        id=anchor,
    )


def _strips(result: EvaluationResult, comparison: Comparison) -> Html:
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
                name(group),
                numbers.count(found.n_patients, "patient"),
                numbers.with_unit(found.median, metric.unit) if dots is not None else "",
                dots,
                (found.q1, found.median, found.q3),
                position,
                instead,
            )
        )
    unit = "case" if result.settings.get("unit") == "case" else "patient"
    hint = "Box: middle half; line: median, written on the right."
    if not result.shareable:
        hint = f"One dot per {unit}. {hint}"
    if infinite:
        hint += f" {numbers.count(infinite, 'infinite value')} not drawn."
    title = metric_heading(metric)
    of = "quartiles" if result.shareable else f"of every {unit}"
    description = f"{title} {of}, by group of {shortened(comparison.attribute)}"
    return element(
        "div",
        element("h3", title),
        strip_plot(rows, title, description),
        element("p", hint, class_="hint"),
        class_="card",
    )


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


def _labels(result: EvaluationResult, attribute: str, metrics: Sequence[str], terms: Terms) -> Html:
    """Return gaps and medians of every label; empty if there is only one."""
    if len(result.labels) < 2:
        return Html("")
    level = numbers.percent(confidence(result.settings))
    plots = []
    for key in metrics:
        metric = result.metric(key)
        title = f"Fairness gap in {metric_heading(metric)}, by label"
        hint = (
            f"Median of the reference group minus median of the other, with {level} interval; "
            "a full marker where it excludes zero, a ring where it does not. "
            + (
                "Right of zero the other group is segmented worse."
                if metric.better == "higher"
                else "Left of zero the other group is segmented worse."
            )
        )
        rows = _gap_rows(result, attribute, metric)
        drawing: Html = (
            forest_plot(rows, f"gap in {metric_heading(metric)}", title)
            if rows
            else element("p", "No gap can be computed: fewer than two groups are large enough.")
        )
        plots.append(
            element(
                "div",
                element("h3", terms.link(FAIRNESS_GAP, title)),
                drawing,
                element("p", hint, class_="hint") if rows else "",
                class_="card",
            )
        )
    tables = element(
        "details",
        element("summary", "Medians of every label and group"),
        *[_label_table(result, attribute, result.metric(key)) for key in metrics],
    )
    return join([element("div", *plots, class_="pair"), tables])


def _gap_rows(result: EvaluationResult, attribute: str, metric: MetricInfo) -> list[Whisker]:
    rows: list[Whisker] = []
    for label in result.labels:
        try:
            comparison = result.comparison(attribute, metric.name, label)
        except KeyError:
            continue
        gaps = [g for g in comparison.gaps if g.name == FAIRNESS_GAP and not math.isnan(g.value)]
        colours = {group: position for position, group in enumerate(comparison.groups)}
        for position, gap in enumerate(gaps):
            reference, other = (shortened(group, 26) for group in gap.between)
            pair = f"{reference} \N{MINUS SIGN} {other}"
            title = _label_name(label) if not position else Html("")
            text = numbers.number(gap.value, metric.unit, signed=True)
            limits = numbers.interval(gap.interval, metric.unit, signed=True)
            rows.append(
                Whisker(
                    title,
                    pair if len(gaps) > 1 or not rows else "",
                    f"{text}\n{limits}" if limits != numbers.UNDEFINED else text,
                    gap.value if math.isfinite(gap.value) else math.nan,
                    gap.interval,
                    filled=excludes_zero(gap.interval),
                    colour=colours.get(gap.between[1], 0),
                )
            )
    return rows


def _label_name(label: str) -> Html:
    return join(["mean of all labels"]) if label == AVERAGE else name(label)


def _label_table(result: EvaluationResult, attribute: str, metric: MetricInfo) -> Html:
    made = [c for c in result.comparisons
            if (c.attribute, c.metric) == (attribute, metric.name)]  # fmt: skip
    groups = list(dict.fromkeys(group for c in made for group in c.groups))
    head = element(
        "tr",
        element("th", "Label", scope="col"),
        *[element("th", name(group, 32), scope="col") for group in groups],
        element("th", "Test", scope="col"),
    )
    rows = []
    for comparison in made:
        cells = []
        for group in groups:
            found = comparison.groups.get(group)
            if found is None:
                cells.append(element("td", undefined("no such group")))
                continue
            median = value(found.median, metric.unit, why_undefined(found))
            cells.append(element("td", median, _known_cases(found), class_="value"))
        test = comparison.test
        p = numbers.p_value(test.p_value) if test else undefined("too few groups to compare")
        cells.append(element("td", p, class_="value"))
        rows.append(
            element("tr", element("th", _label_name(comparison.label), scope="row"), *cells)
        )
    caption = f"Median {metric_heading(metric)}"
    if not result.shareable:
        caption += "; n counts the cases in which it is defined"
    table = element("table", element("caption", caption), element("thead", head),
                    element("tbody", *rows))  # fmt: skip
    return element("div", table, class_="scroll", tabindex="0", role="region", aria_label=caption)


def _known_cases(found: GroupStatistics) -> Html | str:
    if found.n_cases is None or found.n_undefined is None:
        return ""
    return element("small", f"n = {found.n_cases - found.n_undefined:,}")
