"""Who gains and who loses by a model: the findings of a comparison put together.

Nothing is claimed here that is not among the findings: their error rates hold.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from nnunetv2_fair.evaluation.findings import numbers
from nnunetv2_fair.evaluation.findings.model_changes import (
    GAPS,
    LEVELLING_DOWN,
    amount,
)
from nnunetv2_fair.evaluation.findings.sentences import Data, Sentence, listed
from nnunetv2_fair.evaluation.results.comparison import GROUP_MEAN, OVERALL_MEAN, ModelComparison
from nnunetv2_fair.evaluation.results.findings import Finding

#: At most this many groups, or other changes, are told in one sentence.
_MOST = 4

#: Stands for the gap among names of groups, none of which can be this.
_GAP = "\0gap"


@dataclass(frozen=True)
class Balance:
    """What a model changes for the groups of one attribute.

    Attributes:
        badge: In two to five words.
        gap: The finding on the gap; None if a shareable result hides it.
        first: The most important sentence: the gap, and who gains and loses.
        more: Sentences on metrics that disagree, and on losses elsewhere.
        details: Findings on the gap, the overall mean, the worst group, and each group.
        harms: Whether the gap grows or somebody is shown to lose, by any metric and label.
    """

    badge: str
    gap: Finding | None
    first: Sentence
    more: tuple[Sentence, ...]
    details: tuple[Finding, ...]
    harms: bool


def balance(result: ModelComparison, attribute: str, model: str) -> Balance:
    """Return what a model changes, by the first metric and the headline label first."""
    found = [
        f
        for f in result.findings
        if (f.kind, f.attribute, f.model) == ("model_change", attribute, model)
    ]
    label, metric = result.headline_label, result.metrics[0].name
    details = tuple(f for f in found if (f.label, f.metric) == (label, metric))
    gap = next((f for f in details if f.quantity in GAPS), None)
    groups = [f for f in details if f.quantity == GROUP_MEAN]
    more = (_disagreement(result, found), _elsewhere(result, found))
    return Balance(
        badge=_badge(gap, groups),
        gap=gap,
        first=_first(result, gap, groups, attribute, model),
        more=tuple(sentence for sentence in more if sentence),
        details=details,
        harms=any(_is_harm(f) for f in found),
    )


def _is_harm(finding: Finding) -> bool:
    return finding.verdict == "shown" and finding.direction in ("worse", "larger")


def _badge(gap: Finding | None, groups: Sequence[Finding]) -> str:
    loses = any(f.verdict == "shown" and f.direction == "worse" for f in groups)
    harm = ", some lose" if loses else ""
    if gap is None or gap.verdict == "not_comparable":
        return f"gap cannot be compared{harm}"
    if gap.verdict == "not_shown":
        return f"no change of the gap shown{harm}"
    if gap.verdict == "signs":
        return f"signs of a {gap.direction} gap{harm}"
    if gap.reason == LEVELLING_DOWN:
        return f"smaller gap by {LEVELLING_DOWN}"
    return f"{gap.direction} gap{harm}"


def _first(
    result: ModelComparison,
    gap: Finding | None,
    groups: Sequence[Finding],
    attribute: str,
    model: str,
) -> Sentence:
    metric = result.metrics[0]
    of = [f"gap in {metric.title} between the groups of ", Data(attribute)]
    if gap is None or gap.verdict == "not_comparable":
        why = "fewer than two groups are large enough"
        why += ", or their means are hidden" if result.shareable else ""
        words = ["the ", *of, f" cannot be compared, as {why}; "]
    elif gap.verdict == "not_shown":
        words = ["no change of the ", *of, " is shown; "]
    elif gap.verdict == "signs":
        words = ["there are signs of a ", f"{gap.direction} ", *of, "; "]
    else:
        by = f" by {gap.reason}" if gap.reason == LEVELLING_DOWN else ""
        words = ["the ", *of, f" is {gap.direction}{by}: "]
    return ["With ", Data(model), ", ", *words, *_who(result, groups), "."]


def _who(result: ModelComparison, groups: Sequence[Finding]) -> list[str]:
    """Return who loses, who gains, and that the others are not shown to do either."""
    metric = result.metrics[0]
    shown = [f for f in groups if f.verdict == "shown"]
    ordered = [f for way in ("worse", "better") for f in shown if f.direction == way]
    if not ordered:
        return ["no group is shown to gain or lose"]
    words: list[str] = []
    for found in ordered[:_MOST]:
        words += [", " if words else "", *amount(found, metric)]
    if len(ordered) > _MOST:
        words.append(f" and {len(ordered) - _MOST} more")
    tested = sum(f.verdict != "not_comparable" for f in groups)
    if tested > len(ordered):
        words.append("; no other group is shown to gain or lose")
    return words


def _disagreement(result: ModelComparison, found: Sequence[Finding]) -> Sentence:
    """Return for whom one metric is better while another is worse; empty for nobody."""
    words: list[str] = []
    titles = {metric.name: metric.title for metric in result.metrics}
    label = result.headline_label
    means = [f for f in found if f.label == label and f.quantity in (OVERALL_MEAN, GROUP_MEAN)]
    for who in dict.fromkeys(f.who for f in means):
        told = [f for f in means if f.who == who and f.verdict == "shown"]
        better = [titles[f.metric] for f in told if f.direction == "better"]
        worse = [titles[f.metric] for f in told if f.direction == "worse"]
        if better and worse:
            verb, other = ("is" if len(side) == 1 else "are" for side in (better, worse))
            words += ["; " if words else "The metrics disagree: "]
            words += ["for ", Data(who[0])] if who else ["overall"]
            words += [" ", *listed(better), f" {verb} better while ", *listed(worse)]
            words.append(f" {other} worse")
    return [*words, "."] if words else ()


def _elsewhere(result: ModelComparison, found: Sequence[Finding]) -> Sentence:
    """Return losses and larger gaps in other metrics and labels; empty if there are none."""
    first, label = result.metrics[0].name, result.headline_label
    harms = [
        f
        for f in found
        if _is_harm(f)
        and (f.metric, f.label) != (first, label)
        and f.quantity in (*GAPS, OVERALL_MEAN, GROUP_MEAN)
    ]
    by_who: dict[str, list[str]] = {}
    for harm in (f for f in harms if f.label == label):
        by_who.setdefault(_subject(harm), []).append(result.metric(harm.metric).title)
    parts: list[list[str]] = []
    for who in sorted(by_who, key=lambda who: who in ("", _GAP)):  # groups first
        if who == _GAP:
            parts.append(["larger gap in ", *listed(by_who[who])])
        else:
            subject = [Data(who)] if who else ["all groups together"]
            parts.append([*subject, " in ", *listed(by_who[who])])
    labels = list(dict.fromkeys(f.label for f in harms if f.label != label))
    if labels:
        parts.append(["at least one result for ", *listed(labels[:_MOST])])
        if len(labels) > _MOST:
            parts[-1].append(f" and {numbers.count(len(labels) - _MOST, 'more label')}")
    if not parts:
        return ()
    told = [piece for part in parts[:_MOST] for piece in ("; ", *part)][1:]
    if len(parts) > _MOST:
        told.append(f"; and {len(parts) - _MOST} more, see the tables")
    return ["Also worse: ", *told, "."]


def _subject(finding: Finding) -> str:
    if finding.quantity in GAPS:
        return _GAP
    return finding.who[0] if finding.who else ""
