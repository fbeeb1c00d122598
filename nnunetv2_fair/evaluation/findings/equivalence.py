"""Whether a gap of means beyond a margin can hide in the data.

``excluded`` if the interval of the difference (two one-sided tests at 1 minus the confidence) lies
within the margin, ``shown`` if it lies beyond it, ``unclear`` otherwise. Every other group has its
own finding, whose interval holds together with those of the others; with several of them, one more
says whether it is excluded for all. That needs no correction, as it is claimed only if each of the
uncorrected intervals excludes it, and every pair may then say so too.

Source: Berger, Multiparameter hypothesis testing and acceptance sampling, Technometrics 1982 (all
together); Hochberg, A sharper Bonferroni procedure, Biometrika 1988 (each, where all are).
"""

import math
from collections.abc import Iterator

from nnunetv2_fair.evaluation.findings import numbers
from nnunetv2_fair.evaluation.findings.sentences import Data, Sentence
from nnunetv2_fair.evaluation.findings.wording import confidence, mean_of, with_sentence
from nnunetv2_fair.evaluation.results.evaluation import EvaluationResult
from nnunetv2_fair.evaluation.results.findings import Finding, Verdict
from nnunetv2_fair.evaluation.results.groups import Comparison, PairEffect
from nnunetv2_fair.evaluation.results.values import Interval, MetricInfo

MEAN = "mean"


def equivalences(result: EvaluationResult) -> Iterator[Finding]:
    """Yield a finding for every pair of groups of the metrics that have a margin."""
    margins = result.settings.get("margins", {})
    level = confidence(result.settings)
    for comparison in result.comparisons:
        if comparison.metric not in margins:
            continue
        metric = result.metric(comparison.metric)
        margin = float(margins[comparison.metric])
        effects = comparison.effects
        alone = [_verdict(effect.mean_difference_interval, margin) for effect in effects]
        all_excluded = bool(effects) and set(alone) == {"excluded"}
        pairs = [_of_pair(comparison, e, margin, level, all_excluded) for e in effects]
        for found in [*pairs, _of_all(pairs)] if len(pairs) > 1 else pairs:
            yield with_sentence(found, headline(found, metric))


def headline(finding: Finding, metric: MetricInfo) -> Sentence:
    """Return the claim in one sentence."""
    margin = numbers.with_unit(finding.numbers["margin"], metric.unit)
    of = mean_of(finding.label, metric)
    if len(finding.between) != 2:
        which = "chosen group of " if finding.chosen else "group of "
        between = [" between ", Data(finding.who[0]), f" and each other {which}"]
        between.append(Data(finding.attribute))
        if finding.verdict == "excluded":
            return [
                "No gap larger than ",
                margin,
                " in ",
                *of,
                *between,
                " can hide in these data.",
            ]
        if finding.verdict == "shown":
            start = [
                "The gap in ",
                *of,
                " between ",
                Data(finding.who[0]),
                f" and another {which}",
            ]
            return [*start, Data(finding.attribute), " is larger than ", margin, "."]
        return ["A gap larger than ", margin, " in ", *of, *between, " is not excluded for all."]
    between = [" between ", Data(finding.between[0]), " and ", Data(finding.between[1])]
    evidence = _evidence(finding, metric)
    if finding.verdict == "excluded":
        return ["No gap larger than ", margin, " in ", *of, *between, " can hide in these data",
                *evidence]  # fmt: skip
    if finding.verdict == "shown":
        return ["The gap in ", *of, *between, " is larger than ", margin, *evidence]
    if finding.verdict == "unclear":
        claim = " is neither shown nor excluded"
        return ["A gap larger than ", margin, " in ", *of, *between, claim, *evidence]
    return ["Whether a gap in ", *of, *between, " is larger than ", margin, " cannot be said: ",
            finding.reason, "."]  # fmt: skip


def brief(finding: Finding, metric: MetricInfo) -> Sentence:
    """Return the same in a few words, without the label."""
    margin = numbers.with_unit(finding.numbers["margin"], metric.unit)
    claims = {
        "excluded": "excluded",
        "shown": "shown",
        "unclear": "neither shown nor excluded",
    }
    claim = claims.get(finding.verdict, "cannot be judged")
    return [f"gap in mean {metric.title} larger than {margin}: {claim}"]


def _evidence(finding: Finding, metric: MetricInfo) -> Sentence:
    """Return who is worse, by how much, and the interval of that in the same direction."""
    value, limits = finding.value, finding.interval
    other_is_worse = (value > 0) == (metric.better == "higher")
    worse = finding.between[1 if other_is_worse else 0]
    if value < 0:
        value, limits = -value, limits.mirrored
    size = numbers.with_unit(value, metric.unit)
    apart = [Data(worse), f" worse by {size}"] if value else [f"difference {size}"]
    coverage = numbers.percent(finding.numbers["coverage"])
    interval = numbers.interval(limits, metric.unit, signed=True)
    return [" (", *apart, f", {coverage} interval {interval})."]


def _verdict(limits: Interval, margin: float) -> Verdict:
    if math.isnan(limits.low) or math.isnan(limits.high):
        return "not_comparable"
    if -margin < limits.low and limits.high < margin:
        return "excluded"
    return "shown" if limits.low > margin or limits.high < -margin else "unclear"


def _of_pair(
    comparison: Comparison, effect: PairEffect, margin: float, level: float, all_excluded: bool
) -> Finding:
    n_pairs = 1 if all_excluded else len(comparison.effects)
    limits = effect.mean_difference_interval if n_pairs == 1 else effect.mean_difference_together
    return _finding(
        comparison.attribute,
        comparison.metric,
        comparison.label,
        _verdict(limits, margin),
        effect.between,
        effect.between,
        effect.mean_difference,
        limits,
        {name: comparison.groups[name].n_units for name in effect.between},
        (margin, 1 - 2 * (1 - level) / n_pairs),
        level,
        comparison.is_of_chosen,
    )


def _of_all(pairs: list[Finding]) -> Finding:
    """Return whether a gap beyond the margin is excluded for every pair."""
    first = pairs[0]
    who = (first.between[0], *(pair.between[1] for pair in pairs))
    verdict: Verdict = "unclear"
    if all(pair.verdict == "excluded" for pair in pairs):
        verdict = "excluded"
    elif any(pair.verdict == "shown" for pair in pairs):
        verdict = "shown"
    n = {name: count for pair in pairs for name, count in pair.n.items()}
    margin = first.numbers["margin"]
    largest = max(pairs, key=lambda pair: abs(pair.value))
    return _finding(
        first.attribute, first.metric, first.label, verdict, who, (), largest.value,
        largest.interval, n, (margin, largest.numbers["coverage"]), first.confidence,
        first.chosen,
    )  # fmt: skip


def _finding(
    attribute: str,
    metric: str,
    label: str,
    verdict: Verdict,
    who: tuple[str, ...],
    between: tuple[str, ...],
    value: float,
    limits: Interval,
    n: dict[str, int | None],
    rule: tuple[float, float],
    level: float,
    chosen: bool,
) -> Finding:
    margin, coverage = rule
    return Finding(
        kind="equivalence",
        verdict=verdict,
        attribute=attribute,
        metric=metric,
        label=label,
        quantity=MEAN,
        who=who,
        between=between,
        direction="larger" if verdict == "shown" else "",
        value=value,
        interval=limits,
        confidence=level,
        n=n,
        numbers={"margin": margin, "coverage": coverage},
        chosen=chosen,
        reason="no interval of the difference can be given" if verdict == "not_comparable" else "",
    )
