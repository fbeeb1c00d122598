"""All findings of a result, and the words of each kind."""

import dataclasses
from collections.abc import Callable, Iterator, Mapping

from nnunetv2_fair.evaluation.findings import (
    failure_rates,
    group_differences,
    model_changes,
    ranks,
)
from nnunetv2_fair.evaluation.findings.sentences import Sentence
from nnunetv2_fair.evaluation.results.comparison import ModelComparison
from nnunetv2_fair.evaluation.results.evaluation import EvaluationResult
from nnunetv2_fair.evaluation.results.findings import Finding, Kind
from nnunetv2_fair.evaluation.results.values import MetricInfo

#: Kind -> the claim in one or two sentences.
_HEADLINES: Mapping[Kind, Callable[[Finding, MetricInfo], Sentence]] = {
    "group_difference": group_differences.headline,
    "model_change": model_changes.headline,
    "rank": ranks.headline,
    "failure_rate": failure_rates.headline,
}

#: Kind -> the claim in a few words.
_BRIEFS: Mapping[Kind, Callable[[Finding, MetricInfo], Sentence]] = {
    "group_difference": group_differences.brief,
    "model_change": model_changes.brief,
    "rank": ranks.brief,
    "failure_rate": failure_rates.brief,
}


def with_findings(result: EvaluationResult) -> EvaluationResult:
    """Return the result with everything that it claims, those of the headline label first."""
    found = sorted(_all(result), key=lambda finding: finding.label != result.headline_label)
    return dataclasses.replace(result, findings=tuple(found))


def comparison_with_findings(result: ModelComparison) -> ModelComparison:
    """Return the comparison with everything that it claims, the headline label first."""
    found = [*model_changes.model_changes(result), *ranks.ranks(result)]
    found.sort(key=lambda finding: finding.label != result.headline_label)
    return dataclasses.replace(result, findings=tuple(found))


def _all(result: EvaluationResult) -> Iterator[Finding]:
    yield from group_differences.group_differences(result)
    yield from failure_rates.failure_rates(result)


def headline(finding: Finding, metric: MetricInfo) -> Sentence:
    """Return a claim in one or two sentences; ``Finding.sentence`` is the same as plain text."""
    return _HEADLINES[finding.kind](finding, metric)


def brief(finding: Finding, metric: MetricInfo) -> Sentence:
    """Return a claim in a few words, without the label."""
    return _BRIEFS[finding.kind](finding, metric)
