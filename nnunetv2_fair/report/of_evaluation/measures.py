"""The rows of a group table that compare its groups: measures, effect sizes, tests."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeGuard

from nnunetv2_fair.evaluation.findings import numbers
from nnunetv2_fair.evaluation.findings.group_differences import FAIRNESS_GAP
from nnunetv2_fair.evaluation.results.evaluation import EvaluationResult
from nnunetv2_fair.evaluation.results.groups import Comparison, Gap, GroupTest, PairEffect
from nnunetv2_fair.evaluation.results.values import MetricInfo
from nnunetv2_fair.report.html.cells import WHY_HIDDEN
from nnunetv2_fair.report.html.titles import MEASURES, measure_title

#: What verdicts rest on besides the differences: shown at once, while the others are folded.
FIRST_MEASURES = ("test",)

_TOO_FEW_GROUPS = "fewer than two groups are large enough"


@dataclass(frozen=True)
class MeasureCell:
    """One value, or why there is none.

    Attributes:
        text: The value; empty if there is none.
        small: Small print below it, such as its interval.
        bold: Whether its interval excludes zero.
        chance: Small print below that: what it is by chance, and its p-value.
        reason: Why there is none.
    """

    text: str
    small: str = ""
    bold: bool = False
    reason: str = ""
    chance: str = ""


@dataclass(frozen=True)
class MeasureRow:
    """One measure, with a cell per metric.

    Attributes:
        term: Key of the definition.
        title: What is measured.
        between: The two groups of a difference; empty if it is about all groups.
        small_term: Key of the definition of ``small_title``.
        small_title: Small print below the title.
        cells: A cell per metric.
    """

    term: str
    title: str
    between: tuple[str, ...]
    cells: Sequence[MeasureCell]
    small_term: str = ""
    small_title: str = ""


def measure_rows(
    result: EvaluationResult, made: Sequence[tuple[MetricInfo, Comparison]]
) -> list[MeasureRow]:
    """Return the rows of fairness measures, effect sizes and tests, a column per metric.

    Differences of the medians are told by :mod:`.differences` instead.
    """
    missing = WHY_HIDDEN if result.shareable else ""
    rows = []
    for measure in _computed(made):
        cells = [_measure_cell(metric, c, measure, missing) for metric, c in made]
        chance = any(cell.chance for cell in cells)
        rows.append(
            MeasureRow(
                measure,
                measure_title(measure),
                (),
                cells,
                small_term="by_chance" if chance else "",
                small_title="below: its interval, and what it is by chance" if chance else "",
            )
        )
    for between in dict.fromkeys(e.between for _, c in made for e in c.effects):
        effects = [(metric, _effect(c, between)) for metric, c in made]
        cells = [_delta_cell(effect, missing) for _, effect in effects]
        rows.append(MeasureRow("cliffs_delta", measure_title("cliffs_delta"), between, cells))
        cells = [_detectable_cell(metric, effect, missing) for metric, effect in effects]
        rows.append(MeasureRow("detectable_gap", measure_title("detectable_gap"), between, cells))
    names = dict.fromkeys(c.test.name for _, c in made if c.test is not None)
    if names:
        corrected = any(is_corrected(c.test) for _, c in made)
        rows.append(
            MeasureRow(
                "test",
                f"Test: {' / '.join(names)}",
                (),
                [_test_cell(c.test, missing) for _, c in made],
                small_term="corrected_p",
                small_title="below: corrected" if corrected else "",
            )
        )
    return rows


def _computed(
    made: Sequence[tuple[MetricInfo, Comparison]],
) -> list[str]:
    """Return the measures that have a value by any metric, in the order of their titles."""
    found = [
        g.name
        for _, c in made
        for g in c.gaps
        if not math.isnan(g.value) and g.name != FAIRNESS_GAP
    ]
    order = {measure: position for position, measure in enumerate(MEASURES)}
    return sorted(dict.fromkeys(found), key=lambda name: order.get(name, len(order)))


def _measure_cell(
    metric: MetricInfo, comparison: Comparison, measure: str, missing: str
) -> MeasureCell:
    found = comparison.gap(measure)
    if found is None:
        reason = "not defined for distances" if metric.unit else missing or _TOO_FEW_GROUPS
        return MeasureCell("", reason=reason)
    if math.isnan(found.value):
        return MeasureCell("", reason="not computable")
    unit = numbers.measure_unit(measure, metric)
    return MeasureCell(
        numbers.number(found.value, unit),
        numbers.interval(found.interval, unit),
        chance=_chance(found, unit),
    )


def _chance(gap: Gap, unit: str) -> str:
    """Say what a measure is if no group differs, and how often it is as bad."""
    if math.isnan(gap.p_value):
        return ""
    words = f"by chance {numbers.number(gap.by_chance, unit)}, {numbers.p_value(gap.p_value)}"
    if math.isnan(gap.corrected_p) or gap.corrected_p == gap.p_value:
        return words
    return f"{words} (corrected: {numbers.p_value(gap.corrected_p)})"


def is_corrected(test: GroupTest | None) -> TypeGuard[GroupTest]:
    """Return whether a test is one of several, and has a corrected p-value."""
    return test is not None and test.family_size > 1 and not math.isnan(test.corrected_p)


def _test_cell(test: GroupTest | None, missing: str) -> MeasureCell:
    if test is None:
        return MeasureCell("", reason=missing or _TOO_FEW_GROUPS)
    if math.isnan(test.p_value):
        return MeasureCell("", reason=test.reason or missing or "not computable")
    corrected = ""
    if is_corrected(test):
        tests = numbers.count(test.family_size, "test")
        corrected = f"{numbers.p_value(test.corrected_p)} for {tests}"
    return MeasureCell(numbers.p_value(test.p_value), corrected)


def _effect(comparison: Comparison, between: tuple[str, str]) -> PairEffect | None:
    return next((e for e in comparison.effects if e.between == between), None)


def _delta_cell(effect: PairEffect | None, missing: str) -> MeasureCell:
    if effect is None or math.isnan(effect.cliffs_delta):
        return MeasureCell("", reason=missing or "not computable")
    return MeasureCell(
        numbers.number(effect.cliffs_delta, signed=True),
        numbers.interval(effect.interval, signed=True),
        numbers.excludes_zero(effect.interval),
    )


def _detectable_cell(metric: MetricInfo, effect: PairEffect | None, missing: str) -> MeasureCell:
    if effect is None or math.isnan(effect.detectable_gap):
        return MeasureCell("", reason=missing or "not computable")
    half = effect.detectable_gap_half
    small = "" if math.isnan(half) else f"{numbers.number(half, metric.unit)} with 50% probability"
    return MeasureCell(numbers.number(effect.detectable_gap, metric.unit), small)
