"""The findings of a result that may be shown: numbers as they are shown, verdicts as decided.

A finding that rests on a group of which nothing may be shown is left out. Verdicts are not decided
anew from rounded numbers: the private and the shareable report of the same data agree. A kind of
finding that is not listed here is left out.
"""

import dataclasses
import math
from collections.abc import Callable, Collection, Iterator, Mapping, Set

from nnunetv2_fair.evaluation.disclosure.of_groups import is_gone
from nnunetv2_fair.evaluation.disclosure.samples import EVERYONE
from nnunetv2_fair.evaluation.findings.all_findings import headline
from nnunetv2_fair.evaluation.findings.group_differences import (
    deciding_interval,
    fairness_gaps,
    fitting_gap,
)
from nnunetv2_fair.evaluation.findings.mean_differences import MEAN
from nnunetv2_fair.evaluation.findings.wording import with_sentence
from nnunetv2_fair.evaluation.results.comparison import (
    GROUP_MEAN,
    OVERALL_MEAN,
    WORST_GROUP_MEAN,
    Difference,
    ModelComparison,
    ModelDifferences,
    ModelScores,
    PairedComparison,
)
from nnunetv2_fair.evaluation.results.evaluation import EvaluationResult
from nnunetv2_fair.evaluation.results.findings import Finding, Kind
from nnunetv2_fair.evaluation.results.groups import Comparison
from nnunetv2_fair.evaluation.results.values import NO_INTERVAL


def shareable_findings(result: EvaluationResult, told: EvaluationResult) -> Iterator[Finding]:
    """Yield the findings of an evaluation that may be shown.

    Args:
        result: The evaluation.
        told: What may be shown of its comparisons.
    """
    for found in result.findings:
        show = _SHOWN.get(found.kind)
        if show is None:
            continue
        comparison = told.comparison(found.attribute, found.metric, found.label)
        about = {*found.who, *found.values, *found.n}
        if any(is_gone(comparison, name) for name in about):
            continue
        shown = show(found, comparison)
        if shown is not None:
            kept = _without_contradiction(shown)
            yield with_sentence(kept, headline(kept, told.metric(kept.metric)))


def _without_contradiction(found: Finding) -> Finding:
    """Return a finding without a difference of zero where one is claimed, and without its test."""
    nothing = found.claims and found.value == 0
    return dataclasses.replace(
        found,
        value=math.nan if nothing else found.value,
        test="" if math.isnan(found.p_value) else found.test,
    )


def _group_difference(found: Finding, told: Comparison) -> Finding:
    return _of_means(found, told) if found.quantity == MEAN else _of_medians(found, told)


def _of_means(found: Finding, told: Comparison) -> Finding:
    delta = told.gap("delta")
    sign = -1 if found.value < 0 else 1
    value, interval = (math.nan, NO_INTERVAL) if delta is None else (delta.value, delta.interval)
    return dataclasses.replace(
        found,
        value=sign * value,
        values={name: told.groups[name].mean for name in found.values},
        interval=interval if sign > 0 else interval.mirrored,
        p_value=math.nan if delta is None else delta.p_value,
        corrected_p=math.nan if delta is None else delta.corrected_p,
        n=_sizes(found, told),
        numbers={
            "fitting_gap": interval.high,
            "detectable_gap": math.nan,
            "by_chance": math.nan if delta is None else delta.by_chance,
        },
    )


def _sizes(found: Finding, told: Comparison) -> dict[str, int | None]:
    return {name: None if told.groups[name].n_units is None else n for name, n in found.n.items()}


def _of_medians(found: Finding, told: Comparison) -> Finding:
    gaps = fairness_gaps(told)
    main = next((gap for gap in gaps if gap.between == found.between), None)
    # that none is shown of some gap must not look as if it were small
    all_shown = len(gaps) >= len(found.values) - 1
    effect = next((e for e in told.effects if e.between == found.between), None)
    return dataclasses.replace(
        found,
        value=math.nan if main is None else main.value,
        values={name: told.groups[name].median for name in found.values},
        interval=NO_INTERVAL if main is None else deciding_interval(main),
        p_value=math.nan if told.test is None else told.test.p_value,
        corrected_p=math.nan if told.test is None else told.test.corrected_p,
        n=_sizes(found, told),
        numbers={
            "fitting_gap": fitting_gap(gaps) if all_shown else math.nan,
            "detectable_gap": math.nan if effect is None else effect.detectable_gap,
            "detectable_gap_half": math.nan if effect is None else effect.detectable_gap_half,
        },
    )


def _of_pair(found: Finding, told: Comparison) -> Finding | None:
    pair = next((pair for pair in told.pairs if pair.between == found.between), None)
    if pair is None:
        return None
    return dataclasses.replace(
        found,
        value=pair.cliffs_delta,
        p_value=pair.test.p_value,
        corrected_p=pair.test.corrected_p,
        n=_sizes(found, told),
    )


_SHOWN: Mapping[Kind, Callable[[Finding, Comparison], Finding | None]] = {
    "group_difference": _group_difference,
    "pair_difference": _of_pair,
}


def shareable_changes(
    result: ModelComparison,
    told: ModelComparison,
    undecided: Mapping[tuple[str, str, str], Collection[str]],
) -> Iterator[Finding]:
    """Yield the findings of a comparison of models that may be shown.

    Args:
        result: The comparison.
        told: What may be shown of its entries.
        undecided: Attribute, metric and label -> groups, and :data:`EVERYONE`, of which not even
            verdicts may be shown.
    """
    for found in result.findings:
        show = _SHOWN_OF_MODELS.get(found.kind)
        if show is None:
            continue
        where = (found.attribute, found.metric, found.label)
        rests_on = _groups_behind(found, result.entry(*where))
        if not rests_on or not rests_on.isdisjoint(undecided[where]):
            continue
        kept = show(found, told.entry(*where))
        if kept is not None:
            kept = _without_contradiction(kept)
            yield with_sentence(kept, headline(kept, told.metric(kept.metric)))


def _groups_behind(found: Finding, entry: PairedComparison) -> Set[str]:
    """Return the groups that a claim rests on; :data:`EVERYONE` for all together."""
    if found.quantity == OVERALL_MEAN:
        return {EVERYONE}
    if found.quantity == GROUP_MEAN:
        return set(found.who)
    return entry.group_patients.keys() - entry.left_out.keys()


def _rank(found: Finding, told: PairedComparison) -> Finding | None:
    # the size of the family would tell whether small groups are large enough to be tested
    shown = found.quantity in told.ranks
    return dataclasses.replace(found, family_size=0) if shown else None


def _change(found: Finding, told: PairedComparison) -> Finding:
    """Return a finding with the numbers that may be shown; the others are NaN."""
    change = _difference(found, told.differences[found.model])
    values = {model: _value(found, told.per_model[model]) for model in found.values}
    # each is rounded by itself, and may then differ the other way
    if change.value * (values[found.model] - values[found.baseline]) < 0:
        values = dict.fromkeys(values, math.nan)
    return dataclasses.replace(
        found,
        value=change.value,
        values=values,
        interval=change.simultaneous,
        p_value=math.nan if change.p_value is None else change.p_value,
        corrected_p=math.nan if change.corrected_p is None else change.corrected_p,
        family_size=0,
        n={group: told.group_patients[group] for group in found.n},
        numbers={},
    )


_SHOWN_OF_MODELS: Mapping[Kind, Callable[[Finding, PairedComparison], Finding | None]] = {
    "model_change": _change,
    "rank": _rank,
}


def _value(found: Finding, scores: ModelScores) -> float:
    if found.quantity == OVERALL_MEAN:
        return scores.overall_mean
    if found.quantity == WORST_GROUP_MEAN:
        return scores.worst_group_mean
    if found.quantity == GROUP_MEAN:
        return scores.group_means[found.who[0]]
    return scores.between_groups


def _difference(found: Finding, changes: ModelDifferences) -> Difference:
    if found.quantity == OVERALL_MEAN:
        return changes.overall
    if found.quantity == WORST_GROUP_MEAN:
        return changes.worst_group
    if found.quantity == GROUP_MEAN:
        return changes.groups[found.who[0]]
    return changes.between_groups
