"""The models of a comparison, as the command prints them."""

import math

from nnunetv2_fair.evaluation.findings import numbers
from nnunetv2_fair.evaluation.findings.sentences import shortened
from nnunetv2_fair.evaluation.findings.wording import confidence, label_words
from nnunetv2_fair.evaluation.results.comparison import Difference, ModelComparison
from nnunetv2_fair.report.html.titles import metric_heading
from nnunetv2_fair.report.of_comparison.findings import HEADLINE_GAP, headline_entry
from nnunetv2_fair.report.terminal.columns import LONGEST_NAME, aligned


def console_comparison(result: ModelComparison, attribute: str) -> str:
    """Return the models' scores and changes for one attribute as aligned plain text.

    Args:
        result: The comparison.
        attribute: One of its attribute expressions.
    """
    entry = headline_entry(result, attribute)
    metric = result.metric(entry.metric)
    level = numbers.percent(confidence(result.settings))
    heading = (
        f"{metric_heading(metric)} by {shortened(attribute)}, "
        f"{shortened(''.join(label_words(entry.label)))}"
    )
    head = ["model", "overall mean", "worst group", HEADLINE_GAP,
            f"change of {HEADLINE_GAP} [{level} interval]"]  # fmt: skip
    rows = [head]
    for model in result.models:
        scores = entry.per_model[model]
        gap, _ = scores.gaps.get(HEADLINE_GAP, (math.nan, numbers.NO_INTERVAL))
        change = (
            entry.differences[model].gaps.get(HEADLINE_GAP) if model in entry.differences else None
        )
        rows.append(
            [
                shortened(model, LONGEST_NAME),
                numbers.number(scores.overall_mean, metric.unit),
                _worst(scores.worst_group, scores.worst_group_mean, metric.unit),
                numbers.number(gap, metric.unit),
                _console_change(change, metric.unit) if model != result.baseline else "(baseline)",
            ]
        )
    lines = [heading, *aligned(rows)]
    return numbers.ascii_only("\n".join(lines))


def _worst(group: str, mean: float, unit: str) -> str:
    shown = numbers.number(mean, unit)
    return f"{shown} ({shortened(group, LONGEST_NAME)})" if group else shown


def _console_change(found: Difference | None, unit: str) -> str:
    if found is None or math.isnan(found.value):
        return numbers.UNDEFINED
    limits = numbers.interval(found.interval, unit, signed=True)
    text = numbers.number(found.value, unit, signed=True)
    return f"{text} [{limits}]" if limits != numbers.UNDEFINED else text
