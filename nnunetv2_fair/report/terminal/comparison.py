"""The models of a comparison, as the command prints them."""

from collections.abc import Iterator

from nnunetv2_fair.evaluation.findings import numbers
from nnunetv2_fair.evaluation.findings.of_models.gains_and_losses import balance
from nnunetv2_fair.evaluation.findings.sentences import plain, shortened
from nnunetv2_fair.evaluation.findings.wording import label_words
from nnunetv2_fair.evaluation.results.comparison import (
    BETWEEN_GROUP_VARIANCE,
    BETWEEN_GROUPS,
    ModelComparison,
)
from nnunetv2_fair.report.html.titles import measure_title, metric_heading
from nnunetv2_fair.report.terminal.columns import LONGEST_NAME, aligned
from nnunetv2_fair.report.terminal.findings import wrapped


def console_comparison(result: ModelComparison, attribute: str) -> str:
    """Return the models' scores and what they change for one attribute as aligned plain text.

    Args:
        result: The comparison.
        attribute: One of its attribute expressions.

    Returns:
        Scores of every model, then for every model but the baseline the gap, who gains and who
        loses, metrics that disagree, and losses elsewhere.
    """
    entry = result.headline_entry(attribute)
    metric = result.metric(entry.metric)
    heading = (
        f"{metric_heading(metric)} by {shortened(attribute)}, "
        f"{shortened(''.join(label_words(entry.label)))}"
    )
    gap = measure_title(BETWEEN_GROUPS).lower()
    if entry.gap_measure == BETWEEN_GROUP_VARIANCE:
        gap = "SD between groups beyond chance"
    rows = [["model", "overall mean", "worst group", gap]]
    for model in result.models:
        scores = entry.per_model[model]
        baseline = " (baseline)" if model == result.baseline else ""
        rows.append(
            [
                shortened(model, LONGEST_NAME) + baseline,
                numbers.number(scores.overall_mean, metric.unit),
                _worst(scores.worst_group, scores.worst_group_mean, metric.unit),
                numbers.number(entry.distance(model), metric.unit),
            ]
        )
    lines = [heading, *aligned(rows)]
    for model in result.others:
        found = balance(result, attribute, model)
        lines += wrapped(" ".join(plain(sentence) for sentence in (found.first, *found.more)))
    lines += _downstream(result, attribute)
    return numbers.ascii_only("\n".join(lines))


def _downstream(result: ModelComparison, attribute: str) -> Iterator[str]:
    """Yield whose errors of downstream measures change; nothing if they are not compared."""
    found = [
        f for f in result.findings if (f.kind, f.attribute) == ("downstream_change", attribute)
    ]
    if not found:
        return
    yield "Errors of downstream measures"
    claims = [f.sentence for f in found if f.claims]
    for sentence in claims or ("No error is shown to change.",):
        yield from wrapped(sentence)


def _worst(group: str, mean: float, unit: str) -> str:
    shown = numbers.number(mean, unit)
    return f"{shown} ({shortened(group, LONGEST_NAME)})" if group else shown
