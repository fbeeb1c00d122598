"""The table of all methods by one attribute: values, intervals, ranks."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from nnunetv2_fair.evaluation.findings import numbers
from nnunetv2_fair.evaluation.findings.wording import confidence, label_words
from nnunetv2_fair.evaluation.results.comparison import (
    BETWEEN_GROUPS,
    HIGHER_IS_FAIRER,
    OVERALL_MEAN,
    WORST_GROUP_MEAN,
    RankRange,
)
from nnunetv2_fair.evaluation.results.evaluation import EvaluationResult
from nnunetv2_fair.evaluation.results.values import Interval, MetricInfo
from nnunetv2_fair.report.drawing.numbers_table import Cell, Numbers, interval_columns, with_ends
from nnunetv2_fair.report.html.markup import Html
from nnunetv2_fair.report.html.templating import render
from nnunetv2_fair.report.html.terms import Terms
from nnunetv2_fair.report.html.titles import measure_title, metric_heading
from nnunetv2_fair.study.index.rankings_csv import RANKINGS_CSV
from nnunetv2_fair.study.index.results import Score

#: What methods are judged by. Signed gaps of medians are left to the reports and the CSV file.
_COLUMNS = (OVERALL_MEAN, WORST_GROUP_MEAN, BETWEEN_GROUPS)

#: What only describes.
_FURTHER = ("delta", "ser", "es_std")


@dataclass(frozen=True)
class _Column:
    """A heading: key of its definition, title, and which values are better."""

    term: str
    title: str
    better: str = ""


@dataclass(frozen=True)
class _Cell:
    value: float
    unit: str
    interval: Interval
    best: bool
    group: str
    rank: str


def scores_table(
    scores: Mapping[str, Mapping[str, Score]],
    result: EvaluationResult,
    attribute: str,
    label: str,
    terms: Terms,
    *,
    ranked: bool,
) -> Html:
    """Return the table of all methods, with the ranks that they can have.

    Args:
        scores: Method -> measure -> value.
        result: The first evaluation, which says what was measured.
        attribute: Attribute expression.
        label: Label or region.
        terms: Definitions to link to.
        ranked: Whether there is a comparison, so that methods have ranks.
    """
    metric = result.metrics[0]
    found = {m for by_measure in scores.values() for m in by_measure}

    def columns(measures: Sequence[str]) -> list[_Column]:
        return [_column(measure, metric) for measure in measures if measure in found]

    def rows(measures: Sequence[str]) -> list[tuple[str, list[_Cell | None]]]:
        shown = [measure for measure in measures if measure in found]
        return [
            (trainer, [_cell(by_measure.get(measure), metric) for measure in shown])
            for trainer, by_measure in scores.items()
        ]

    return render(
        "study/index/templates/scores.html",
        attribute=attribute,
        heading=metric_heading(metric),
        label=label_words(label),
        level=numbers.percent(confidence(result.settings)),
        ranked=ranked,
        rankings_csv=RANKINGS_CSV,
        columns=columns(_COLUMNS),
        rows=rows(_COLUMNS),
        further_columns=columns(_FURTHER),
        further_rows=rows(_FURTHER),
        terms=terms,
    )


def score_numbers(scores: Mapping[str, Mapping[str, Score]], metric: MetricInfo) -> Numbers:
    """Return the values of all methods by the metric, in full precision: one per row."""
    rows: list[tuple[Cell, ...]] = []
    for method, by_measure in scores.items():
        for measure, score in by_measure.items():
            ranks = score.ranks
            places = (None, None) if ranks is None else (ranks.first, ranks.last)
            unit = numbers.measure_unit(measure, metric)
            ends = with_ends(score.value, score.interval)
            rows.append((method, metric.name, measure, score.group, unit, *ends, *places))
    columns = ("method", "metric", "measure", "group", "unit", *interval_columns("value"),
               "first_rank", "last_rank")  # fmt: skip
    return Numbers(columns, tuple(rows))


def _column(measure: str, metric: MetricInfo) -> _Column:
    if measure == OVERALL_MEAN:
        return _Column("", "Mean", f"{metric.better} is better")
    if measure == WORST_GROUP_MEAN:
        return _Column("worst_group", "Worst group")
    if measure == BETWEEN_GROUPS:
        return _Column(measure, measure_title(measure), "lower is fairer")
    better = "higher is fairer" if measure in HIGHER_IS_FAIRER else ""
    return _Column(measure, measure_title(measure), better)


def _cell(score: Score | None, metric: MetricInfo) -> _Cell | None:
    if score is None or math.isnan(score.value):
        return None
    ranks = score.ranks
    return _Cell(
        score.value,
        numbers.measure_unit(score.measure, metric),
        score.interval,
        best=ranks is not None and ranks.first == 1 and ranks.last < score.n_ranked,
        group=score.group if score.measure == WORST_GROUP_MEAN else "",
        rank=_rank(ranks, score.n_ranked) if ranks is not None else "",
    )


def _rank(ranks: RankRange, count: int) -> str:
    if (ranks.first, ranks.last) == (1, count):
        return "any rank"
    if ranks.first == ranks.last:
        return f"rank {ranks.first} of {count}"
    return f"rank {ranks.first} to {ranks.last} of {count}"
