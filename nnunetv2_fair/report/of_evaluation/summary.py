"""The summary of an evaluation: one card per attribute, with what can be said about it."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from nnunetv2_fair.evaluation.findings import numbers
from nnunetv2_fair.evaluation.findings.sentences import Data, Sentence
from nnunetv2_fair.evaluation.results.evaluation import EvaluationResult
from nnunetv2_fair.evaluation.results.groups import Comparison
from nnunetv2_fair.report.html.markup import Html
from nnunetv2_fair.report.html.row_plots import Whisker, forest_plot
from nnunetv2_fair.report.html.templating import render
from nnunetv2_fair.report.html.titles import metric_heading
from nnunetv2_fair.report.of_evaluation.findings import (
    Verdict,
    confidence,
    find,
    too_small,
)

_VERDICT_CLASS = {
    Verdict.SHOWN: "shown",
    Verdict.UNCLEAR: "unclear",
    Verdict.NOT_SHOWN: "not-shown",
    Verdict.NOT_COMPARABLE: "not-comparable",
}


@dataclass(frozen=True)
class _Card:
    attribute: str
    kind: str
    verdict: str
    headline: Sentence
    medians: Html
    briefs: Sequence[tuple[str, Sentence]]
    too_small: Sentence


def summary_section(result: EvaluationResult, headlines: Mapping[str, Comparison]) -> Html:
    """Return the section with id ``summary``.

    Args:
        result: The evaluation.
        headlines: Attribute -> the comparison that represents it.
    """
    tests = [c.test for c in result.comparisons if c.test is not None]
    return render(
        "report/of_evaluation/templates/summary.html",
        cards=[_card(result, comparison) for comparison in headlines.values()],
        notes=result.notes,
        n_metrics=len(result.metrics),
        corrected=any(not math.isnan(test.corrected_p) for test in tests),
    )


def _card(result: EvaluationResult, comparison: Comparison) -> _Card:
    attribute = comparison.attribute
    finding = find(result, comparison)
    others = [
        c
        for c in result.comparisons
        if (c.attribute, c.label) == (attribute, comparison.label) and c.metric != comparison.metric
    ]
    return _Card(
        attribute,
        _VERDICT_CLASS[finding.verdict],
        finding.verdict.value,
        finding.headline,
        _medians(result, comparison),
        [(result.metric(other.metric).title, find(result, other).brief) for other in others],
        too_small(comparison),
    )


def _medians(result: EvaluationResult, comparison: Comparison) -> Html:
    metric = result.metric(comparison.metric)
    level = numbers.percent(confidence(result.settings))
    rows = []
    for position, (group, found) in enumerate(comparison.groups.items()):
        compared = group not in comparison.left_out and not math.isnan(found.median)
        limits = found.median_interval
        text = numbers.with_unit(found.median, metric.unit) if compared else "not compared"
        if compared and not math.isnan(limits.low):
            text += f"\n{numbers.interval(limits, metric.unit)}"
        rows.append(
            Whisker(
                (Data(group),),
                [numbers.count(found.n_patients, "patient")],
                text,
                found.median if compared and math.isfinite(found.median) else math.nan,
                limits if compared else numbers.NO_INTERVAL,
                colour=position,
            )
        )
    title = f"Median {metric_heading(metric)} with {level} interval"
    return forest_plot(rows, title, title, zero=False)
