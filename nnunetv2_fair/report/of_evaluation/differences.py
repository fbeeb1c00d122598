"""How much worse or better the groups are than one of them, or than each other.

A difference is told in words (``0.045 worse``) instead of a sign whose meaning depends on the
metric and on which group was subtracted.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from nnunetv2_fair.evaluation.findings import numbers
from nnunetv2_fair.evaluation.findings.group_differences import deciding_interval, fairness_gaps
from nnunetv2_fair.evaluation.results.evaluation import EvaluationResult
from nnunetv2_fair.evaluation.results.findings import Finding
from nnunetv2_fair.evaluation.results.groups import Comparison
from nnunetv2_fair.evaluation.results.values import NO_INTERVAL, Interval, MetricInfo
from nnunetv2_fair.report.drawing.numbers_table import Cell, Numbers

#: Most groups of which every pair is shown.
MOST_IN_MATRIX = 12


@dataclass(frozen=True)
class Disadvantage:
    """How much worse the median of a group is than that of a reference; negative: better.

    Attributes:
        value: In the unit of the metric; NaN if one of the medians is undefined or hidden.
        interval: The interval that decides; NaN if none was computed for this pair.
        unit: Unit of both.
    """

    value: float
    interval: Interval
    unit: str

    @property
    def words(self) -> str:
        """The difference in words: ``0.045 worse``."""
        return in_words(self.value, self.unit)

    @property
    def interval_words(self) -> str:
        """The interval in words: ``0.010 to 0.070``, or ``0.010 better to 0.070 worse``.

        The side is told where it is not that of the value. Empty if there is no interval.
        """
        low, high = self.interval.low, self.interval.high
        if math.isnan(low) or math.isnan(high):
            return ""
        if low >= 0 or high <= 0:
            near, far = sorted((abs(low), abs(high)))
            written = numbers.interval(Interval(near, far), self.unit)
            if not self.certain and numbers.is_zero(far, self.unit):
                return written  # nothing but zeros
            if (self.value >= 0 and low >= 0) or (self.value <= 0 and high <= 0):
                return written
            return f"{written} {'worse' if low >= 0 else 'better'}"
        return f"{in_words(low, self.unit)} to {in_words(high, self.unit)}"

    @property
    def certain(self) -> bool:
        """Whether the interval excludes zero."""
        return numbers.excludes_zero(self.interval)


def in_words(value: float, unit: str) -> str:
    """Return how much worse (positive) or better something is."""
    size = numbers.number(abs(value), unit)
    if math.isnan(value) or numbers.is_zero(value, unit):
        return size
    return f"{size} {'worse' if value > 0 else 'better'}"


def disadvantage(
    comparison: Comparison, metric: MetricInfo, reference: str, group: str
) -> Disadvantage:
    """Return how much worse a group is than a reference.

    Args:
        comparison: The comparison.
        metric: Its metric.
        reference: Any group.
        group: Another one.
    """
    for gap in fairness_gaps(comparison):
        limits = deciding_interval(gap)
        if gap.between == (reference, group):
            return of_difference(gap.value, limits, metric)
        if gap.between == (group, reference):
            return of_difference(-gap.value, limits.mirrored, metric)
    one, other = (comparison.groups[name].median for name in (reference, group))
    return of_difference(one - other, NO_INTERVAL, metric)


def of_difference(value: float, limits: Interval, metric: MetricInfo) -> Disadvantage:
    """Return the disadvantage that a difference, reference minus other group, stands for.

    Args:
        value: The difference.
        limits: Its interval.
        metric: Its metric.
    """
    if metric.better == "higher":
        return Disadvantage(value, limits, metric.unit)
    return Disadvantage(-value, limits.mirrored, metric.unit)


def compared_groups(comparison: Comparison) -> list[str]:
    """Return the groups that are large enough and have a median."""
    return [
        name
        for name, group in comparison.groups.items()
        if name not in comparison.left_out and not math.isnan(group.median)
    ]


def usual_reference(comparison: Comparison) -> str:
    """Return the group that intervals were computed against; empty if there is none."""
    return next((gap.between[0] for gap in fairness_gaps(comparison) if gap.between), "")


def worst_and_best(comparison: Comparison, found: Finding) -> tuple[str, str] | None:
    """Return the compared groups with the worst and the best median; None if there are not two.

    Args:
        comparison: The comparison.
        found: What it shows of medians: the order of groups, also of medians that look alike.
    """
    with_median = compared_groups(comparison)
    ordered = [name for name in found.who if name in with_median]
    return (ordered[0], ordered[-1]) if len(ordered) > 1 else None


@dataclass(frozen=True)
class PairCell:
    """What the test of two groups says by one metric.

    Attributes:
        p_value: The corrected p-value, as text.
        delta: Size of Cliff's delta, as text.
        worse: The group that is shown to be worse; empty if none is.
    """

    p_value: str
    delta: str
    worse: str = ""

    @property
    def shown(self) -> bool:
        """Whether a difference is shown."""
        return bool(self.worse)


def pair_rows(
    result: EvaluationResult, made: Sequence[tuple[MetricInfo, Comparison]]
) -> list[tuple[tuple[str, str], list[PairCell | None]]]:
    """Return every two groups that were tested, with a cell per metric; None where they were not.

    Args:
        result: The evaluation, which says which pairs are shown to differ.
        made: Metrics with their comparisons of one attribute and label.
    """
    worse = {
        (f.attribute, f.metric, f.label, f.between): f.who[0]
        for f in result.findings
        if f.kind == "pair_difference"
    }
    cells: dict[tuple[str, str], list[PairCell | None]] = {}
    for column, (metric, comparison) in enumerate(made):
        for pair in comparison.pairs:
            row = cells.setdefault(pair.between, [None] * len(made))
            claimed = (comparison.attribute, metric.name, comparison.label, pair.between)
            row[column] = PairCell(
                numbers.p_value(pair.test.corrected_p),
                numbers.number(abs(pair.cliffs_delta)),
                worse.get(claimed, ""),
            )
    return list(cells.items())


def all_pairs(made: Sequence[tuple[MetricInfo, Comparison]]) -> Numbers:
    """Return how much worse each group is than each other one, by every metric."""
    columns = ["reference", "group"]
    for metric, _ in made:
        columns += [f"worse_by_{metric.column}", f"interval_low_{metric.column}",
                    f"interval_high_{metric.column}"]  # fmt: skip
    names = list(dict.fromkeys(n for _, c in made for n in compared_groups(c)))
    rows: list[tuple[Cell, ...]] = []
    for reference in names:
        for group in names:
            if group == reference:
                continue
            row: list[Cell] = [reference, group]
            for metric, comparison in made:
                found = disadvantage(comparison, metric, reference, group)
                row += [found.value, found.interval.low, found.interval.high]
            rows.append(tuple(row))
    return Numbers(tuple(columns), tuple(rows))
