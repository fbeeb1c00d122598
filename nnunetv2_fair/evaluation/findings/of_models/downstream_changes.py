"""Whose errors of downstream measures are smaller: overall, and in each group.

A change is ``shown`` if it is clear enough for the strongest of everything that is said about these
errors: all measures, labels, models, attributes and groups. With models of equal errors any change
is shown in at most 5% of comparisons (at 95% confidence), and ``signs`` come up at twice that rate.
"""

import math
from collections.abc import Iterator

from nnunetv2_fair.evaluation.findings import numbers
from nnunetv2_fair.evaluation.findings.downstream.amounts import error, of_label
from nnunetv2_fair.evaluation.findings.of_models.model_changes import (
    DOUBT,
    FEW,
    T_TEST,
    verdict_of,
)
from nnunetv2_fair.evaluation.findings.sentences import Data, Sentence
from nnunetv2_fair.evaluation.findings.wording import confidence, with_sentence
from nnunetv2_fair.evaluation.results.comparison import (
    GROUP_MEAN,
    OVERALL_MEAN,
    Difference,
    ErrorComparison,
    ModelComparison,
)
from nnunetv2_fair.evaluation.results.findings import Direction, Finding
from nnunetv2_fair.evaluation.results.groups import NOT_CHOSEN
from nnunetv2_fair.evaluation.results.values import MetricInfo


def downstream_changes(result: ModelComparison) -> Iterator[Finding]:
    """Yield how every model changes every error, of all and of each group."""
    for entry in result.downstream:
        base = entry.per_model[result.baseline]
        for model, changes in entry.differences.items():
            own = entry.per_model[model]
            found = [_finding(result, entry, model, (), changes.overall, own.overall, base.overall)]
            found += [
                _finding(result, entry, model, (name,), change, own.groups[name], base.groups[name])
                for name, change in changes.groups.items()
            ]
            yield from (with_sentence(f, headline(f, entry.measure)) for f in found)


def headline(finding: Finding, metric: MetricInfo) -> Sentence:
    """Return the claim in a sentence."""
    start = [
        "With ", Data(finding.model), ", the mean absolute error of the ", metric.title,
        *of_label(finding.label), *([" for ", Data(finding.who[0])] if finding.who else []),
    ]  # fmt: skip
    if finding.verdict == "not_comparable":
        return [*start, f" cannot be compared ({finding.reason})."]
    return [*start, _claim(finding), _numbers(finding, metric), "."]


def brief(finding: Finding, metric: MetricInfo) -> Sentence:
    """Return the claim in a few words, without the model and the measure."""
    if finding.verdict == "not_comparable":
        return ("cannot be compared",)
    return [_claim(finding).strip(), _numbers(finding, metric)]


def _claim(finding: Finding) -> str:
    if finding.verdict == "not_shown":
        return " is not shown to change"
    size = "smaller" if finding.direction == "better" else "larger"
    return f" {'is' if finding.verdict == 'shown' else 'shows signs of being'} {size}"


def _numbers(finding: Finding, metric: MetricInfo) -> str:
    after, before = (
        error(finding.values[m], metric.unit) for m in (finding.model, finding.baseline)
    )
    text = f": {after} instead of {before} (change {error(finding.value, metric.unit, signed=True)}"
    low, high = finding.interval.low, finding.interval.high
    if not math.isnan(low):
        ends = " to ".join(error(end, metric.unit, signed=True) for end in (low, high))
        text += f", simultaneous {numbers.percent(finding.confidence)} interval {ends}"
    return f"{text}, corrected {numbers.p_value(finding.corrected_p)})"


def _finding(
    result: ModelComparison,
    entry: ErrorComparison,
    model: str,
    who: tuple[str, ...],
    found: Difference,
    after: float,
    before: float,
) -> Finding:
    level = confidence(result.settings)
    p_value = math.nan if found.p_value is None else found.p_value
    corrected = math.nan if found.corrected_p is None else found.corrected_p
    verdict = verdict_of(found.value, corrected, level)
    direction: Direction = ""
    if verdict in ("shown", "signs"):
        direction = "better" if found.value < 0 else "worse"
    reason = DOUBT if verdict == "signs" else ""
    if verdict == "not_comparable":
        chosen = all(entry.left_out.get(name) != NOT_CHOSEN for name in who)
        reason = FEW if chosen else NOT_CHOSEN
    by_case = result.settings.get("unit") == "case"
    counts = entry.group_cases if by_case else entry.group_patients
    return Finding(
        kind="downstream_change",
        verdict=verdict,
        attribute=entry.attribute,
        metric=entry.measure.name,
        label=entry.label,
        quantity=GROUP_MEAN if who else OVERALL_MEAN,
        who=who,
        values={model: after, result.baseline: before},
        between=(model, result.baseline),
        direction=direction,
        value=found.value,
        interval=found.simultaneous,
        confidence=level,
        test=T_TEST,
        p_value=p_value,
        corrected_p=corrected,
        family_size=entry.family_size,
        n={group: counts[group] for group in who or counts},
        model=model,
        baseline=result.baseline,
        reason=reason,
    )
