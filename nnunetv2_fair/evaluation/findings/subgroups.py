"""Which subgroups diverge, in words.

A subgroup is ``shown`` if its corrected p-value is below 1 minus the confidence: the one over all
subgroups that were searched, or that of the held-out half where there is one. So if no subgroup
differed from the others, about 5% of results (at 95% confidence) would show one.
"""

import math
from collections.abc import Iterator

from nnunetv2_fair.evaluation.findings import numbers
from nnunetv2_fair.evaluation.findings.sentences import Data, Sentence
from nnunetv2_fair.evaluation.findings.wording import confidence, segmentation, with_sentence
from nnunetv2_fair.evaluation.results.discovery import Discovery, Subgroup
from nnunetv2_fair.evaluation.results.evaluation import EvaluationResult
from nnunetv2_fair.evaluation.results.findings import Direction, Finding
from nnunetv2_fair.evaluation.results.values import MetricInfo

_PERMUTATION = "permutation of patients (maxT of ranks)"
_HELD_OUT = "permutation of patients (ranks, one-sided), held-out half"
_NONE = "no subgroup is large enough"
_NO_TEST = "no subgroup could be tested in the held-out half"


def subgroups(result: EvaluationResult) -> Iterator[Finding]:
    """Yield every subgroup that is shown to diverge; if there is none, that none is."""
    found = result.discovery
    if found is None:
        return
    metric, level = result.metric(found.metric), confidence(result.settings)
    shown = [subgroup for subgroup in found.subgroups if subgroup.deciding_p < 1 - level]
    claims = [_shown(found, subgroup, metric, level) for subgroup in shown]
    for claim in claims or [_none_shown(found, level)]:
        yield with_sentence(claim, headline(claim, metric))


def error_rate(level: float) -> Sentence:
    """Return how often the search names a subgroup although none differs.

    Args:
        level: Confidence level of the result.
    """
    rate = numbers.percent(round(1 - level, 10))
    return (
        f"If no subgroup differed from the others, a search like this would name one in about "
        f"{rate} of studies.",
    )


def headline(finding: Finding, metric: MetricInfo) -> Sentence:
    """Return the claim in one or two sentences.

    Args:
        finding: A finding of this kind.
        metric: Its metric.
    """
    subject = segmentation(finding.label)
    if finding.verdict == "not_comparable":
        return [f"Subgroups were searched for, but {finding.reason}."]
    if finding.verdict == "not_shown":
        return [
            "In ", *subject, " no subgroup is shown to differ from the others: "
            f"{_family(finding)}. This does not prove that there is none.",
        ]  # fmt: skip
    capital = [subject[0].capitalize(), *subject[1:]]
    start = [*capital, f" is {finding.direction} where ", *_items(finding)]
    return [*start, ": ", *_numbers(finding, metric), ".", *_doubt(finding, metric)]


def brief(finding: Finding, metric: MetricInfo) -> Sentence:
    """Return the same in a few words, without the label."""
    if finding.verdict == "not_comparable":
        return ("no subgroup could be tested",)
    if finding.verdict == "not_shown":
        return (f"no subgroup shown to differ ({_family(finding)})",)
    divergence = numbers.with_unit(finding.value, metric.unit, signed=True)
    return [f"{finding.direction} where ", *_items(finding), f" ({divergence})"]


def _shown(found: Discovery, subgroup: Subgroup, metric: MetricInfo, level: float) -> Finding:
    held_out = subgroup.confirmation
    tested = subgroup if held_out is None else held_out
    worse = (subgroup.z < 0) == (metric.better == "higher")
    direction: Direction = "worse" if worse else "better"
    further = {"z": tested.z}
    if held_out is None:
        further["shrunken_divergence"] = subgroup.shrunken_divergence
    further["overall"] = found.overall if held_out is None else found.held_out_overall
    return Finding(
        kind="subgroup",
        verdict="shown",
        metric=found.metric,
        label=found.label,
        quantity="mean",
        who=tuple(f"{attribute}={group}" for attribute, group in subgroup.items.items()),
        values={subgroup.name: tested.mean},
        direction=direction,
        value=tested.divergence,
        confidence=level,
        test=_PERMUTATION if held_out is None else _HELD_OUT,
        p_value=tested.p_value,
        corrected_p=tested.corrected_p,
        family_size=_family_size(found),
        n={subgroup.name: tested.n_patients},
        numbers=further,
        items=subgroup.items,
    )


def _none_shown(found: Discovery, level: float) -> Finding:
    p_values = [s.deciding_p for s in found.subgroups if not math.isnan(s.deciding_p)]
    reason = ""
    if not p_values:
        reason = _NO_TEST if found.n_held_out and found.n_tests else _NONE
    return Finding(
        kind="subgroup",
        verdict="not_shown" if p_values else "not_comparable",
        metric=found.metric,
        label=found.label,
        quantity="mean",
        confidence=level,
        test=_HELD_OUT if found.n_held_out else _PERMUTATION,
        corrected_p=min(p_values, default=math.nan),
        family_size=_family_size(found),
        reason=reason,
    )


def _family_size(found: Discovery) -> int:
    if not found.n_held_out:
        return found.n_tests
    tests = (s.confirmation for s in found.subgroups)
    return sum(test is not None and not math.isnan(test.z) for test in tests)


def _items(finding: Finding) -> list[str]:
    pieces: list[str] = []
    for position, (attribute, group) in enumerate(finding.items.items()):
        pieces += [" and "] * bool(position) + [Data(attribute), " is ", Data(group)]
    return pieces


def _numbers(finding: Finding, metric: MetricInfo) -> list[str]:
    ((name, mean),) = finding.values.items()
    values = numbers.with_unit(mean, metric.unit)
    overall = numbers.with_unit(finding.numbers["overall"], metric.unit)
    patients = numbers.count(finding.n[name], "patient")
    divergence = numbers.with_unit(finding.value, metric.unit, signed=True)
    text = f"mean {metric.title} {values} in {patients}, {overall} in all (difference {divergence}"
    if "shrunken_divergence" in finding.numbers:
        shrunken = finding.numbers["shrunken_divergence"]
        text += f", {numbers.with_unit(shrunken, metric.unit, signed=True)} after shrinkage"
    return [text, f"; {_corrected(finding)})"]


def _corrected(finding: Finding) -> str:
    return f"{numbers.p_value(finding.corrected_p)}, corrected for {_tests(finding)}"


def _tests(finding: Finding) -> str:
    what = "subgroup" if finding.test == _PERMUTATION else "subgroup tested in the held-out half"
    many = what.replace("subgroup", "subgroups", 1)
    return numbers.count(finding.family_size, what, many)


def _family(finding: Finding) -> str:
    return f"the smallest of the p-values, corrected for {_tests(finding)}, is " + (
        f"{numbers.p_value(finding.corrected_p).removeprefix('p = ')}"
    )


def _doubt(finding: Finding, metric: MetricInfo) -> Sentence:
    """Say so where ranks and means disagree."""
    of_mean = "worse" if (finding.value < 0) == (metric.better == "higher") else "better"
    if finding.value == 0 or of_mean == finding.direction:
        return ()
    return (
        f" Most of its values are {finding.direction}, although its mean is not: single values are "
        "far from the others.",
    )
