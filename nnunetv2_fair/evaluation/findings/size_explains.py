"""Whether the size of a structure explains a difference of overlap, in words.

The same boundary error costs a small structure more overlap than a large one. Where a difference of
overlap is shown, the worse group has the smaller structures and sizes differ, it is ``shown`` that
size explains most of it

- where distances between boundaries were measured: if none of them is shown to differ (before any
  correction), and one is known well enough to exclude that boundary errors explain half. Were size
  no cause, mean distances would differ by the factor that 1 minus the overlap differs by; the
  interval of the logarithm of their ratio must stay below half the logarithm of that factor;
- where none was: if the interval of the gap adjusted for size stays below half the gap.

It is ``not_shown`` if a distance differs, or the adjusted gap is known to be more than half, and
``unclear`` otherwise. Measured on discs whose boundary errors vary by 30%: ``shown`` in at most
0.01 of results where errors are larger by 15% or more in the worse group; where size is the only
cause, in 0.89 (with distances) and 0.46 (without) at radii 10 and 14 and 60 patients each.
"""

import dataclasses
import math
from collections.abc import Iterator, Sequence
from statistics import NormalDist

from nnunetv2_fair.evaluation.findings import numbers
from nnunetv2_fair.evaluation.findings.sentences import Data, Sentence, listed, plain
from nnunetv2_fair.evaluation.findings.wording import (
    confidence,
    interval_words,
    with_sentence,
)
from nnunetv2_fair.evaluation.results.adjusted import REFERENCE_SIZE, AdjustedGap
from nnunetv2_fair.evaluation.results.evaluation import EvaluationResult
from nnunetv2_fair.evaluation.results.findings import Finding, Verdict
from nnunetv2_fair.evaluation.results.groups import Comparison, GroupStatistics
from nnunetv2_fair.evaluation.results.values import NO_INTERVAL, Interval, MetricInfo

#: What the findings of this kind compare.
SHARE_LEFT = "share_of_gap_left"

_BY_DISTANCES = "boundary distances"
_BY_ADJUSTMENT = "adjusted gap"

#: Share of a gap that something else must be excluded to explain.
_HALF = 0.5


def size_explains(result: EvaluationResult, differences: Sequence[Finding]) -> Iterator[Finding]:
    """Yield whether size explains the differences of overlap that are shown.

    Args:
        result: The evaluation.
        differences: Its findings on differences of groups.
    """
    level = confidence(result.settings)
    sizes: dict[tuple[str, str, str, tuple[str, ...]], AdjustedGap] = {
        (gap.attribute, gap.metric, gap.label, gap.between): gap
        for gap in result.adjusted_gaps
        if gap.confounders == (REFERENCE_SIZE,)
    }
    done = set()
    for difference in differences:
        metric = result.metric(difference.metric)
        gap = sizes.get(
            (difference.attribute, difference.metric, difference.label, difference.between)
        )
        if difference.verdict != "shown" or gap is None or not _is_overlap(metric):
            continue
        # medians and means may both differ
        about = (difference.attribute, difference.metric, difference.label)
        if about in done:
            continue
        done.add(about)
        if _smaller_is_worse(gap) and gap.p_of_size < 1 - level:
            found = _decided(result, difference, gap, level)
            yield with_sentence(found, headline(found, metric))


def limited(difference: Finding, explained: Sequence[Finding]) -> Finding:
    """Return a difference with the remark that size explains it, where that is shown."""
    about = (difference.attribute, difference.metric, difference.label)
    if difference.verdict == "shown" and any(
        e.verdict == "shown" and about == (e.attribute, e.metric, e.label) for e in explained
    ):
        reason = "Most of it is explained by the size of the structures."
        return dataclasses.replace(
            difference, reason=reason, sentence=f"{difference.sentence} {reason}"
        )
    return difference


def headline(finding: Finding, metric: MetricInfo) -> Sentence:
    """Return the claim in one or two sentences.

    Args:
        finding: A finding of this kind.
        metric: Its metric.
    """
    worse, better = (Data(name) for name in finding.who)
    gap = [f"the gap in {metric.title} between ", worse, " and ", better]
    sizes: list[str] = []
    if finding.values:
        small, large = (f"{finding.values[name]:,.0f}" for name in finding.who)
        sizes = [f" (median size {small} against {large} voxels)"]
    if finding.verdict == "shown":
        start = ["Size explains most of ", *gap, *sizes, ": "]
        return [*start, *_why(finding, metric), " The same boundary error costs a small "
                "structure more overlap."]  # fmt: skip
    start = ["The structures of ", worse, " are smaller", *sizes]
    if finding.verdict == "not_shown":
        return [*start, f", but that does not explain most of the gap in {metric.title}: ",
                *_why(finding, metric)]  # fmt: skip
    return [*start, f"; whether that explains the gap in {metric.title} is unclear: ",
            *_why(finding, metric)]  # fmt: skip


def brief(finding: Finding, metric: MetricInfo) -> Sentence:
    """Return the same in a few words, without the label."""
    words = {
        "shown": "size explains most of the gap",
        "not_shown": "size does not explain most of the gap",
    }
    return [words.get(finding.verdict, "whether size explains the gap is unclear")]


def _why(finding: Finding, metric: MetricInfo) -> list[str]:
    if finding.test == _BY_DISTANCES:
        return [f"{finding.reason}."]
    if math.isnan(finding.value):
        return [f"{finding.reason}."]
    value = numbers.with_unit(finding.numbers["adjusted_gap"], metric.unit)
    crude = numbers.with_unit(finding.numbers["gap"], metric.unit)
    limits = Interval(finding.numbers["adjusted_low"], finding.numbers["adjusted_high"])
    text = interval_words(metric, limits, finding.confidence)
    return [f"adjusted for size the gap of the means is {value} instead of {crude}{text}."]


def _decided(
    result: EvaluationResult, difference: Finding, gap: AdjustedGap, level: float
) -> Finding:
    reference, other = gap.between
    worse_first = difference.who if len(difference.who) == 2 else _worse_first(difference)
    of_size = dict(zip(gap.between, gap.medians, strict=True))
    counts = dict(zip(gap.between, gap.n, strict=True))
    sign = math.copysign(1.0, gap.crude)
    share = Interval(*sorted((gap.interval.low / gap.crude, gap.interval.high / gap.crude)))
    found = Finding(
        kind="size_explains",
        verdict="unclear",
        attribute=gap.attribute,
        metric=gap.metric,
        label=gap.label,
        quantity=SHARE_LEFT,
        who=tuple(worse_first),
        values={name: of_size[name] for name in worse_first},
        between=(reference, other),
        value=gap.value / gap.crude,
        interval=share if not math.isnan(gap.value) else NO_INTERVAL,
        confidence=level,
        p_value=gap.p_of_size,
        n={name: counts[name] for name in worse_first},
        numbers={
            "gap": abs(gap.crude),
            "adjusted_gap": sign * gap.value,
            "adjusted_low": min(sign * gap.interval.low, sign * gap.interval.high),
            "adjusted_high": max(sign * gap.interval.low, sign * gap.interval.high),
        },
    )
    distances = _distances(result, gap)
    if distances:
        return _by_distances(result, found, distances)
    verdict: Verdict = "unclear"
    if share.high < _HALF:
        verdict = "shown"
    elif share.low > _HALF:
        verdict = "not_shown"
    reason = gap.reason or "no boundary distance was measured"
    return dataclasses.replace(found, verdict=verdict, test=_BY_ADJUSTMENT, reason=reason)


def _worse_first(difference: Finding) -> tuple[str, ...]:
    return tuple(name for name in difference.who if name in difference.between)


def _by_distances(
    result: EvaluationResult, found: Finding, distances: Sequence[Comparison]
) -> Finding:
    worse, better = found.who
    level = 1 - found.confidence
    titles = plain(listed([result.metric(c.metric).title for c in distances]))
    different = [
        result.metric(c.metric).title
        for c in distances
        if c.test is not None and c.test.p_value < level
    ]
    overlap = result.comparison(found.attribute, found.metric, found.label).groups
    by_size = _log_ratio(1 - overlap[worse].mean, 1 - overlap[better].mean)
    highest = min(_highest_ratio(c.groups[worse], c.groups[better], level) for c in distances)
    verdict: Verdict = "unclear"
    reason = f"{titles} cannot exclude that boundary errors differ as much"
    if different:
        differ = "differs" if len(different) == 1 else "differ"
        verdict, reason = "not_shown", f"{plain(listed(different))} {differ} too"
    elif highest < _HALF * by_size:
        verdict = "shown"
        reason = f"boundary distances ({titles}) do not differ by what would explain half of it"
    return dataclasses.replace(
        found,
        verdict=verdict,
        test=_BY_DISTANCES,
        reason=reason,
        numbers={
            **found.numbers,
            "log_ratio_of_errors": by_size,
            "log_ratio_of_distances": highest,
        },
    )


def _distances(result: EvaluationResult, gap: AdjustedGap) -> list[Comparison]:
    """Return the comparisons of distances in which both groups have a finite mean."""
    return [
        c
        for c in result.comparisons
        if (c.attribute, c.label) == (gap.attribute, gap.label)
        and result.metric(c.metric).unit
        and all(math.isfinite(c.groups[name].mean) for name in gap.between)
        and not set(gap.between) & set(c.left_out)
    ]


def _highest_ratio(worse: GroupStatistics, better: GroupStatistics, level: float) -> float:
    """Return the upper end of the interval of the logarithm of the ratio of two means."""
    ratio = _log_ratio(worse.mean, better.mean)
    if not math.isfinite(ratio) or not worse.n_units or not better.n_units:
        return math.inf
    variance = sum((g.std / g.mean) ** 2 / g.n_units for g in (worse, better) if g.n_units)
    return ratio + NormalDist().inv_cdf(1 - level / 2) * math.sqrt(variance)


def _log_ratio(worse: float, better: float) -> float:
    return math.log(worse / better) if worse > 0 and better > 0 else math.nan


def _is_overlap(metric: MetricInfo) -> bool:
    return metric.one_minus_is_error and not metric.unit


def _smaller_is_worse(gap: AdjustedGap) -> bool:
    """Return whether the group with the lower overlap has the smaller structures."""
    return (gap.crude > 0) == (gap.medians[0] > gap.medians[1]) and gap.crude != 0
