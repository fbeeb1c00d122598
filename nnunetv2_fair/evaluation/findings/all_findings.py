"""All findings of a result, and the words of each kind."""

import dataclasses
from collections.abc import Callable, Iterator, Mapping

from nnunetv2_fair.evaluation.findings import (
    boundaries,
    equivalence,
    failure_rates,
    group_differences,
    pair_differences,
    size_explains,
    subgroups,
)
from nnunetv2_fair.evaluation.findings.downstream import kind as downstream
from nnunetv2_fair.evaluation.findings.of_models import downstream_changes, model_changes, ranks
from nnunetv2_fair.evaluation.findings.sentences import Sentence
from nnunetv2_fair.evaluation.findings.wording import VERDICTS
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
    "subgroup": subgroups.headline,
    "size_explains": size_explains.headline,
    "equivalence": equivalence.headline,
    "boundary": boundaries.headline,
    "pair_difference": pair_differences.headline,
    "downstream": downstream.headline,
    "downstream_change": downstream_changes.headline,
}

#: Kind -> the claim in a few words.
_BRIEFS: Mapping[Kind, Callable[[Finding, MetricInfo], Sentence]] = {
    "group_difference": group_differences.brief,
    "model_change": model_changes.brief,
    "rank": ranks.brief,
    "failure_rate": failure_rates.brief,
    "subgroup": subgroups.brief,
    "size_explains": size_explains.brief,
    "equivalence": equivalence.brief,
    "boundary": boundaries.brief,
    "pair_difference": pair_differences.brief,
    "downstream": downstream.brief,
    "downstream_change": downstream_changes.brief,
}

#: Kinds that say that something differs between the groups of an attribute.
_DIFFERENCES: frozenset[Kind] = frozenset(
    {"group_difference", "failure_rate", "boundary", "pair_difference", "downstream"}
)


def with_findings(result: EvaluationResult) -> EvaluationResult:
    """Return the result with everything that it claims, those of the headline label first."""
    found = sorted(_all(result), key=lambda finding: finding.label != result.headline_label)
    return dataclasses.replace(result, findings=tuple(found))


def comparison_with_findings(result: ModelComparison) -> ModelComparison:
    """Return the comparison with everything that it claims, the headline label first."""
    found = [*model_changes.model_changes(result), *ranks.ranks(result)]
    found.sort(key=lambda finding: finding.label != result.headline_label)
    found += downstream_changes.downstream_changes(result)
    return dataclasses.replace(result, findings=tuple(found))


def _all(result: EvaluationResult) -> Iterator[Finding]:
    differences = list(group_differences.group_differences(result))
    explained = list(size_explains.size_explains(result, differences))
    for difference in differences:
        yield size_explains.limited(difference, explained)
    yield from explained
    yield from pair_differences.pair_differences(result)
    yield from failure_rates.failure_rates(result)
    yield from equivalence.equivalences(result)
    yield from subgroups.subgroups(result)
    yield from boundaries.boundaries(result)
    yield from downstream.downstream(result)


def main_findings(result: EvaluationResult, attribute: str, label: str) -> tuple[Finding, ...]:
    """Return what represents an attribute: differences of medians, by metric."""
    kind: Kind = "group_difference"
    return result.findings_on(kind, group_differences.MEDIAN, attribute, label)


def further_findings(result: EvaluationResult, attribute: str, label: str) -> list[Finding]:
    """Return what is told of an attribute besides its main findings.

    Args:
        result: The evaluation.
        attribute: Attribute expression.
        label: The label that is told of; of others only claims are.

    Returns:
        Claims of every kind and gaps that are excluded, and of the label also what is not shown.
        Means are told of only where they differ and the medians are not shown to.
    """
    shown = {
        (f.metric, f.label)
        for f in result.findings
        if f.attribute == attribute and _is_main(f) and f.verdict == "shown"
    }
    told = []
    for found in result.findings:
        if found.attribute != attribute or _is_main(found) or found.verdict == "not_comparable":
            continue
        of_means = found.kind == "group_difference"
        if of_means and (not found.claims or (found.metric, found.label) in shown):
            continue
        if found.claims or found.verdict == "excluded" or found.label == label:
            told.append(found)
    return told


def verdict_words(result: EvaluationResult, main: Finding) -> str:
    """Return the verdict of a main finding in words.

    Where it shows no difference and something else about the attribute does, such as another
    metric, a label, the means or failures, the words say what they are about and that there is
    more: whoever reads them alone would take them for the whole answer.
    """
    words = VERDICTS[main.verdict]
    more = any(
        f.verdict == "shown" and f.attribute == main.attribute and f.kind in _DIFFERENCES
        for f in result.findings
    )
    if main.verdict not in ("signs", "not_shown") or not more:
        return words
    return f"{words} in median {result.metric(main.metric).title}; more is shown below"


def _is_main(finding: Finding) -> bool:
    return finding.kind == "group_difference" and finding.quantity == group_differences.MEDIAN


def headline(finding: Finding, metric: MetricInfo) -> Sentence:
    """Return a claim in one or two sentences; ``Finding.sentence`` is the same as plain text."""
    return _HEADLINES[finding.kind](finding, metric)


def brief(finding: Finding, metric: MetricInfo) -> Sentence:
    """Return a claim in a few words, without the label."""
    return _BRIEFS[finding.kind](finding, metric)
