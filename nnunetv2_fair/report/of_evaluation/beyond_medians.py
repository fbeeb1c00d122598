"""What medians of groups do not show: failures, and gaps among patients who can be compared."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from nnunetv2_fair.evaluation.findings import numbers
from nnunetv2_fair.evaluation.findings.sentences import Data, Sentence, shortened
from nnunetv2_fair.evaluation.findings.wording import confidence, label_words
from nnunetv2_fair.evaluation.results.adjusted import REFERENCE_SIZE, AdjustedGap
from nnunetv2_fair.evaluation.results.evaluation import EvaluationResult
from nnunetv2_fair.evaluation.results.failures import FailureComparison
from nnunetv2_fair.evaluation.results.values import Interval, MetricInfo
from nnunetv2_fair.report.html.downloads import Downloads
from nnunetv2_fair.report.html.markup import Html
from nnunetv2_fair.report.html.templating import render
from nnunetv2_fair.report.html.terms import Terms
from nnunetv2_fair.report.of_evaluation.differences import Disadvantage, of_difference
from nnunetv2_fair.report.of_evaluation.exported import adjusted_numbers, failure_numbers


@dataclass(frozen=True)
class _Rate:
    group: str
    rate: str
    interval: str
    failed: str
    compared: bool


@dataclass(frozen=True)
class _Failures:
    label: Sentence
    criterion: str
    rates: Sequence[_Rate]
    p_value: str


@dataclass(frozen=True)
class _Adjusted:
    label: Sentence
    metric: MetricInfo
    between: tuple[str, str]
    crude: Disadvantage
    adjusted: Disadvantage
    reason: str
    confounders: Sentence
    effective: str
    p_value: str


def beyond_medians(
    result: EvaluationResult, attribute: str, terms: Terms, downloads: Downloads
) -> Html:
    """Return failure rates and adjusted gaps of one attribute; empty if there are none.

    Args:
        result: The evaluation.
        attribute: Attribute expression that was compared.
        terms: Definitions to link to.
        downloads: What readers can take along.
    """
    failures = [f for f in result.failures if f.attribute == attribute]
    adjusted = [
        gap
        for gap in result.adjusted_gaps
        if gap.attribute == attribute
        and (gap.label == result.headline_label or gap.metric == result.metrics[0].name)
    ]
    if not failures and not adjusted:
        return Html("")
    words = {
        "counted": "case" if result.settings.get("unit") == "case" else "patient",
        "level": numbers.percent(confidence(result.settings)),
        "terms": terms,
        "attribute": attribute,
    }
    of, tables = shortened(attribute), []
    if failures:
        made = render(
            "report/of_evaluation/templates/failures.html",
            failures=[_failures(result, found) for found in failures],
            **words,
        )
        written = failure_numbers(result, failures)
        title = f"Failure rates of the groups of {of}"
        tables.append(downloads.table(("failures", attribute), title, made, written))
    if adjusted:
        made = render(
            "report/of_evaluation/templates/adjusted.html",
            adjusted=[_adjusted(result, gap) for gap in adjusted],
            **words,
        )
        written = adjusted_numbers(result, adjusted)
        title = f"Adjusted gaps of {of}"
        tables.append(downloads.table(("adjusted", "gaps", attribute), title, made, written))
    return render(
        "report/of_evaluation/templates/beyond_medians.html",
        tables=tables,
        adjusted=bool(adjusted),
    )


def _failures(result: EvaluationResult, found: FailureComparison) -> _Failures:
    metric = result.metric(found.metric)
    limit = f"{found.threshold:g}{' ' if metric.unit else ''}{metric.unit}"
    words = "or less" if metric.better == "higher" else "or more"
    return _Failures(
        label_words(found.label),
        f"{metric.title} {limit} {words}",
        [
            _Rate(
                group,
                _percent(rate.rate),
                _percents(rate.interval),
                f"{rate.n_failed:,} of {rate.n_patients:,}",
                group not in found.left_out,
            )
            for group, rate in found.groups.items()
        ],
        "" if found.test is None else numbers.p_value(found.test.corrected_p),
    )


def _adjusted(result: EvaluationResult, gap: AdjustedGap) -> _Adjusted:
    confounders: list[str] = []
    for position, name in enumerate(gap.confounders):
        confounders += [", "] * bool(position)
        confounders.append(name if name == REFERENCE_SIZE else Data(name))
    one, two = (f"{number:.0f}" for number in gap.effective)
    metric = result.metric(gap.metric)
    return _Adjusted(
        label_words(gap.label),
        metric,
        gap.between,
        of_difference(gap.crude, gap.crude_interval, metric),
        of_difference(gap.value, gap.interval, metric),
        gap.reason,
        confounders,
        f"{one} of {gap.n[0]:,}, {two} of {gap.n[1]:,}",
        "" if gap.test is None else numbers.p_value(gap.test.corrected_p),
    )


def _percent(share: float) -> str:
    return f"{share * 100:.1f}%" if not math.isnan(share) else numbers.UNDEFINED


def _percents(limits: Interval) -> str:
    if math.isnan(limits.low):
        return ""
    return f"{limits.low * 100:.1f} to {limits.high * 100:.1f}"
