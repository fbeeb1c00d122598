"""What an audit claims, from its numbers before anything is rounded, and in words.

A verdict is ``shown`` where the corrected p-value is below 1 minus the confidence, ``signs`` where
only the uncorrected one is. How often they are wrong is measured by ``benchmarks/rulers.py``.
"""

import dataclasses
import math
from collections.abc import Iterator

from nnunetv2_fair.audit.labels import wording
from nnunetv2_fair.audit.results.labels import (
    AuditResult,
    CombinedGap,
    Estimate,
    GapChange,
    LabelErrors,
    SourceGaps,
)
from nnunetv2_fair.evaluation.findings.numbers import excludes_zero
from nnunetv2_fair.evaluation.findings.sentences import plain
from nnunetv2_fair.evaluation.findings.wording import confidence
from nnunetv2_fair.evaluation.results.adjusted import REFERENCE_SIZE, AdjustedGap
from nnunetv2_fair.evaluation.results.findings import Direction, Finding, Kind, Verdict

PERMUTED = "permutation test of means"
SKEWED = "t test for skewed values"

#: What a change is about -> its kind.
_KINDS: dict[str, Kind] = {
    "rulers": "ruler", "amplification": "amplification", "ceiling": "ceiling",
}  # fmt: skip


def with_findings(result: AuditResult) -> AuditResult:
    """Return the result with everything that it claims, those of the headline label first."""
    found = sorted(_all(result), key=lambda finding: finding.label != result.headline_label)
    return dataclasses.replace(result, findings=tuple(found))


def _all(result: AuditResult) -> Iterator[Finding]:
    # what the evaluation of the automated masks claims, as it says it
    yield from result.quality.findings
    level = confidence(result.settings)
    made: list[Finding] = []
    for gap in result.quality.adjusted_gaps:
        if gap.confounders != (REFERENCE_SIZE,):
            made.append(_quality(gap, level))
    for errors in result.label_errors:
        made += _errors(errors, level)
    made += [_sources(gaps, level) for gaps in result.source_gaps]
    made += [_change(change, level) for change in result.changes]
    made += [_combined(gap, level) for gap in result.combined]
    for finding in made:
        words = wording.headline(finding, result)
        yield dataclasses.replace(finding, sentence=plain(words))


def verdict_of(estimate: Estimate, level: float) -> Verdict:
    """Return what can be said of a number being other than 0.

    Args:
        estimate: The number.
        level: Confidence, such as 0.95.
    """
    if math.isnan(estimate.p_value):
        return "not_comparable"
    decisive = estimate.p_value if math.isnan(estimate.corrected_p) else estimate.corrected_p
    if decisive < 1 - level:
        return "shown"
    return "signs" if estimate.p_value < 1 - level else "not_shown"


def _numbers(estimate: Estimate, level: float, test: str) -> dict[str, object]:
    return {
        "verdict": verdict_of(estimate, level),
        "value": estimate.value,
        "interval": estimate.interval,
        "confidence": level,
        "test": test,
        "p_value": estimate.p_value,
        "corrected_p": estimate.corrected_p,
        "family_size": estimate.family_size,
        "reason": estimate.reason,
    }


def _made(kind: Kind, estimate: Estimate, level: float, test: str, **more: object) -> Finding:
    return Finding(kind=kind, **{**_numbers(estimate, level, test), **more})  # type: ignore[arg-type]


def _quality(gap: AdjustedGap, level: float) -> Finding:
    test = gap.test
    estimate = Estimate(
        gap.value,
        gap.interval,
        math.nan if test is None or gap.reason else test.p_value,
        math.nan if test is None else test.corrected_p,
        0 if test is None else test.family_size,
        gap.reason,
    )
    return _made(
        "label_quality", estimate, level, "van Elteren test", attribute=gap.attribute,
        metric=gap.metric, label=gap.label, quantity="adjusted_gap", who=gap.between,
        between=gap.between, n=dict(zip(gap.between, gap.n, strict=True)),
        numbers={
            "crude": gap.crude, "crude_low": gap.crude_interval.low,
            "crude_high": gap.crude_interval.high, "effective_reference": gap.effective[0],
            "effective_other": gap.effective[1],
        },
        items=dict.fromkeys(gap.confounders, ""),
    )  # fmt: skip


def _errors(errors: LabelErrors, level: float) -> Iterator[Finding]:
    for name, group in errors.groups.items():
        if not math.isnan(group.mean.p_value):
            yield _made(
                "label_error", group.mean, level, SKEWED, attribute=errors.attribute,
                label=errors.label, metric=errors.measure, quantity="mean", who=(name,),
                values={name: group.mean.value}, n={name: group.n},
            )  # fmt: skip
    for pair in errors.gaps:
        values = {name: errors.groups[name].mean.value for name in pair.between}
        yield _made(
            "label_error", pair.gap, level, PERMUTED, attribute=errors.attribute,
            label=errors.label, metric=errors.measure, quantity="gap", who=pair.between,
            between=pair.between, values=values, n=dict(zip(pair.between, pair.n, strict=True)),
        )  # fmt: skip


def _sources(gaps: SourceGaps, level: float) -> Finding:
    return _made(
        "source_gap", gaps.heterogeneity, level, "Welch's test of equal gaps",
        attribute=gaps.attribute, metric=gaps.metric, label=gaps.label, quantity="gap",
        who=gaps.between, between=gaps.between,
        values={source: pair.gap.value for source, pair in gaps.by_source.items()},
        numbers={
            "common": gaps.common.value, "common_low": gaps.common.interval.low,
            "common_high": gaps.common.interval.high, "sources": float(len(gaps.by_source)),
        },
    )  # fmt: skip


def _change(change: GapChange, level: float) -> Finding:
    first, second = change.first.value, change.second.value
    verdict = verdict_of(change.change, level)
    # gaps of different direction, neither of which may be chance
    opposite = first * second < 0 and all(
        excludes_zero(one.interval) for one in (change.first, change.second)
    )
    return _made(
        _KINDS[change.subject], change.change, level, PERMUTED, attribute=change.attribute,
        metric=change.metric, label=change.label,
        quantity=" - ".join(change.scores), who=change.between, between=change.between,
        values=dict(zip(change.scores, (first, second), strict=True)),
        n=dict(zip(change.between, change.n, strict=True)),
        direction=_direction(first, second, verdict, opposite=opposite),
        numbers=dict(
            zip(("trainings_first", "trainings_second"), map(float, change.trainings), strict=True)
        ),
    )  # fmt: skip


def _direction(first: float, second: float, verdict: Verdict, *, opposite: bool) -> Direction:
    if opposite or verdict not in ("shown", "signs"):
        return ""
    return "larger" if abs(first) > abs(second) else "smaller"


def _combined(gap: CombinedGap, level: float) -> Finding:
    names = gap.between
    return _made(
        "expert_gap", gap.combined, level, "t test", attribute=gap.attribute, metric=gap.metric,
        label=gap.label, quantity="combined", who=names, between=names,
        values={"automated": gap.automated.value, "expert": gap.expert.value},
        n=dict(zip(names, gap.n_expert, strict=True)),
        numbers={
            "n_automated_reference": float(gap.n_automated[0]),
            "n_automated_other": float(gap.n_automated[1]),
            "expert_low": gap.expert.interval.low, "expert_high": gap.expert.interval.high,
            "trainings": float(gap.trainings),
        },
    )  # fmt: skip
