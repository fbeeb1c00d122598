"""The parts of a comparison that may be shown to people who may not see individual patients.

The same counts and means are hidden as in a shareable evaluation of the same patients
(:mod:`.of_evaluation`), so that the two cannot be subtracted from each other.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from nnunetv2_fair.errors import EvaluationError, shorten
from nnunetv2_fair.evaluation.disclosure.findings import shareable_changes
from nnunetv2_fair.evaluation.disclosure.hidden_groups import Patterns, patients_enough_to_share
from nnunetv2_fair.evaluation.disclosure.precision import (
    rounded,
    rounded_interval,
    rounded_variance,
)
from nnunetv2_fair.evaluation.disclosure.redaction import (
    CLOSED,
    OF_MEDIANS,
    SETTINGS,
    SMALL,
    fewest_to_compare,
    note_filter,
    reasons,
)
from nnunetv2_fair.evaluation.disclosure.suppression import FEWEST, Suppression
from nnunetv2_fair.evaluation.estimation.intervals import NO_INTERVAL
from nnunetv2_fair.evaluation.results.comparison import (
    BETWEEN_GROUP_VARIANCE,
    OVERALL_MEAN,
    WORST_GROUP_MEAN,
    Difference,
    ModelComparison,
    ModelDifferences,
    ModelScores,
    PairedComparison,
)
from nnunetv2_fair.evaluation.results.evaluation import EvaluationResult
from nnunetv2_fair.evaluation.results.tables.per_case import evaluated_rows, metric_values
from nnunetv2_fair.evaluation.results.trainings import TRAININGS
from nnunetv2_fair.evaluation.results.values import Interval

_NOTHING = Difference(math.nan, NO_INTERVAL)


def shareable_comparison(
    compared: ModelComparison, results: Sequence[EvaluationResult]
) -> ModelComparison:
    """Return the shareable part of a comparison: it reveals nothing about fewer than five patients.

    Neither counts nor means of small groups remain, nor those from which they could be worked
    out, nor anything computed from these: fairness measures, worst groups and ranks. Where some
    cases have no value in some model, no counts remain at all. All values are rounded.

    Args:
        compared: The comparison.
        results: The evaluations that were compared, all of the same cases.

    Raises:
        EvaluationError: If there are fewer than five patients in all, or the evaluations have
            different cases: who is missing could be worked out from several such pages.
    """
    baseline = results[0]
    rows = [evaluated_rows(r.per_case).sort_values("case", kind="stable") for r in results]
    headline = rows[0][rows[0]["label"] == compared.headline_label].reset_index(drop=True)
    cases = set(headline["case"])
    others = [
        model
        for model, found in zip(compared.models, rows, strict=True)
        if set(found["case"]) != cases
    ]
    if others:
        raise EvaluationError(
            f"{shorten(others)}: other cases than those of {compared.baseline}. Who is missing "
            "could be worked out, so this comparison cannot be shared. Evaluate all models on the "
            "same cases, or leave out --shareable."
        )
    patients_enough_to_share(headline)
    patterns = Patterns(baseline, headline)
    policy = baseline.settings.get("empty_distance", "diagonal")
    least = fewest_to_compare(baseline)

    def entry_of(entry: PairedComparison) -> PairedComparison:
        info = baseline.metric(entry.metric)
        values = [
            metric_values(found, info, entry.label, baseline.labels, policy)[0] for found in rows
        ]
        defined = ~np.isnan(np.stack(values)).any(axis=0)
        return _entry(entry, patterns.of(defined), bool(defined.all()), least)

    may_stay = note_filter(baseline)
    told = replace(
        compared,
        entries=tuple(map(entry_of, compared.entries)),
        notes=(
            *filter(may_stay, compared.notes),
            f"This is a shareable comparison: of groups with fewer than {FEWEST} patients it shows "
            "neither counts nor means, nor those of some other groups from which they could be "
            "worked out. Values are rounded.",
        ),
        settings={
            key: compared.settings[key]
            for key in ("common_cases", TRAININGS, *SETTINGS)
            if key in compared.settings
        },
        shareable=True,
    )
    return replace(told, findings=tuple(shareable_changes(compared, told)))


@dataclass(frozen=True)
class _Shown:
    """What may be shown of one metric, label and attribute.

    Attributes:
        groups: Groups whose means may be shown.
        gone: Groups of which nothing may be shown.
        total: Whether the mean of all groups together may be shown.
        counted: Groups whose counts may be shown.
        total_counted: Whether counts of all groups together may be shown.
        means: Whether measures made of means may be shown: those of every group that is compared.
        medians: Whether measures made of medians may be shown.
        round_distance: How the distance between groups is rounded.
    """

    groups: frozenset[str]
    gone: frozenset[str]
    total: bool
    counted: frozenset[str]
    total_counted: bool
    means: bool
    medians: bool
    round_distance: Callable[[float], float]

    def shows(self, measure: str) -> bool:
        """Return whether a fairness measure, or the worst group's mean, may be shown."""
        return self.means or (self.medians and measure.partition(":")[0] in OF_MEDIANS)

    def ranks(self, measure: str) -> bool:
        """Return whether ranks by a measure may be shown."""
        return self.total if measure == OVERALL_MEAN else self.shows(measure)


def _shown(entry: PairedComparison, pattern: Suppression | None, complete: bool) -> _Shown:
    """Return what may be shown.

    Args:
        entry: As it was made.
        pattern: What must be hidden of its values; None: nothing may be shown.
        complete: Whether every case has a value in every model.
    """
    attribute, groups = entry.attribute, frozenset(entry.group_patients)
    told: frozenset[str] = frozenset()
    gone, total = groups, False
    if pattern is not None:
        told = frozenset(g for g in groups if pattern.tells_counts_of(attribute, g))
        gone = frozenset(g for g in groups if pattern.tells_nothing_of(attribute, g))
        total = pattern.tells_total_of(attribute)
    compared = groups - set(entry.left_out)
    return _Shown(
        groups=told,
        gone=gone,
        total=total,
        counted=told if complete else frozenset(),
        total_counted=total and complete,
        means=compared <= told,
        medians=not compared & gone,
        round_distance=(
            rounded_variance if entry.gap_measure == BETWEEN_GROUP_VARIANCE else rounded
        ),
    )


def _entry(
    entry: PairedComparison, pattern: Suppression | None, complete: bool, least: int
) -> PairedComparison:
    """Return what may be shown of one metric, label and attribute.

    Args:
        entry: As it was made.
        pattern: What must be hidden of its values; None: nothing may be shown.
        complete: Whether every case has a value in every model.
        least: Patients that a group needs to be compared.
    """
    told = _shown(entry, pattern, complete)
    closed = pattern is not None and entry.attribute in pattern.closed
    return replace(
        entry,
        per_model={model: _scores(scores, told) for model, scores in entry.per_model.items()},
        differences={
            model: _differences(found, told) for model, found in entry.differences.items()
        },
        n_cases=entry.n_cases if told.total_counted else None,
        n_patients=entry.n_patients if told.total_counted else None,
        group_cases=_counts(entry.group_cases, told),
        group_patients=_counts(entry.group_patients, told),
        left_out=reasons(
            entry.group_patients,
            told.gone,
            entry.left_out,
            least=least,
            of_gone=CLOSED if closed else SMALL,
        ),
        # it would tell whether a small group is large enough to be tested
        family_size=0,
        ranks={
            measure: by_model for measure, by_model in entry.ranks.items() if told.ranks(measure)
        },
    )


def _counts(counts: Mapping[str, int | None], told: _Shown) -> dict[str, int | None]:
    return {group: n if group in told.counted else None for group, n in counts.items()}


def _scores(scores: ModelScores, told: _Shown) -> ModelScores:
    worst = told.shows(WORST_GROUP_MEAN)
    return ModelScores(
        overall_mean=rounded(scores.overall_mean) if told.total else math.nan,
        overall_interval=rounded_interval(scores.overall_interval) if told.total else NO_INTERVAL,
        group_means={
            group: rounded(mean) if group in told.groups else math.nan
            for group, mean in scores.group_means.items()
        },
        group_intervals={
            group: rounded_interval(limits) if group in told.groups else NO_INTERVAL
            for group, limits in scores.group_intervals.items()
        },
        worst_group=scores.worst_group if worst else "",
        worst_group_mean=rounded(scores.worst_group_mean) if worst else math.nan,
        gaps={
            measure: (rounded(value), rounded_interval(limits))
            for measure, (value, limits) in scores.gaps.items()
            if told.shows(measure)
        },
        between_groups=told.round_distance(scores.between_groups) if told.means else math.nan,
    )


def _differences(found: ModelDifferences, told: _Shown) -> ModelDifferences:
    worst = told.shows(WORST_GROUP_MEAN)
    return ModelDifferences(
        overall=_difference(found.overall) if told.total else _NOTHING,
        groups={
            group: _difference(difference) if group in told.groups else _NOTHING
            for group, difference in found.groups.items()
        },
        worst_group=_difference(found.worst_group) if worst else _NOTHING,
        gaps={
            measure: _difference(difference)
            for measure, difference in found.gaps.items()
            if told.shows(measure)
        },
        between_groups=_difference(found.between_groups, told.round_distance)
        if told.means
        else _NOTHING,
    )


def _difference(found: Difference, by: Callable[[float], float] = rounded) -> Difference:
    return Difference(
        by(found.value),
        Interval(by(found.interval.low), by(found.interval.high)),
        None if found.p_value is None else rounded(found.p_value),
        None if found.corrected_p is None else rounded(found.corrected_p),
        Interval(by(found.simultaneous.low), by(found.simultaneous.high)),
    )
