"""The claims of an audit in words."""

import math
from collections.abc import Callable, Mapping, Sequence

from nnunetv2_fair.audit.results.labels import AuditResult
from nnunetv2_fair.evaluation.findings import numbers
from nnunetv2_fair.evaluation.findings.sentences import Data, Sentence, listed
from nnunetv2_fair.evaluation.findings.wording import test_words
from nnunetv2_fair.evaluation.results.findings import Finding, Kind
from nnunetv2_fair.evaluation.results.tables.per_case import AVERAGE, ONLY_LABEL
from nnunetv2_fair.evaluation.results.values import Interval, MetricInfo

#: Kinds of findings of an audit, in the order to tell, and the question that they answer.
KINDS: Mapping[Kind, str] = {
    "label_quality": "Quality of the automated masks",
    "label_error": "Errors of the automated masks",
    "source_gap": "By source",
    "ruler": "Two rulers",
    "expert_gap": "Two rulers",
    "amplification": "Training on automated masks",
    "ceiling": "Two experts",
}


def headline(finding: Finding, result: AuditResult) -> Sentence:
    """Return a claim in one or two sentences.

    Args:
        finding: One of an audit's own kinds.
        result: The audit, which knows metrics and units.
    """
    return _HEADLINES[finding.kind](finding, result)


def percent(log_ratio: float) -> str:
    """Write a logarithm of a ratio of volumes: ``18% smaller``; ``equal`` of less than 0.05%."""
    share = math.expm1(log_ratio) * 100
    if math.isnan(share):
        return numbers.UNDEFINED
    if abs(share) < 0.05:
        return "equal"
    return f"{abs(share):.1f}% {'larger' if share > 0 else 'smaller'}"


def error_words(measure: str, value: float, unit: str) -> str:
    """Write a mean error of masks: ``18% smaller``, ``0.80 mm too small``, ``1.2 mm``."""
    if measure == "volume":
        return percent(value)
    if measure == "shift":
        return numbers.with_unit(value, unit)
    if numbers.is_zero(value, unit):
        return numbers.with_unit(0.0, unit)
    side = "outside" if value > 0 else "inside"
    return f"{numbers.with_unit(abs(value), unit)} {side}"


def ends_words(measure: str, limits: Interval, unit: str) -> str:
    """Write the interval of a mean error; an en dash if there is none."""
    if math.isnan(limits.low):
        return numbers.UNDEFINED
    if measure == "volume":
        return " to ".join(_signed_percent(end) for end in (limits.low, limits.high))
    return numbers.interval(limits, unit, signed=measure == "boundary")


def _signed_percent(log_ratio: float) -> str:
    share = math.expm1(log_ratio) * 100
    return f"{numbers.MINUS if share < 0 else '+'}{abs(share):.1f}%"


def of_label(label: str) -> list[str]:
    """Return `` of the organ``, or nothing of the only label."""
    if label == ONLY_LABEL:
        return []
    return [", averaged over all labels,"] if label == AVERAGE else [" of ", Data(label)]


def gap_words(value: float, between: Sequence[str], metric: MetricInfo) -> list[str]:
    """Write a gap: ``0.061 worse for old than for young``, or that there is none to see."""
    reference, other = between
    size = numbers.with_unit(abs(value), metric.unit)
    if numbers.is_zero(value, metric.unit):
        return [f"{size} between ", Data(other), " and ", Data(reference)]
    worse = (value > 0) == (metric.better == "higher")
    return [f"{size} {'worse' if worse else 'better'} for ", Data(other), " than for ",
            Data(reference)]  # fmt: skip


def _certainty(finding: Finding, unit: str, *, signed: bool) -> str:
    """Return interval and test; without signs the interval is that of the size of the gap."""
    parts = []
    limits = finding.interval
    if not signed and finding.value < 0:
        limits = limits.mirrored
    ends = numbers.interval(limits, unit, signed=signed)
    if ends != numbers.UNDEFINED:
        parts.append(f"{numbers.percent(finding.confidence)} interval {ends}")
    if words := test_words(finding):
        parts.append(words)
    return f" ({'; '.join(parts)})" if parts else ""


def _nothing(finding: Finding, what: list[str]) -> Sentence:
    reason = finding.reason or "too few patients"
    return [*what, f" cannot be told: {reason}."]


def _quality(finding: Finding, result: AuditResult) -> Sentence:
    metric = result.metric(finding.metric)
    confounders = listed(finding.items)
    what = [f"{metric.title} of the automated masks", *of_label(finding.label)]
    if finding.verdict == "not_comparable":
        return _nothing(finding, [*what, ", adjusted for ", *confounders, ","])
    crude = gap_words(finding.numbers["crude"], finding.between, metric)
    start = {"shown": "", "signs": "There are signs that "}.get(finding.verdict)
    adjusted = gap_words(finding.value, finding.between, metric)
    if start is None:
        return [
            *what, " is not shown to differ between ", *listed(finding.between),
            " among patients alike in ", *confounders, ": ", *adjusted,
            _certainty(finding, metric.unit, signed=False), "; without adjustment ", *crude, ".",
        ]  # fmt: skip
    return [
        start, *what, " differs between ", *listed(finding.between),
        " also among patients alike in ", *confounders, ": ", *adjusted,
        _certainty(finding, metric.unit, signed=False), "; without adjustment ", *crude, ".",
    ]  # fmt: skip


_ERRORS: Mapping[str, str] = {
    "volume": "volume", "boundary": "outline", "shift": "position",
}  # fmt: skip


def _label_error(finding: Finding, result: AuditResult) -> Sentence:
    measure = finding.metric
    unit = next((e.unit for e in result.label_errors if e.measure == measure), "")
    if finding.quantity == "mean":
        return _mean_error(finding, measure, unit)
    reference, other = finding.between
    said = [error_words(measure, finding.values[name], unit) for name in (other, reference)]
    test = test_words(finding)
    tail = f" ({test})." if test else "."
    compared = [" for ", Data(other), " against ", said[1], " for ", Data(reference), tail]
    what = f"the {_ERRORS[measure]} of the automated masks"
    if finding.verdict == "not_comparable":
        return _nothing(finding, [f"Whether {what}", *of_label(finding.label), " differs"])
    start = {
        "shown": f"The error in {what}", "signs": f"There are signs that the error in {what}",
    }.get(finding.verdict)  # fmt: skip
    if start is None:
        return [
            f"The error in {what}", *of_label(finding.label),
            " is not shown to differ between the groups: ", said[0], *compared,
        ]  # fmt: skip
    return [start, *of_label(finding.label), " differs between the groups: ", said[0], *compared]


def _mean_error(finding: Finding, measure: str, unit: str) -> Sentence:
    (name,) = finding.who
    ends = ends_words(measure, finding.interval, unit)
    level = numbers.percent(finding.confidence)
    certainty = f" (mean; {level} interval {ends}; {test_words(finding)})."
    words = error_words(measure, finding.value, unit)
    where = ["The automated masks", *of_label(finding.label), " of ", Data(name)]
    large = finding.value > 0
    verb = {
        "shown": f" are too {'large' if large else 'small'}",
        "signs": f" show signs of being too {'large' if large else 'small'}",
    }.get(finding.verdict, " are not shown to be too small or too large")
    by = f" by {'volume' if measure == 'volume' else 'outline'}: {words}"
    return [*where, verb, by, certainty]


def _sources(finding: Finding, result: AuditResult) -> Sentence:
    metric = result.metric(finding.metric)
    column = str(result.settings.get("source", "source"))
    reference, other = finding.between
    what = ["the gap in ", metric.title, *of_label(finding.label), " between ", Data(other),
            " and ", Data(reference)]  # fmt: skip
    if finding.verdict == "not_comparable":
        reason = finding.reason or "too few patients"
        return ["Whether ", *what, " differs by ", Data(column), f" cannot be told: {reason}."]
    values = finding.values
    signed = [numbers.with_unit(v, metric.unit, signed=True) for v in values.values()]
    each: list[str] = []
    for position, (source, text) in enumerate(zip(values, signed, strict=True)):
        each += [", " if position else "", Data(source), f" {text}"]
    verb = {
        "shown": " differs by ", "signs": " shows signs of differing by ",
    }.get(finding.verdict, " is not shown to differ by ")  # fmt: skip
    first, *rest = what
    return [
        first.capitalize(), *rest, verb, Data(column), f" ({test_words(finding)}): ", *each, ".",
    ]  # fmt: skip


def _two_gaps(
    finding: Finding, metric: MetricInfo, words: tuple[str, str]
) -> tuple[list[str], list[str]]:
    first, second = (gap_words(v, finding.between, metric) for v in finding.values.values())
    return [f"{words[0]} ", *first], [f"{words[1]} ", *second]


def _ruler(finding: Finding, result: AuditResult) -> Sentence:
    metric = result.metric(finding.metric)
    what = [f"the model's gap in {metric.title}", *of_label(finding.label)]
    if finding.verdict == "not_comparable":
        return _nothing(finding, ["Whether automated masks change ", *what])
    first, second = _two_gaps(finding, metric, ("Against automated masks", "against expert masks"))
    both = [*first, ", ", *second, "; difference ",
            numbers.with_unit(finding.value, metric.unit, signed=True),
            _certainty(finding, metric.unit, signed=True)]  # fmt: skip
    reference, other = finding.between
    flattered = (finding.value < 0) == (metric.better == "higher")
    who = other if flattered else reference
    verdict = {
        "shown": ["Automated masks as the ruler flatter ", Data(who)],
        "signs": ["There are signs that automated masks as the ruler flatter ", Data(who)],
    }.get(finding.verdict)
    if verdict is None:
        return ["Automated masks are not shown to misjudge ", *what, ". ", *both, "."]
    return [*verdict, ". ", *both, "."]


def _expert_gap(finding: Finding, result: AuditResult) -> Sentence:
    metric = result.metric(finding.metric)
    reference, other = finding.between
    what = [f"the model's gap in {metric.title}", *of_label(finding.label)]
    if finding.verdict == "not_comparable":
        return _nothing(finding, ["Against expert masks, ", *what])
    gap = gap_words(finding.value, finding.between, metric)
    few = f"{finding.n[other]:,} and {finding.n[reference]:,}"
    every = (
        f"{finding.numbers['n_automated_other']:,.0f} and "
        f"{finding.numbers['n_automated_reference']:,.0f}"
    )
    verb = {
        "shown": "Against expert masks the model is ",
        "signs": "There are signs that against expert masks the model is ",
    }.get(finding.verdict)
    certainty = _certainty(finding, metric.unit, signed=False)
    tail = [certainty, f"; estimated from {few} patients with masks of both kinds among {every}."]
    if verb is None:
        return ["Against expert masks no difference is shown in ", metric.title,
                *of_label(finding.label), ": ", *gap, *tail]  # fmt: skip
    return [verb, *gap, f" in {metric.title}", *of_label(finding.label), *tail]


def _amplification(finding: Finding, result: AuditResult) -> Sentence:
    metric = result.metric(finding.metric)
    own = finding.quantity.endswith("- automated")
    words = (
        "Models trained on automated masks:",
        "the automated masks themselves:" if own else "models trained on expert masks:",
    )
    against = "that of the automated masks" if own else "training on expert masks"
    what = [f"the gap in {metric.title}", *of_label(finding.label)]
    if finding.verdict == "not_comparable":
        return _nothing(finding, ["Whether training on automated masks changes ", *what])
    first, second = _two_gaps(finding, metric, words)
    both = [*first, "; ", *second, "; difference ",
            numbers.with_unit(finding.value, metric.unit, signed=True),
            _certainty(finding, metric.unit, signed=True), "."]  # fmt: skip
    if not finding.claims:
        return [
            "Training on automated masks is not shown to change ", *what,
            f" compared with {against}. ", *both,
        ]  # fmt: skip
    verb = {"larger": "widens", "smaller": "narrows", "": "turns around"}[finding.direction]
    start = (
        "Training on automated masks "
        if finding.verdict == "shown"
        else ("There are signs that training on automated masks ")
    )
    return [f"{start}{verb} ", *what, f" compared with {against}. ", *both]


def _ceiling(finding: Finding, result: AuditResult) -> Sentence:
    metric = result.metric(finding.metric)
    what = [f"the gap in {metric.title}", *of_label(finding.label)]
    if finding.verdict == "not_comparable":
        return _nothing(finding, ["Whether experts agree with the same gap, and ", *what])
    first, second = _two_gaps(finding, metric, ("Automated masks:", "a second expert:"))
    both = [*first, "; ", *second, "; difference ",
            numbers.with_unit(finding.value, metric.unit, signed=True),
            _certainty(finding, metric.unit, signed=True), "."]  # fmt: skip
    if not finding.claims:
        return ["The automated masks are not shown to have another gap than two experts have "
                "between them. ", *both]  # fmt: skip
    verb = {"larger": "larger", "smaller": "smaller", "": "other"}[finding.direction]
    start = (
        "The automated masks have "
        if finding.verdict == "shown"
        else ("There are signs that the automated masks have ")
    )
    return [f"{start}a {verb} gap than two experts have between them"
            if verb != "other" else f"{start}a gap of another direction than two experts have",
            ". ", *both]  # fmt: skip


_HEADLINES: Mapping[Kind, Callable[[Finding, AuditResult], Sentence]] = {
    "label_quality": _quality,
    "label_error": _label_error,
    "source_gap": _sources,
    "ruler": _ruler,
    "expert_gap": _expert_gap,
    "amplification": _amplification,
    "ceiling": _ceiling,
}
