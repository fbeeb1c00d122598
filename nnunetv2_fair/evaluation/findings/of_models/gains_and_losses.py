"""Who gains and who loses by a model: the findings of a comparison put together.

Nothing is claimed here that is not among the findings: their error rates hold.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from nnunetv2_fair.evaluation.findings import numbers
from nnunetv2_fair.evaluation.findings.of_models.model_changes import (
    GAPS,
    LEVELLING_DOWN,
    amount,
)
from nnunetv2_fair.evaluation.findings.sentences import Data, Sentence, listed
from nnunetv2_fair.evaluation.results.comparison import (
    GROUP_MEAN,
    OVERALL_MEAN,
    WORST_GROUP_MEAN,
    ModelComparison,
)
from nnunetv2_fair.evaluation.results.findings import Finding
from nnunetv2_fair.evaluation.results.groups import NOT_CHOSEN

#: At most this many groups, or other changes, are told in one sentence.
_MOST = 4

#: At most this many are named of those who gain or lose by a model.
_MOST_NAMED = 3

#: Stands for the gap among names of groups, none of which can be this.
_GAP = "\0gap"

_TOGETHER = {OVERALL_MEAN: "all patients together", WORST_GROUP_MEAN: "the worst group"}


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


def answer(result: ModelComparison) -> Sentence:
    """Return in one sentence per model who gains and who loses, those who lose first.

    Everything that is shown counts, by any metric, label and attribute. Names are those of the
    first metric and the headline label where there are any.
    """
    losing, winning, neither, unknown = [], [], [], []
    for model in result.others:
        found = [f for f in result.findings if (f.kind, f.model) == ("model_change", model)]
        shown = [f for f in found if f.verdict == "shown"]
        worse = _named(result, [f for f in shown if _is_harm(f)])
        gains = [f for f in shown if not _is_harm(f)]
        better = _named(result, gains)
        if worse:
            # a smaller gap is no gain if nobody gains
            better = _named(result, [f for f in gains if f.quantity not in GAPS])
            gain = ["; better: ", *better] if better else ["; nobody is shown to gain"]
            losing.append(["With ", Data(model), ", some are worse off: ", *worse, *gain, ". "])
        elif better:
            gain = ["better: ", *better, ". "]
            winning.append(["With ", Data(model), ", nobody is shown to lose; ", *gain])
        elif any(f.verdict != "not_comparable" for f in found):
            neither.append(model)
        else:
            unknown.append(model)
    told = [piece for part in (*losing, *winning) for piece in part]
    if neither:
        told += ["With ", *listed(neither), ", nobody is shown to gain or lose, which does not "]
        told += ["prove that nobody does. "]
    if unknown:
        told += ["Of ", *listed(unknown), " nothing can be told: too few patients can be compared."]
    return told


def _named(result: ModelComparison, found: Sequence[Finding]) -> list[str]:
    """Return of whom these are: groups, or else all groups together or gaps; with the metric."""
    label, metric = result.headline_label, result.metrics[0].name
    order = {m.name: place for place, m in enumerate(result.metrics)}

    def far(finding: Finding) -> tuple[bool, bool, bool, int]:
        return (
            finding.quantity != GROUP_MEAN,
            "+" in finding.attribute,
            finding.label != label,
            order[finding.metric],
        )

    names: dict[tuple[str, ...], list[str]] = {}
    for f in sorted(found, key=far):
        said_by_parts = "+" in f.attribute and f.attribute not in {key[0] for key in names}
        if any(key[0] for key in names) and (f.quantity != GROUP_MEAN or said_by_parts):
            break  # groups of single attributes say it in the fewest words
        key, words = _name(f)
        if key not in names:
            of = [] if f.metric == metric else [" in ", Data(result.metric(f.metric).title)]
            names[key] = [*words, *of, *([] if f.label == label else [" for ", Data(f.label)])]
    told = [piece for words in list(names.values())[:_MOST_NAMED] for piece in (", ", *words)][1:]
    more = len(names) - _MOST_NAMED
    return [*told, f" and {more} more"] if more > 0 else told


def _name(finding: Finding) -> tuple[tuple[str, ...], Sentence]:
    """Return what tells one from another (first the attribute of a group), and its words."""
    if finding.quantity == GROUP_MEAN:
        return (finding.attribute, *finding.who), (Data(finding.who[0]),)
    if finding.quantity in GAPS:
        return ("", finding.attribute), ("the gap by ", Data(finding.attribute))
    return ("", finding.quantity), (_TOGETHER.get(finding.quantity, ""),)


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
    which = "chosen group" if any(f.reason == NOT_CHOSEN for f in groups) else "group"
    if not ordered:
        return [f"no {which} is shown to gain or lose"]
    words: list[str] = []
    for found in ordered[:_MOST]:
        words += [", " if words else "", *amount(found, metric)]
    if len(ordered) > _MOST:
        words.append(f" and {len(ordered) - _MOST} more")
    tested = sum(f.verdict != "not_comparable" for f in groups)
    if tested > len(ordered):
        words.append(f"; no other {which} is shown to gain or lose")
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
