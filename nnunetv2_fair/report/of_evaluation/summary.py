"""The summary of an evaluation: one card per attribute, with what can be said about it."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from nnunetv2_fair.evaluation.findings import numbers
from nnunetv2_fair.evaluation.findings.all_findings import (
    brief,
    further_findings,
    headline,
    main_findings,
    verdict_words,
)
from nnunetv2_fair.evaluation.findings.crop_hint import crop_hint
from nnunetv2_fair.evaluation.findings.group_differences import left_out
from nnunetv2_fair.evaluation.findings.sentences import Data, Sentence, plain
from nnunetv2_fair.evaluation.findings.wording import confidence, label_words
from nnunetv2_fair.evaluation.results.evaluation import EvaluationResult
from nnunetv2_fair.evaluation.results.findings import Finding
from nnunetv2_fair.evaluation.results.groups import NOT_CHOSEN, Comparison
from nnunetv2_fair.evaluation.results.trainings import subject
from nnunetv2_fair.evaluation.results.values import NO_INTERVAL
from nnunetv2_fair.report.html.cells import having_value
from nnunetv2_fair.report.html.downloads import Downloads
from nnunetv2_fair.report.html.markup import Html
from nnunetv2_fair.report.html.row_plots import Whisker, forest_plot
from nnunetv2_fair.report.html.templating import render
from nnunetv2_fair.report.html.titles import metric_heading
from nnunetv2_fair.report.of_evaluation.exported import group_numbers
from nnunetv2_fair.report.of_evaluation.overview import measured, overview

#: Further claims that a card tells at once; the others are folded.
_MOST_TOLD = 4

#: Attributes whose findings, and groups of an attribute whose figure, fit on two printed pages; of
#: the others the table of the findings is printed.
_MOST_PRINTED, _MOST_ROWS_PRINTED = 6, 8

#: Kinds whose claims are never folded behind others.
_FIRST = ("failure_rate", "size_explains")


@dataclass(frozen=True)
class _Card:
    attribute: str
    kind: str
    verdict: str
    headline: Sentence
    metric: str
    medians: Html
    n_groups: int
    briefs: Sequence[tuple[str, Sentence]]
    same: Sequence[tuple[str, Sentence]]
    further: Sequence[Sentence]
    by_label: Sequence[tuple[Sentence, Sentence]]
    other_labels: int
    left_out: Sentence


def summary_section(
    result: EvaluationResult, headlines: Mapping[str, Comparison], downloads: Downloads
) -> Html:
    """Return the section with id ``summary``.

    Args:
        result: The evaluation.
        headlines: Attribute -> the comparison that represents it.
        downloads: What readers can take along.
    """
    tests = [c.test for c in result.comparisons if c.test is not None]
    return render(
        "report/of_evaluation/templates/summary.html",
        overview=overview(result, headlines, downloads),
        measured=measured(result),
        cards=[_card(result, c, headlines, downloads) for c in headlines.values()],
        hint=crop_hint(result),
        notes=result.notes,
        model=subject(result.settings),
        n_metrics=len(result.metrics),
        most_told=_MOST_TOLD,
        most_printed=_MOST_PRINTED,
        most_rows_printed=_MOST_ROWS_PRINTED,
        corrected=any(not math.isnan(test.corrected_p) for test in tests),
    )


def _card(
    result: EvaluationResult,
    comparison: Comparison,
    headlines: Mapping[str, Comparison],
    downloads: Downloads,
) -> _Card:
    attribute = comparison.attribute
    main, *others = main_findings(result, attribute, comparison.label)
    return _Card(
        attribute,
        main.verdict.replace("_", "-"),
        verdict_words(result, main),
        headline(main, result.metric(main.metric)),
        result.metric(main.metric).title,
        _medians(result, comparison, headlines, downloads),
        len(comparison.groups),
        _briefs(result, [f for f in others if f.verdict != main.verdict]),
        _briefs(result, [f for f in others if f.verdict == main.verdict]),
        [
            headline(f, result.metric(f.metric))
            for f in sorted(
                further_findings(result, attribute, comparison.label),
                key=lambda found: found.kind not in _FIRST,
            )
        ],
        *_by_label(result, attribute, comparison),
        left_out(comparison),
    )


def _briefs(result: EvaluationResult, found: Sequence[Finding]) -> list[tuple[str, Sentence]]:
    return [(m.title, brief(f, m)) for f in found for m in [result.metric(f.metric)]]


def _by_label(
    result: EvaluationResult, attribute: str, comparison: Comparison
) -> tuple[list[tuple[Sentence, Sentence]], int]:
    """Return the other labels with a difference in the first metric, and how many have none."""
    metric = result.metric(comparison.metric)
    claims, others = [], 0
    for label in result.labels:
        if label == comparison.label:
            continue
        for found in main_findings(result, attribute, label):
            if found.metric == metric.name and found.verdict in ("shown", "signs"):
                claims.append((label_words(label), brief(found, metric)))
            elif found.metric == metric.name:
                others += 1
    return claims, others


def _medians(
    result: EvaluationResult,
    comparison: Comparison,
    headlines: Mapping[str, Comparison],
    downloads: Downloads,
) -> Html:
    metric = result.metric(comparison.metric)
    level = numbers.percent(confidence(result.settings))
    title = f"Median {metric_heading(metric)} with {level} interval"
    others = [c for c in headlines.values() if c.metric == comparison.metric]
    along = [row for other in others for row in _whiskers(result, other)]
    plot = forest_plot(_whiskers(result, comparison), title, title, zero=False, along=along)
    return downloads.figure(
        ("median", metric.name, "by", comparison.attribute),
        f"{title}, groups of {comparison.attribute}, {plain(label_words(comparison.label))}",
        plot,
        group_numbers([(metric, comparison)]),
    )


def _whiskers(result: EvaluationResult, comparison: Comparison) -> list[Whisker]:
    metric = result.metric(comparison.metric)
    rows = []
    for position, (group, found) in enumerate(comparison.groups.items()):
        compared = group not in comparison.left_out
        limits = found.median_interval
        shown_only = comparison.left_out.get(group) == NOT_CHOSEN
        shown = compared or shown_only
        text = numbers.or_hidden(found.median, metric.unit) if shown else "not compared"
        if shown_only:
            text += "\nshown, not compared"
        elif compared and not math.isnan(limits.low):
            text += f"\n{numbers.interval(limits, metric.unit)}"
        rows.append(
            Whisker(
                (Data(group),),
                [having_value(found, by_case=result.settings.get("unit") == "case")],
                text,
                found.median if shown and math.isfinite(found.median) else math.nan,
                limits if shown else NO_INTERVAL,
                colour=position,
            )
        )
    return rows
