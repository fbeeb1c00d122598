"""The parts of an evaluation that may be shown to people who may not see individual patients.

A shareable result consists of what is listed here; anything else that a result holds is left out.
"""

import math
from dataclasses import dataclass, replace

import pandas as pd

from nnunetv2_fair.evaluation.disclosure.findings import shareable_findings
from nnunetv2_fair.evaluation.disclosure.hidden_groups import Patterns, patients_enough_to_share
from nnunetv2_fair.evaluation.disclosure.redaction import (
    CLOSED,
    OF_MEDIANS,
    SETTINGS,
    SMALL,
    fewest_to_compare,
    note_filter,
    reasons,
    rounded,
    rounded_interval,
)
from nnunetv2_fair.evaluation.disclosure.suppression import FEWEST, Suppression
from nnunetv2_fair.evaluation.results.evaluation import EvaluationResult, Exclusion
from nnunetv2_fair.evaluation.results.groups import (
    Comparison,
    Gap,
    GroupStatistics,
    GroupTest,
    PairEffect,
)
from nnunetv2_fair.evaluation.results.tables.per_case import evaluated_rows, metric_values, no_cases
from nnunetv2_fair.evaluation.results.values import Interval

_NO_VALUE = math.nan
_NO_INTERVAL = Interval(math.nan, math.nan)


def shareable(result: EvaluationResult) -> EvaluationResult:
    """Return the shareable part of a result: it reveals nothing about fewer than five patients.

    It has no cases, no pictures, and no names of files and folders. Of groups with fewer
    than five patients neither counts nor values remain; where they could be worked out from others
    (totals, other groups, intersections), counts and means of further groups are hidden too, while
    their medians, which do not add up, stay. Numbers of undefined and of replaced values remain
    only if there are none. All values are rounded.

    Args:
        result: A result with its cases.

    Raises:
        EvaluationError: If there are fewer than five patients in all.
    """
    if result.shareable:
        return result
    rows = evaluated_rows(result.per_case)
    headline = rows[rows["label"] == result.headline_label].reset_index(drop=True)
    n_patients = patients_enough_to_share(headline)
    patterns = Patterns(result, headline)
    least = fewest_to_compare(result)
    may_stay = note_filter(result)
    told = EvaluationResult(
        name=result.name,
        per_case=no_cases(result.attributes, result.metrics),
        metrics=result.metrics,
        labels=result.labels,
        attributes=result.attributes,
        comparisons=tuple(
            _comparison(c, _pattern(patterns, result, rows, c), patterns.counts, least)
            for c in result.comparisons
        ),
        exclusions=tuple(
            Exclusion(e.reason, (), {}) for e in result.exclusions if may_stay(e.reason)
        ),
        notes=(*filter(may_stay, result.notes), *_notes(result)),
        definitions=dict(result.definitions),
        settings={
            **{key: result.settings[key] for key in SETTINGS if key in result.settings},
            "cases": len(headline),
            "patients": n_patients,
        },
        versions=dict(result.versions),
        created=result.created,
        shareable=True,
        group_parts=result.group_parts,
    )
    return replace(told, findings=tuple(shareable_findings(result, told)))


def _notes(result: EvaluationResult) -> list[str]:
    made = [
        f"This is a shareable result: of groups with fewer than {FEWEST} patients it shows neither "
        "counts nor values, nor counts and means of some other groups from which they could be "
        "worked out. Values are rounded."
    ]
    if result.discovery is not None or result.preset_tables:
        made.append("Discovered subgroups and tables in the form of papers are not shared.")
    return made


def _pattern(
    patterns: Patterns, result: EvaluationResult, rows: pd.DataFrame, comparison: Comparison
) -> Suppression | None:
    """Return what must be hidden of a comparison's values; None: nothing may be shown."""
    values, _ = metric_values(
        rows,
        result.metric(comparison.metric),
        comparison.label,
        result.labels,
        result.settings.get("empty_distance", "diagonal"),
    )
    return patterns.of(~pd.isna(values))


@dataclass(frozen=True)
class _Told:
    """What may be shown of the groups of one comparison.

    Attributes:
        compared: Groups that are large enough to be compared.
        gone: Groups of which neither counts nor values may be shown.
        partly: Groups of which medians may be shown, but neither counts nor means.
        total: Whether means of all groups together may be shown.
        counted: Groups whose counts may be shown.
        total_counted: Whether counts of all groups together may be shown.
        complete: Whether no value is undefined and none was replaced.
    """

    compared: frozenset[str]
    gone: frozenset[str]
    partly: frozenset[str]
    total: bool
    counted: frozenset[str]
    total_counted: bool
    complete: bool


def _told(comparison: Comparison, pattern: Suppression, counts: Suppression) -> _Told:
    attribute, groups = comparison.attribute, comparison.groups
    gone = frozenset(g for g in groups if pattern.tells_nothing_of(attribute, g))
    every = (*groups.values(), comparison.overall)
    return _Told(
        compared=frozenset(groups) - set(comparison.left_out),
        gone=gone,
        partly=frozenset(g for g in groups if not pattern.tells_counts_of(attribute, g)) - gone,
        total=pattern.tells_total_of(attribute),
        counted=frozenset(g for g in groups if counts.tells_counts_of(attribute, g)),
        total_counted=counts.tells_total_of(attribute),
        complete=not any(g.n_undefined or g.n_replaced for g in every),
    )


def _comparison(
    comparison: Comparison, pattern: Suppression | None, counts: Suppression, least: int
) -> Comparison:
    """Return what may be shown of a comparison.

    Args:
        comparison: As it was made.
        pattern: What must be hidden of its values; None: nothing may be shown.
        counts: What must be hidden of its counts.
        least: Patients that a group needs to be compared.
    """
    if pattern is None:
        return _without_groups(comparison, SMALL, tell_total=False)
    if comparison.attribute in pattern.closed:
        total = pattern.tells_total_of(comparison.attribute)
        return _without_groups(comparison, CLOSED, tell_total=total)
    told = _told(comparison, pattern, counts)
    return replace(
        comparison,
        overall=_statistics(comparison.overall, told.total_counted, told.total, told.complete),
        groups={name: _group(name, group, told) for name, group in comparison.groups.items()},
        left_out=reasons(comparison.groups, told.gone, comparison.left_out, least=least),
        gaps=tuple(_gap(gap) for gap in comparison.gaps if _tells_gap(gap, told)),
        test=_test(comparison.test, told),
        effects=tuple(
            _effect(effect)
            for effect in comparison.effects
            if not (told.gone | told.partly) & set(effect.between)
        ),
    )


def _without_groups(comparison: Comparison, reason: str, *, tell_total: bool) -> Comparison:
    total = _statistics(comparison.overall, True, True, False) if tell_total else _NOTHING
    return replace(
        comparison,
        overall=total,
        groups=dict.fromkeys(comparison.groups, _NOTHING),
        left_out=dict.fromkeys(comparison.groups, reason),
        gaps=(),
        test=None,
        effects=(),
        by_image=False,
    )


def _group(name: str, group: GroupStatistics, told: _Told) -> GroupStatistics:
    if name in told.gone:
        return _NOTHING
    return _statistics(group, name in told.counted, name not in told.partly, told.complete)


def _tells_gap(gap: Gap, told: _Told) -> bool:
    between = set(gap.between)
    return not told.gone & between and (gap.name in OF_MEDIANS or not told.partly & between)


_NOTHING = GroupStatistics(
    None, None, None, None,
    _NO_VALUE, _NO_VALUE, _NO_VALUE, _NO_VALUE, _NO_VALUE, _NO_INTERVAL, _NO_INTERVAL, None,
)  # fmt: skip


def _statistics(
    group: GroupStatistics, tell_counts: bool, tell_means: bool, complete: bool
) -> GroupStatistics:
    return GroupStatistics(
        n_cases=group.n_cases if tell_counts else None,
        n_patients=group.n_patients if tell_counts else None,
        n_undefined=0 if complete else None,
        n_replaced=0 if complete else None,
        mean=rounded(group.mean) if tell_means else _NO_VALUE,
        median=rounded(group.median),
        q1=rounded(group.q1),
        q3=rounded(group.q3),
        std=rounded(group.std) if tell_means else _NO_VALUE,
        mean_interval=rounded_interval(group.mean_interval) if tell_means else _NO_INTERVAL,
        median_interval=rounded_interval(group.median_interval),
        # beside the number of patients it would tell how many have no value
        n_units=group.n_units if tell_counts and complete else None,
    )


def _test(test: GroupTest | None, told: _Told) -> GroupTest | None:
    if test is None or told.gone & told.compared:
        return None
    return replace(
        test,
        # U and p together reveal the sizes of the groups
        statistic=_NO_VALUE if told.partly & told.compared else rounded(test.statistic),
        p_value=rounded(test.p_value),
        corrected_p=rounded(test.corrected_p),
    )


def _gap(gap: Gap) -> Gap:
    return replace(
        gap,
        value=rounded(gap.value),
        interval=rounded_interval(gap.interval),
        simultaneous=rounded_interval(gap.simultaneous),
    )


def _effect(effect: PairEffect) -> PairEffect:
    return replace(
        effect,
        cliffs_delta=rounded(effect.cliffs_delta),
        interval=rounded_interval(effect.interval),
        detectable_gap=rounded(effect.detectable_gap),
    )
