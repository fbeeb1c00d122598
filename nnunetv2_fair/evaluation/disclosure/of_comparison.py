"""What of a comparison of models may be shown to people who may not see single persons.

The same counts and means are hidden as in a shareable evaluation of the same patients
(:mod:`.disclosure`), so that the two cannot be subtracted from each other.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from nnunetv2_fair.errors import EvaluationError, shorten
from nnunetv2_fair.evaluation.disclosure.of_evaluation import (
    CLOSED,
    OF_MEDIANS,
    SETTINGS,
    SMALL,
    Patterns,
    patients_enough_to_share,
    rounded,
    rounded_interval,
    teller,
)
from nnunetv2_fair.evaluation.disclosure.suppression import FEWEST, Suppression
from nnunetv2_fair.evaluation.results.comparison import (
    OVERALL_MEAN,
    WORST_GROUP_MEAN,
    Difference,
    ModelComparison,
    ModelDifferences,
    ModelScores,
    PairedComparison,
)
from nnunetv2_fair.evaluation.results.evaluation import EvaluationResult
from nnunetv2_fair.evaluation.results.per_case import evaluated_rows, metric_values
from nnunetv2_fair.evaluation.statistics.intervals import NO_INTERVAL

_NOTHING = Difference(math.nan, NO_INTERVAL)


def shareable_comparison(
    compared: ModelComparison, results: Sequence[EvaluationResult]
) -> ModelComparison:
    """Return what of a comparison can be shared: nothing in it tells of fewer than five patients.

    Neither counts nor means of small groups remain, nor of those from which they could be worked
    out, nor whatever is made of these: fairness measures, worst groups and ranks. Where some cases
    have no value in some model, no counts remain at all. All values are rounded.

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
    least = max(FEWEST, int(baseline.settings.get("min_patients", FEWEST)))

    def entry_of(entry: PairedComparison) -> PairedComparison:
        info = baseline.metric(entry.metric)
        values = [
            metric_values(found, info, entry.label, baseline.labels, policy)[0] for found in rows
        ]
        defined = ~np.isnan(np.stack(values)).any(axis=0)
        return _entry(entry, patterns.of(defined), bool(defined.all()), least)

    tells = teller(baseline)
    return replace(
        compared,
        entries=tuple(map(entry_of, compared.entries)),
        notes=(
            *filter(tells, compared.notes),
            f"This is a shareable comparison: of groups with fewer than {FEWEST} patients it tells "
            "neither counts nor means, nor of some others, because those of the small groups could "
            "be worked out from them. Values are rounded.",
        ),
        settings={
            key: compared.settings[key]
            for key in ("common_cases", *SETTINGS)
            if key in compared.settings
        },
        shareable=True,
    )


def _entry(
    entry: PairedComparison, pattern: Suppression | None, complete: bool, least: int
) -> PairedComparison:
    """Return what may be told of one metric, label and attribute.

    Args:
        entry: As it was made.
        pattern: What must not be told of its values; None: nothing may be told.
        complete: Whether every case has a value in every model.
        least: Patients that a group needs to be compared.
    """
    attribute, groups = entry.attribute, tuple(entry.group_patients)
    told: set[str] = set()
    gone, total = set(groups), False
    if pattern is not None:
        told = {g for g in groups if pattern.tells_counts_of(attribute, g)}
        gone = {g for g in groups if pattern.tells_nothing_of(attribute, g)}
        total = pattern.tells_total_of(attribute)
    compared = set(groups) - set(entry.left_out)
    means = compared <= told

    def tells(measure: str) -> bool:
        of_medians = measure.partition(":")[0] in OF_MEDIANS
        return means or (of_medians and not compared & gone)

    small = CLOSED if pattern is not None and attribute in pattern.closed else SMALL
    ranked = {OVERALL_MEAN: total, WORST_GROUP_MEAN: means}
    counted = told if complete else set()
    return replace(
        entry,
        per_model={m: _scores(s, told, total, tells) for m, s in entry.per_model.items()},
        differences={m: _differences(d, told, total, tells) for m, d in entry.differences.items()},
        n_cases=entry.n_cases if total and complete else None,
        n_patients=entry.n_patients if total and complete else None,
        group_cases={g: n if g in counted else None for g, n in entry.group_cases.items()},
        group_patients={g: n if g in counted else None for g, n in entry.group_patients.items()},
        left_out={
            group: small if group in gone else f"fewer than {least} patients with a value"
            for group in groups
            if group in gone or group in entry.left_out
        },
        ranks={
            measure: by_model
            for measure, by_model in entry.ranks.items()
            if (ranked[measure] if measure in ranked else tells(measure))
        },
    )


def _scores(
    scores: ModelScores, told: set[str], total: bool, tells: Callable[[str], bool]
) -> ModelScores:
    worst = tells(WORST_GROUP_MEAN)
    return ModelScores(
        overall_mean=rounded(scores.overall_mean) if total else math.nan,
        overall_interval=rounded_interval(scores.overall_interval) if total else NO_INTERVAL,
        group_means={
            g: rounded(mean) if g in told else math.nan for g, mean in scores.group_means.items()
        },
        group_intervals={
            g: rounded_interval(limits) if g in told else NO_INTERVAL
            for g, limits in scores.group_intervals.items()
        },
        worst_group=scores.worst_group if worst else "",
        worst_group_mean=rounded(scores.worst_group_mean) if worst else math.nan,
        gaps={
            measure: (rounded(value), rounded_interval(limits))
            for measure, (value, limits) in scores.gaps.items()
            if tells(measure)
        },
    )


def _differences(
    found: ModelDifferences, told: set[str], total: bool, tells: Callable[[str], bool]
) -> ModelDifferences:
    return ModelDifferences(
        overall=_difference(found.overall) if total else _NOTHING,
        groups={g: _difference(d) if g in told else _NOTHING for g, d in found.groups.items()},
        worst_group=_difference(found.worst_group) if tells(WORST_GROUP_MEAN) else _NOTHING,
        gaps={measure: _difference(d) for measure, d in found.gaps.items() if tells(measure)},
    )


def _difference(found: Difference) -> Difference:
    return Difference(
        rounded(found.value),
        rounded_interval(found.interval),
        None if found.p_value is None else rounded(found.p_value),
        None if found.corrected_p is None else rounded(found.corrected_p),
    )
