"""The parts of a comparison that may be shown to people who may not see individual patients.

The same counts and means are hidden as in a shareable evaluation of the same patients
(:mod:`.of_evaluation`), so that the two cannot be subtracted from each other.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from nnunetv2_fair.errors import EvaluationError, shorten
from nnunetv2_fair.evaluation.disclosure.findings import shareable_changes
from nnunetv2_fair.evaluation.disclosure.group_profiles import UNKNOWN
from nnunetv2_fair.evaluation.disclosure.hidden_groups import Patterns, patients_enough_to_share
from nnunetv2_fair.evaluation.disclosure.model_numbers import (
    ModelNumbers,
    PairedValues,
    secret_of_models,
)
from nnunetv2_fair.evaluation.disclosure.redaction import (
    CLOSED,
    SETTINGS,
    SMALL,
    fewest_to_compare,
    reasons,
    shareable_notes,
)
from nnunetv2_fair.evaluation.disclosure.samples import EVERYONE
from nnunetv2_fair.evaluation.disclosure.suppression import FEWEST, Suppression
from nnunetv2_fair.evaluation.findings.wording import confidence
from nnunetv2_fair.evaluation.results.comparison import (
    OVERALL_MEAN,
    TRAINERS,
    Difference,
    ModelComparison,
    ModelDifferences,
    ModelScores,
    PairedComparison,
)
from nnunetv2_fair.evaluation.results.evaluation import EvaluationResult
from nnunetv2_fair.evaluation.results.groups import CHOSEN_GROUPS
from nnunetv2_fair.evaluation.results.tables.per_case import evaluated_rows, metric_values
from nnunetv2_fair.evaluation.results.trainings import TRAININGS
from nnunetv2_fair.evaluation.results.values import NO_INTERVAL, MetricInfo

_NOTHING = Difference(math.nan, NO_INTERVAL)


def shareable_comparison(
    compared: ModelComparison, results: Sequence[EvaluationResult]
) -> ModelComparison:
    """Return the shareable part of a comparison: it reveals nothing about fewer than five patients.

    Neither counts nor means of small groups remain, nor those from which they could be worked
    out, nor numbers computed from these: fairness measures, worst groups and ranks. What is claimed
    stays without its numbers, unless it rests on a small group. Where some
    cases have no value in some model, no counts remain at all. All values are rounded as in
    :mod:`.precision`, those of differences by how much the differences of patients vary, after
    deciding what is claimed. Gaps of medians are left to the evaluations.

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

    undecided: dict[tuple[str, str, str], frozenset[str]] = {}

    def entries_of(metric: MetricInfo, label: str) -> Iterator[PairedComparison]:
        values = np.stack(
            [metric_values(found, metric, label, baseline.labels, policy)[0] for found in rows]
        )
        defined = ~np.isnan(values).any(axis=0)
        values[:, ~defined] = np.nan
        made = [e for e in compared.entries if (e.metric, e.label) == (metric.name, label)]
        attributes = [entry.attribute for entry in made]
        by_case = baseline.settings.get("unit") == "case"
        known = [
            PairedValues.of(compared.models, values, patterns.people, attribute, by_image=by_case)
            for attribute in attributes
        ]
        pattern = patterns.of(defined)
        secret = (
            secret_of_models(known, attributes, patterns.people[defined], pattern)
            if made
            else frozenset()
        )
        for entry, behind in zip(made, known, strict=True):
            hidden = frozenset(group for e, group in secret if e == entry.attribute)
            told = _shown(entry, pattern, bool(defined.all()), hidden)
            everyone = told.gone == frozenset(entry.group_patients)
            undecided[entry.attribute, metric.name, label] = (
                told.gone | hidden | (frozenset({EVERYONE}) if everyone else frozenset())
            )
            closed = pattern is not None and entry.attribute in pattern.closed
            left_out = reasons(
                entry.group_patients,
                told.gone,
                entry.left_out,
                least=least,
                of_gone=CLOSED if closed else SMALL,
            )
            numbers = ModelNumbers(metric, entry, behind, 1 - confidence(compared.settings))
            yield _entry(entry, told, numbers, left_out)

    shown = {
        (entry.attribute, entry.metric, entry.label): entry
        for metric in compared.metrics
        for label in compared.labels
        for entry in entries_of(baseline.metric(metric.name), label)
    }
    told = replace(
        compared,
        entries=tuple(shown[e.attribute, e.metric, e.label] for e in compared.entries),
        notes=(
            *shareable_notes(
                compared.notes, compared.attributes, compared.settings.get(CHOSEN_GROUPS, {})
            ),
            *_causes(compared, shown, patterns.counts),
            f"This is a shareable comparison: of groups with fewer than {FEWEST} patients it shows "
            "neither counts nor means, nor those of some other groups from which they could be "
            "worked out. Values are rounded until they say nothing about fewer than five patients, "
            "ends of intervals outward; zeros at the end of a number do not say how exact it is. "
            "What is claimed was decided before. Another report on some of the same patients, by "
            "other groups or of nearly the same cohort, can be subtracted from this one, which is "
            "not checked: share only one.",
        ),
        settings={
            key: compared.settings[key]
            for key in ("common_cases", TRAININGS, TRAINERS, *SETTINGS)
            if key in compared.settings
        },
        shareable=True,
        downstream=(),
    )
    return replace(told, findings=tuple(shareable_changes(compared, told, undecided)))


def _causes(
    compared: ModelComparison,
    shown: Mapping[tuple[str, str, str], PairedComparison],
    counts: Suppression,
) -> Iterator[str]:
    """Yield what hides the numbers of large groups, where it is a few patients of unknown group.

    Args:
        compared: The comparison.
        shown: Attribute, metric and label -> what may be shown.
        counts: What must be hidden of the counts of all cases.
    """
    for attribute in compared.attributes:
        entry = shown[attribute, compared.metrics[0].name, compared.headline_label]
        told = next(iter(entry.per_model.values()))
        without = [
            group
            for group, mean in told.group_means.items()
            if math.isnan(mean) and not counts.tells_nothing_of(attribute, group)
        ]
        unknown = (attribute, UNKNOWN) in counts.small and attribute not in counts.closed
        if unknown and math.isnan(told.overall_mean):
            names = ", ".join(f"'{group}'" for group in without)
            yield (
                f"By {attribute}, numbers {f'of {names} and ' if names else ''}of all groups "
                f"together are hidden: {attribute} is unknown for fewer than {FEWEST} patients, "
                "and their values could be worked out. Who gains and who loses is told all the "
                "same. To show the numbers, complete the table, or evaluate without these "
                "patients and share nothing else."
            )


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
    """

    groups: frozenset[str]
    gone: frozenset[str]
    total: bool
    counted: frozenset[str]
    total_counted: bool
    means: bool

    def ranks(self, measure: str) -> bool:
        """Return whether ranks by a measure may be shown."""
        return self.total if measure == OVERALL_MEAN else self.means


def _shown(
    entry: PairedComparison,
    pattern: Suppression | None,
    complete: bool,
    secret: frozenset[str],
) -> _Shown:
    """Return what may be shown.

    Args:
        entry: As it was made.
        pattern: What must be hidden of its values; None: nothing may be shown.
        complete: Whether every case has a value in every model.
        secret: Groups, or all of them together, whose means tell of fewer than five patients.
    """
    attribute, groups = entry.attribute, frozenset(entry.group_patients)
    told: frozenset[str] = frozenset()
    gone, total = groups, False
    if pattern is not None:
        told = frozenset(g for g in groups if pattern.tells_counts_of(attribute, g))
        gone = frozenset(g for g in groups if pattern.tells_nothing_of(attribute, g))
        total = pattern.tells_total_of(attribute)
    compared = groups - set(entry.left_out)
    means = told - secret
    return _Shown(
        groups=means,
        gone=gone,
        total=total and EVERYONE not in secret,
        counted=told if complete else frozenset(),
        total_counted=total and complete,
        means=compared <= means,
    )


def _entry(
    entry: PairedComparison, told: _Shown, numbers: ModelNumbers, left_out: Mapping[str, str]
) -> PairedComparison:
    """Return what may be shown of one metric, label and attribute.

    Args:
        entry: As it was made.
        told: What may be shown.
        numbers: How numbers are shown.
        left_out: Groups that are not compared, with the reason.
    """
    per_model = {m: _scores(m, scores, told, numbers) for m, scores in entry.per_model.items()}
    return replace(
        entry,
        per_model=per_model,
        differences={
            model: _differences(model, found, per_model, told, numbers)
            for model, found in entry.differences.items()
        },
        n_cases=entry.n_cases if told.total_counted else None,
        n_patients=entry.n_patients if told.total_counted else None,
        group_cases=_counts(entry.group_cases, told),
        group_patients=_counts(entry.group_patients, told),
        left_out=left_out,
        # it would tell whether a small group is large enough to be tested
        family_size=0,
        ranks={
            measure: by_model for measure, by_model in entry.ranks.items() if told.ranks(measure)
        },
    )


def _counts(counts: Mapping[str, int | None], told: _Shown) -> dict[str, int | None]:
    return {group: n if group in told.counted else None for group, n in counts.items()}


def _scores(model: str, scores: ModelScores, told: _Shown, numbers: ModelNumbers) -> ModelScores:
    shown_means = numbers.means(
        model, {group: mean for group, mean in scores.group_means.items() if group in told.groups}
    )
    means = {group: shown_means.get(group, math.nan) for group in scores.group_means}
    overall = numbers.mean(model, EVERYONE, scores.overall_mean) if told.total else math.nan
    shown = ModelScores(
        overall_mean=overall,
        overall_interval=numbers.limits(model, EVERYONE, scores.overall_interval, overall)
        if told.total
        else NO_INTERVAL,
        group_means=means,
        group_intervals={
            group: numbers.limits(model, group, limits, means[group])
            if group in told.groups
            else NO_INTERVAL
            for group, limits in scores.group_intervals.items()
        },
        worst_group=scores.worst_group if told.means else "",
        worst_group_mean=means.get(scores.worst_group, math.nan) if told.means else math.nan,
        gaps={},
        overall_std=numbers.std(model, EVERYONE, scores.overall_std) if told.total else math.nan,
        group_stds={
            group: numbers.std(model, group, std) if group in told.groups else math.nan
            for group, std in scores.group_stds.items()
        },
    )
    if not told.means:
        return shown
    return replace(
        shown,
        gaps=numbers.gaps(model, scores.gaps, shown),
        between_groups=numbers.distance(model, scores.between_groups, shown),
    )


def _differences(
    model: str,
    found: ModelDifferences,
    shown: Mapping[str, ModelScores],
    told: _Shown,
    numbers: ModelNumbers,
) -> ModelDifferences:
    ours, theirs = shown[model], next(iter(shown.values()))
    return ModelDifferences(
        overall=numbers.change(model, EVERYONE, found.overall) if told.total else _NOTHING,
        groups={
            group: numbers.change(model, group, difference) if group in told.groups else _NOTHING
            for group, difference in found.groups.items()
        },
        worst_group=numbers.change_of_all(model, found.worst_group) if told.means else _NOTHING,
        gaps={
            measure: Difference(round(value - theirs.gaps[measure][0], 6), NO_INTERVAL)
            for measure, (value, _) in ours.gaps.items()
            if measure in theirs.gaps and measure in found.gaps
        },
        between_groups=numbers.change_of_distance(model, found.between_groups)
        if told.means
        else _NOTHING,
    )
