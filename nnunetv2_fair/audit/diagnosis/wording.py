"""What a diagnosis says, in words; verdicts come from the rule alone."""

from collections.abc import Mapping, Sequence

from nnunetv2_fair.audit.causes.contrasts import (
    FEW_EXPERT,
    NO_OVERLAP,
    NOT_DONE,
    ONE_TRAINING,
)
from nnunetv2_fair.audit.results.causes import CauseFinding
from nnunetv2_fair.audit.results.labels import Estimate
from nnunetv2_fair.evaluation.findings import numbers
from nnunetv2_fair.evaluation.findings.sentences import Data, listed, plain
from nnunetv2_fair.evaluation.results.values import MetricInfo

#: Cause -> its name in words.
CAUSES: Mapping[str, str] = {
    "representation": "unequal numbers of training cases",
    "difficulty": "difficulty of the images",
    "labels": "automated labels of the test cases",
    "shortcut": "something in the background of the images",
}
#: Cause -> what is done to remove it.
INTERVENTIONS: Mapping[str, str] = {
    "representation": "models trained on groups of equal size",
    "difficulty": "adjusted for size, contrast and noise",
    "labels": "measured against expert masks",
    "shortcut": "images without background",
}
#: Kind of a gap -> what it is of.
CONDITIONS: Mapping[str, str] = {
    "model": "the model as it is",
    "balanced": INTERVENTIONS["representation"],
    "expert": INTERVENTIONS["labels"],
    "neutralised": INTERVENTIONS["shortcut"],
    "exchanged": "images with the background of another group",
    "control": "images with another background of the same group (control)",
}
VERDICTS: Mapping[str, str] = {
    "supported": "supported", "mixed": "a part", "excluded": "excluded", "open": "open",
}  # fmt: skip

_DECIDES: Mapping[str, str] = {
    ONE_TRAINING: "Train both models again with other seeds: repeats: 2 or more.",
    FEW_EXPERT: "Expert masks of more patients.",
    NO_OVERLAP: "Test patients of both groups whose images are alike.",
}
_MORE: Mapping[str, str] = {
    "patients": "More test patients would narrow the interval most.",
    "trainings": "More trainings (repeats) would narrow the interval most.",
}


def sentence(found: CauseFinding, shown: bool, reason: str, metric: MetricInfo, part: bool) -> str:
    """Return what is said of one cause.

    Args:
        found: Its verdict and numbers.
        shown: Whether there is a gap.
        reason: Why nothing is said; empty if there is an estimate.
        metric: Metric of the gap.
        part: Whether it is shown to make a part of the gap.
    """
    name = CAUSES[found.cause]
    name = name[0].upper() + name[1:]
    if reason:
        return f"{name}: open, as {reason}."
    if not shown:
        return f"{name}: nothing is said, as no gap is shown."
    effect = (
        f"without it ({INTERVENTIONS[found.cause]}) the gap is {_smaller(found.removed, metric)}"
    )
    if found.verdict == "supported":
        return f"{name}: supported; it makes more than half of the gap: {effect}."
    if found.verdict == "mixed":
        return f"{name}: a part of the gap, beside others: {effect}."
    if found.verdict == "excluded":
        return f"{name}: excluded as the cause of half of the gap or more: {effect}."
    if part:
        less = found.contrast.interval.high < 0
        half = "but less than half" if less else "and whether more than half is not known"
        return f"{name}: open; it makes a part of the gap, {half}: {effect}."
    return f"{name}: open; {effect}, which is neither clearly more nor clearly less than half."


def decides(found: CauseFinding, shown: bool, reason: str, widest: str) -> str:
    """Return what data would decide of a cause; empty if it is decided.

    Args:
        found: Its verdict.
        shown: Whether there is a gap.
        reason: Why nothing is said; empty if there is an estimate.
        widest: ``patients`` or ``trainings``; empty if there is no estimate.
    """
    if found.verdict != "open":
        return ""
    if reason:
        usual = f"Do the intervention: {INTERVENTIONS[found.cause]}." if reason == NOT_DONE else ""
        return _DECIDES.get(reason, usual)
    return _MORE.get(widest, "") if shown else ""


def answer(
    causes: Sequence[CauseFinding],
    gap: Estimate,
    shown: bool,
    between: tuple[str, str],
    metric: MetricInfo,
) -> str:
    """Return the answer about one gap.

    Args:
        causes: What is said of each cause.
        gap: Mean of the reference group minus mean of the other.
        shown: Whether there is a gap.
        between: (reference, other).
        metric: Metric of the gap.
    """
    size = (
        f"{numbers.with_unit(gap.value, metric.unit, signed=True)} (95% interval "
        f"{numbers.interval(gap.interval, metric.unit, signed=True)}, "
        f"{numbers.p_value(gap.p_value)})"
    )
    who = plain((Data(between[0]), " minus ", Data(between[1])))
    head = f"{metric.title}, {who}: {size}"
    if not shown:
        return head + ". No gap is shown, so nothing is said of causes."
    worse = between[1] if (gap.value > 0) == (metric.better == "higher") else between[0]
    head += plain((", worse for ", Data(worse), ". "))
    by = {verdict: [one.cause for one in causes if one.verdict == verdict] for verdict in VERDICTS}
    if by["supported"]:
        names = _and(by["supported"])
        told = f"The evidence supports {names}"
        told += ": each alone" if len(by["supported"]) > 1 else ", which"
        told += " makes more than half of the gap."
    elif by["mixed"]:
        told = f"The gap has several causes: {_and(by['mixed'])}; none is shown to make half of it."
    elif not by["open"]:
        told = "All four causes are excluded as that of half of the gap: something else makes it."
    else:
        told = "The evidence names no cause."
    for verdict, words in (("excluded", "Excluded"), ("open", "Open")):
        if by[verdict] and (verdict == "open" or by["open"] or by["supported"] or by["mixed"]):
            told += f" {words}: {_and(by[verdict])}."
    return head + told


def _and(causes: Sequence[str]) -> str:
    return "".join(str(piece) for piece in listed([CAUSES[cause] for cause in causes]))


def _smaller(removed: Estimate, metric: MetricInfo) -> str:
    side = "smaller" if removed.value >= 0 else "larger"
    value = numbers.with_unit(abs(removed.value), metric.unit)
    ends = numbers.interval(removed.interval, metric.unit, signed=True)
    return f"{value} {side} (95% interval of what is removed {ends})"
