"""Gaps and medians of every label, where an evaluation has several."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from nnunetv2_fair.evaluation.findings import numbers
from nnunetv2_fair.evaluation.findings.group_differences import (
    FAIRNESS_GAP,
    fairness_gaps,
    main_gap,
)
from nnunetv2_fair.evaluation.findings.sentences import shortened
from nnunetv2_fair.evaluation.findings.wording import confidence, label_words
from nnunetv2_fair.evaluation.results.evaluation import EvaluationResult
from nnunetv2_fair.evaluation.results.groups import Comparison
from nnunetv2_fair.evaluation.results.values import MetricInfo
from nnunetv2_fair.report.html.cells import why_undefined
from nnunetv2_fair.report.html.downloads import Downloads
from nnunetv2_fair.report.html.markup import Html
from nnunetv2_fair.report.html.row_plots import Whisker, forest_plot
from nnunetv2_fair.report.html.templating import render
from nnunetv2_fair.report.html.terms import Terms
from nnunetv2_fair.report.html.titles import metric_heading
from nnunetv2_fair.report.of_evaluation.differences import compared_groups, disadvantage
from nnunetv2_fair.report.of_evaluation.exported import difference_numbers, median_numbers

#: Rows up to which a chart shows every group of every label; beyond, the largest gap of each.
_MOST_ROWS = 24


@dataclass(frozen=True)
class _Chart:
    """The gaps of every label by one metric; ``plot`` is empty if there are none."""

    metric: MetricInfo
    title: str
    plot: Html
    hint: str


@dataclass(frozen=True)
class _Medians:
    metric: MetricInfo
    caption: str
    groups: Sequence[str]
    comparisons: Sequence[Comparison]


def labels_part(
    result: EvaluationResult,
    attribute: str,
    metrics: Sequence[str],
    terms: Terms,
    downloads: Downloads,
) -> Html:
    """Return gaps and medians of every label; empty if there is only one.

    Args:
        result: The evaluation.
        attribute: Attribute expression that was compared.
        metrics: Metrics to show.
        terms: Definitions to link to.
        downloads: What readers can take along.
    """
    if len(result.labels) < 2:
        return Html("")
    shown = [result.metric(key) for key in metrics]
    return render(
        "report/of_evaluation/templates/labels.html",
        charts=[_chart(result, attribute, metric, downloads) for metric in shown],
        tables=[_medians(result, attribute, metric, downloads) for metric in shown],
        gap=FAIRNESS_GAP,
        terms=terms,
    )


def _chart(
    result: EvaluationResult, attribute: str, metric: MetricInfo, downloads: Downloads
) -> _Chart:
    heading = metric_heading(metric)
    title = f"Differences of the median {heading}, by label"
    comparisons = [
        c for c in result.comparisons if (c.attribute, c.metric) == (attribute, metric.name)
    ]
    pairs = [(c, gap.between) for c in comparisons for gap in fairness_gaps(c)
             if not math.isnan(gap.value)]  # fmt: skip
    if not pairs:
        return _Chart(metric, title, Html(""), "")
    many = len(pairs) > _MOST_ROWS
    if many:
        largest = [(c, gap.between) for c in comparisons if (gap := main_gap(c)) is not None]
        pairs = largest
    rows = _rows(metric, pairs)
    level = numbers.percent(confidence(result.settings))
    kind = "simultaneous " if any(len(compared_groups(c)) > 2 for c in comparisons) else ""
    hint = (
        f"Difference of the medians with {kind}{level} interval: right of zero the group is "
        "segmented worse, left of it better. A filled marker where the interval excludes zero, a "
        "ring where it does not."
    )
    if many:
        hint += " Of each label the group with the largest difference; the CSV has all groups."
    plot = forest_plot(rows, _axis_title(metric, pairs), title, worse_to_the_right=True)
    shown = downloads.figure(
        ("differences", metric.name, "by", attribute, "per", "label"),
        f"{title}, groups of {attribute}",
        plot,
        difference_numbers(result, attribute, [metric], result.labels),
        hint,
    )
    return _Chart(metric, title, shown, hint)


def _axis_title(metric: MetricInfo, pairs: Sequence[tuple[Comparison, tuple[str, ...]]]) -> str:
    """Return what is left and right of zero, by name if there are two groups."""
    names = {between for _, between in pairs}
    left, right = "better", "worse"
    if len(names) == 1:
        reference, other = (shortened(name, 18) for name in next(iter(names)))
        left, right = f"worse for {reference}", f"worse for {other}"
    ends = f"\N{LEFTWARDS ARROW} {left}", metric_heading(metric), f"{right} \N{RIGHTWARDS ARROW}"
    return " \N{MIDDLE DOT} ".join(ends)


def _rows(metric: MetricInfo, pairs: Sequence[tuple[Comparison, tuple[str, ...]]]) -> list[Whisker]:
    rows: list[Whisker] = []
    before, one_pair = None, len({between for _, between in pairs}) == 1
    for comparison, (reference, other) in pairs:
        found = disadvantage(comparison, metric, reference, other)
        colours = {group: position for position, group in enumerate(comparison.groups)}
        limits = found.interval_words
        rows.append(
            Whisker(
                label_words(comparison.label) if comparison is not before else (),
                []
                if one_pair and rows
                else [f"{shortened(other, 26)} against {shortened(reference, 26)}"],
                f"{found.words}\n{limits}" if limits else found.words,
                found.value if math.isfinite(found.value) else math.nan,
                found.interval,
                filled=found.certain,
                colour=colours.get(other, 0),
            )
        )
        before = comparison
    return rows


def _medians(
    result: EvaluationResult, attribute: str, metric: MetricInfo, downloads: Downloads
) -> Html:
    made = [c for c in result.comparisons
            if (c.attribute, c.metric) == (attribute, metric.name)]  # fmt: skip
    caption = f"Median {metric_heading(metric)}"
    if not result.shareable:
        caption += "; n counts the cases in which it is defined"
    groups = list(dict.fromkeys(group for c in made for group in c.groups))
    markup = render(
        "report/of_evaluation/templates/label_medians.html",
        table=_Medians(metric, caption, groups, made),
        attribute=attribute,
        label_words=label_words,
        why_undefined=why_undefined,
    )
    return downloads.table(
        ("medians", metric.name, "by", attribute, "per", "label"),
        f"Median {metric_heading(metric)} of every label and group of {attribute}",
        markup,
        median_numbers(made, metric),
    )
