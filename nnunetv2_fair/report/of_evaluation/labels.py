"""Gaps and medians of every label, where an evaluation has several."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from nnunetv2_fair.evaluation.findings import numbers
from nnunetv2_fair.evaluation.findings.group_differences import FAIRNESS_GAP
from nnunetv2_fair.evaluation.findings.sentences import shortened
from nnunetv2_fair.evaluation.findings.wording import confidence, label_words
from nnunetv2_fair.evaluation.results.evaluation import EvaluationResult
from nnunetv2_fair.evaluation.results.groups import Comparison
from nnunetv2_fair.evaluation.results.values import MetricInfo
from nnunetv2_fair.report.html.cells import why_undefined
from nnunetv2_fair.report.html.markup import Html
from nnunetv2_fair.report.html.row_plots import Whisker, forest_plot
from nnunetv2_fair.report.html.templating import render
from nnunetv2_fair.report.html.terms import Terms
from nnunetv2_fair.report.html.titles import metric_heading


@dataclass(frozen=True)
class _Chart:
    """The gaps of every label by one metric; ``plot`` is empty if there are none."""

    metric: MetricInfo
    title: str
    plot: Html


@dataclass(frozen=True)
class _Medians:
    metric: MetricInfo
    caption: str
    groups: Sequence[str]
    comparisons: Sequence[Comparison]


def labels_part(
    result: EvaluationResult, attribute: str, metrics: Sequence[str], terms: Terms
) -> Html:
    """Return gaps and medians of every label; empty if there is only one.

    Args:
        result: The evaluation.
        attribute: Attribute expression that was compared.
        metrics: Metrics to show.
        terms: Definitions to link to.
    """
    if len(result.labels) < 2:
        return Html("")
    shown = [result.metric(key) for key in metrics]
    return render(
        "report/of_evaluation/templates/labels.html",
        charts=[_chart(result, attribute, metric) for metric in shown],
        tables=[_medians(result, attribute, metric) for metric in shown],
        level=numbers.percent(confidence(result.settings)),
        gap=FAIRNESS_GAP,
        terms=terms,
        label_words=label_words,
        why_undefined=why_undefined,
    )


def _chart(result: EvaluationResult, attribute: str, metric: MetricInfo) -> _Chart:
    title = f"Fairness gap in {metric_heading(metric)}, by label"
    rows = _gap_rows(result, attribute, metric)
    plot = forest_plot(rows, f"gap in {metric_heading(metric)}", title) if rows else Html("")
    return _Chart(metric, title, plot)


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
            pair = f"{reference} {numbers.MINUS} {other}"
            text = numbers.number(gap.value, metric.unit, signed=True)
            limits = numbers.interval(gap.interval, metric.unit, signed=True)
            rows.append(
                Whisker(
                    label_words(label) if not position else (),
                    [pair] if len(gaps) > 1 or not rows else [],
                    f"{text}\n{limits}" if limits != numbers.UNDEFINED else text,
                    gap.value if math.isfinite(gap.value) else math.nan,
                    gap.interval,
                    filled=numbers.excludes_zero(gap.interval),
                    colour=colours.get(gap.between[1], 0),
                )
            )
    return rows


def _medians(result: EvaluationResult, attribute: str, metric: MetricInfo) -> _Medians:
    made = [c for c in result.comparisons
            if (c.attribute, c.metric) == (attribute, metric.name)]  # fmt: skip
    caption = f"Median {metric_heading(metric)}"
    if not result.shareable:
        caption += "; n counts the cases in which it is defined"
    groups = list(dict.fromkeys(group for c in made for group in c.groups))
    return _Medians(metric, caption, groups, made)
