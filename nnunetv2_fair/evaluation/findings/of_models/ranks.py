"""Which ranks a model can have among all, by the overall mean, its worst group, and its gap.

A rank is ``shown`` as far as the data exclude other ranks. In at most 5% of comparisons of equal
models is any of them ranked apart from another (at 95% confidence), together with everything else
that is said about the same metric.
"""

from collections.abc import Iterator, Mapping

from nnunetv2_fair.evaluation.findings.sentences import Data, Sentence
from nnunetv2_fair.evaluation.findings.wording import confidence, mean_of, with_sentence
from nnunetv2_fair.evaluation.results.comparison import (
    BETWEEN_GROUPS,
    OVERALL_MEAN,
    WORST_GROUP_MEAN,
    ModelComparison,
)
from nnunetv2_fair.evaluation.results.findings import Finding
from nnunetv2_fair.evaluation.results.values import MetricInfo

#: Measure -> the words before and after the mean that it is made of.
_BY: Mapping[str, tuple[str, str]] = {
    OVERALL_MEAN: ("By the overall ", ""),
    WORST_GROUP_MEAN: ("By the ", " for the worst group"),
    BETWEEN_GROUPS: ("By the gap in ", " between the groups"),
}


def ranks(result: ModelComparison) -> Iterator[Finding]:
    """Yield the ranks of every model, by every attribute, label, metric and measure."""
    level = confidence(result.settings)
    for entry in result.entries:
        metric = result.metric(entry.metric)
        for measure, by_model in entry.ranks.items():
            for model, rank in by_model.items():
                settled = (rank.first, rank.last) != (1, len(by_model))
                found = Finding(
                    kind="rank",
                    verdict="shown" if settled else "not_shown",
                    attribute=entry.attribute,
                    metric=entry.metric,
                    label=entry.label,
                    quantity=measure,
                    who=(model,),
                    confidence=level,
                    family_size=entry.family_size,
                    numbers={
                        "first": float(rank.first),
                        "last": float(rank.last),
                        "ranked": float(len(by_model)),
                    },
                    model=model,
                    baseline=result.baseline,
                )
                yield with_sentence(found, headline(found, metric))


def headline(finding: Finding, metric: MetricInfo) -> Sentence:
    """Return the claim in a sentence."""
    before, after = _BY[finding.quantity]
    groups: list[str] = [f"{after} of ", Data(finding.attribute)] if after else []
    start = [before, *mean_of(finding.label, metric), *groups]
    return [*start, ", ", Data(finding.model), f" {rank_words(finding)}."]


def brief(finding: Finding, metric: MetricInfo) -> Sentence:
    """Return the claim in a few words."""
    return (rank_words(finding),)


def rank_words(finding: Finding) -> str:
    """Return ``ranks 1 to 2 of 3``."""
    first, last, ranked = (int(finding.numbers[name]) for name in ("first", "last", "ranked"))
    if finding.verdict == "not_shown":
        return f"can have any rank of {ranked}"
    if first == last:
        return f"ranks {first} of {ranked}"
    return f"ranks {first} to {last} of {ranked}"
