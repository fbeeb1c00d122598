"""What of an evaluation may be shown to people who may not see single persons.

A shareable result is made of what is listed here; whatever a result may hold besides is left out.
"""

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pandas as pd

from nnunetv2_fair.errors import EvaluationError
from nnunetv2_fair.evaluation.disclosure.suppression import (
    FEWEST,
    Groups,
    Suppression,
    find_suppression,
)
from nnunetv2_fair.evaluation.results.evaluation import EvaluationResult, Exclusion
from nnunetv2_fair.evaluation.results.groups import (
    Comparison,
    Gap,
    GroupStatistics,
    GroupTest,
    PairEffect,
)
from nnunetv2_fair.evaluation.results.per_case import evaluated_rows, metric_values, no_cases
from nnunetv2_fair.evaluation.results.values import Interval

#: Decimals of all values: exact ones would tell how many people they are the mean of.
DECIMALS = 3

#: Fairness measures that are functions of medians, which do not add up to anything.
OF_MEDIANS = frozenset({"fairness_gap", "ser"})

#: Settings that tell of no file and no person.
SETTINGS = (
    "metrics", "tolerance", "empty_distance", "unit", "min_patients", "bootstrap", "confidence",
    "seed", "regions", "ignore_label", "groups", "reference_groups",
)  # fmt: skip

SMALL = f"fewer than {FEWEST} patients"
CLOSED = "not told, because it would tell of groups with fewer than " + f"{FEWEST} patients"

_NO_VALUE = math.nan
_NO_INTERVAL = Interval(math.nan, math.nan)


def shareable(result: EvaluationResult) -> EvaluationResult:
    """Return what of a result can be shared: nothing in it tells of fewer than five patients.

    There are no cases, no pictures to be made, no names of files and folders. Of groups with fewer
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
    pattern_of = _patterns(result, rows, headline)
    tells = teller(result)
    return EvaluationResult(
        name=result.name,
        per_case=no_cases(result.attributes, result.metrics),
        metrics=result.metrics,
        labels=result.labels,
        attributes=result.attributes,
        comparisons=tuple(
            _comparison(c, pattern_of(c), pattern_of(None), result) for c in result.comparisons
        ),
        exclusions=tuple(Exclusion(e.reason, (), {}) for e in result.exclusions if tells(e.reason)),
        notes=(*filter(tells, result.notes), *_notes(result)),
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


def patients_enough_to_share(headline: pd.DataFrame) -> int:
    """Return the number of patients of these rows.

    Raises:
        EvaluationError: If there are fewer than five.
    """
    n_patients = int(headline["patient"].nunique())
    if n_patients < FEWEST:
        raise EvaluationError(
            f"Only {n_patients} patients were evaluated, and a shareable result tells nothing of "
            f"fewer than {FEWEST}. Leave out --shareable, and keep the result to yourself."
        )
    return n_patients


def _patterns(
    result: EvaluationResult, rows: pd.DataFrame, headline: pd.DataFrame
) -> Callable[[Comparison | None], Suppression | None]:
    """Return a function that says what must not be told of a comparison (None: of counts).

    It returns None if nothing may be told, for there are values of too few patients.
    """
    patterns = Patterns(result, headline)

    def pattern(comparison: Comparison | None) -> Suppression | None:
        if comparison is None:
            return patterns.counts
        values, _ = metric_values(
            rows,
            result.metric(comparison.metric),
            comparison.label,
            result.labels,
            result.settings.get("empty_distance", "diagonal"),
        )
        return patterns.of(~pd.isna(values))

    return pattern


class Patterns:
    """What must not be told of the groups of an evaluation, whichever cases have a value.

    Attributes:
        counts: What must not be told of the counts of all cases.
    """

    def __init__(self, result: EvaluationResult, headline: pd.DataFrame) -> None:
        """Find what must not be told of all cases.

        Args:
            result: The evaluation.
            headline: Its evaluated rows of one label, with an index from 0.
        """
        self._groups = {a: _groups_of(result, a) for a in result.attributes}
        self._everyone = headline[["patient", *result.attributes]].fillna("")
        self.counts = find_suppression(self._everyone, self._groups)
        self._found: dict[bytes, Suppression | None] = {}

    def of(self, defined: np.ndarray) -> Suppression | None:
        """Return what must not be told of values that some cases have.

        Args:
            defined: (cases,) whether there is a value.

        Returns:
            None if nothing may be told, for there are values of too few patients.
        """
        if defined.all():
            return self.counts
        key = defined.tobytes()
        if key not in self._found:
            people = self._everyone[defined]
            self._found[key] = (
                None
                if people["patient"].nunique() < FEWEST
                else self.counts | find_suppression(people, self._groups)
            )
        return self._found[key]


def _groups_of(result: EvaluationResult, attribute: str) -> Groups | None:
    """Return the groups of an expression with their levels; None unless all of them are known."""
    names = next(c.groups for c in result.comparisons if c.attribute == attribute)
    parts = result.parts_of(attribute)
    if parts is None or not all(parts.get(name) for name in names):
        return None
    return {name: parts[name] for name in names}


def teller(result: EvaluationResult) -> Callable[[str], bool]:
    """Return whether a sentence may be shown: it has no number, and names no case or patient."""
    frame = result.per_case
    names = {str(name) for column in ("case", "patient") for name in frame[column].unique()}

    def may_be_told(sentence: str) -> bool:
        if any(character.isdigit() for character in sentence):
            return False
        return not any(name and name in sentence for name in names)

    return may_be_told


def _notes(result: EvaluationResult) -> list[str]:
    made = [
        f"This is a shareable result: of groups with fewer than {FEWEST} patients it tells neither "
        "counts nor values, and of some others no counts and means, because those of the small "
        "groups could be worked out from them. Values are rounded."
    ]
    if result.discovery is not None or result.preset_tables:
        made.append("Discovered subgroups and tables in the form of papers are not shared.")
    return made


def _comparison(
    comparison: Comparison,
    pattern: Suppression | None,
    counts: Suppression | None,
    result: EvaluationResult,
) -> Comparison:
    """Return what may be told of a comparison.

    Args:
        comparison: As it was made.
        pattern: What must not be told of its values; None: nothing may be told.
        counts: What must not be told of its counts.
        result: All of it.
    """
    attribute = comparison.attribute
    least = max(FEWEST, int(result.settings.get("min_patients", FEWEST)))
    if pattern is None or counts is None or attribute in pattern.closed:
        reason = SMALL if pattern is None else CLOSED
        told = pattern is not None and pattern.tells_total_of(attribute)
        return replace(
            comparison,
            overall=_statistics(comparison.overall, told, told, False) if told else _NOTHING,
            groups=dict.fromkeys(comparison.groups, _NOTHING),
            left_out=dict.fromkeys(comparison.groups, reason),
            gaps=(),
            test=None,
            effects=(),
        )
    gone = {g for g in comparison.groups if pattern.tells_nothing_of(attribute, g)}
    partly = {g for g in comparison.groups if not pattern.tells_counts_of(attribute, g)} - gone
    every = [*comparison.groups.values(), comparison.overall]
    complete = not any(g.n_undefined or g.n_replaced for g in every)
    left_out = {
        group: SMALL if group in gone else f"fewer than {least} patients with a value"
        for group in comparison.groups
        if group in gone or group in comparison.left_out
    }
    compared = set(comparison.groups) - set(comparison.left_out)
    return replace(
        comparison,
        overall=_statistics(
            comparison.overall,
            counts.tells_total_of(attribute),
            pattern.tells_total_of(attribute),
            complete,
        ),
        groups={
            name: _NOTHING
            if name in gone
            else _statistics(
                group, counts.tells_counts_of(attribute, name), name not in partly, complete
            )
            for name, group in comparison.groups.items()
        },
        left_out=left_out,
        gaps=tuple(
            _gap(gap)
            for gap in comparison.gaps
            if not gone & set(gap.between)
            and (gap.name in OF_MEDIANS or not partly & set(gap.between))
        ),
        test=_test(comparison.test, compared, gone, partly),
        effects=tuple(_effect(e) for e in comparison.effects if not (gone | partly) & {*e.between}),
    )


_NOTHING = GroupStatistics(
    None, None, None, None,
    _NO_VALUE, _NO_VALUE, _NO_VALUE, _NO_VALUE, _NO_VALUE, _NO_INTERVAL, _NO_INTERVAL,
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
    )


def _test(
    test: GroupTest | None, compared: set[str], gone: set[str], partly: set[str]
) -> GroupTest | None:
    if test is None or gone & compared:
        return None
    return replace(
        test,
        # U and p together tell how large the groups are
        statistic=_NO_VALUE if partly & compared else rounded(test.statistic),
        p_value=rounded(test.p_value),
        corrected_p=rounded(test.corrected_p),
    )


def _gap(gap: Gap) -> Gap:
    return replace(gap, value=rounded(gap.value), interval=rounded_interval(gap.interval))


def _effect(effect: PairEffect) -> PairEffect:
    return replace(
        effect,
        cliffs_delta=rounded(effect.cliffs_delta),
        interval=rounded_interval(effect.interval),
        detectable_gap=rounded(effect.detectable_gap),
    )


def rounded_interval(limits: Interval) -> Interval:
    """Return an interval as it may be told."""
    return Interval(rounded(limits.low), rounded(limits.high))


def rounded(value: float) -> float:
    """Return a value as it may be told."""
    return round(float(value), DECIMALS)
