"""All findings of the kind ``downstream``, and their words."""

from collections.abc import Iterator

from nnunetv2_fair.evaluation.findings.downstream import decisions, errors
from nnunetv2_fair.evaluation.findings.sentences import Sentence
from nnunetv2_fair.evaluation.results.evaluation import EvaluationResult
from nnunetv2_fair.evaluation.results.findings import Finding
from nnunetv2_fair.evaluation.results.values import MetricInfo


def downstream(result: EvaluationResult) -> Iterator[Finding]:
    """Yield what errors of measures and decisions at thresholds show."""
    yield from errors.downstream_errors(result)
    yield from decisions.downstream_decisions(result)


def headline(finding: Finding, metric: MetricInfo) -> Sentence:
    """Return the claim in one sentence."""
    of_errors = finding.quantity == errors.ABSOLUTE_ERROR
    return (errors if of_errors else decisions).headline(finding, metric)


def brief(finding: Finding, metric: MetricInfo) -> Sentence:
    """Return the same in a few words, without the label."""
    of_errors = finding.quantity == errors.ABSOLUTE_ERROR
    return (errors if of_errors else decisions).brief(finding, metric)
