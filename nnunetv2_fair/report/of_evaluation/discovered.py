"""Subgroups found automatically: which diverge most, and what makes them diverge."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from nnunetv2_fair.evaluation.findings import numbers
from nnunetv2_fair.evaluation.findings.all_findings import headline
from nnunetv2_fair.evaluation.findings.sentences import Data
from nnunetv2_fair.evaluation.findings.subgroups import error_rate
from nnunetv2_fair.evaluation.findings.wording import confidence, label_words
from nnunetv2_fair.evaluation.results.discovery import Discovery, PairHeatmap, Subgroup
from nnunetv2_fair.evaluation.results.evaluation import EvaluationResult
from nnunetv2_fair.evaluation.results.values import MetricInfo
from nnunetv2_fair.report.html.markup import Html
from nnunetv2_fair.report.html.templating import render
from nnunetv2_fair.report.html.terms import Terms
from nnunetv2_fair.report.html.titles import metric_heading
from nnunetv2_fair.report.of_evaluation.heat_grid import (
    NO_CASES,
    HeatCell,
    heat_grid,
    share_of_worst,
)

#: Id of the section.
ANCHOR = "discovery"


@dataclass(frozen=True)
class _Bar:
    """What one attribute contributes; ``share`` of the largest contribution."""

    kind: str
    share: float
    amount: str
    attribute: str


@dataclass(frozen=True)
class _Row:
    subgroup: Subgroup
    sure: bool
    support: str
    bars: Sequence[_Bar]


def discovery_section(result: EvaluationResult, terms: Terms) -> Html:
    """Return the section of discovered subgroups; empty if none were searched for."""
    found = result.discovery
    if found is None:
        return Html("")
    metric = result.metric(found.metric)
    level = confidence(result.settings)
    rows = _rows(found, metric, level)
    claims = [finding for finding in result.findings if finding.kind == "subgroup"]
    return render(
        "report/of_evaluation/templates/discovered.html",
        anchor=ANCHOR,
        found=found,
        metric=metric,
        heading=metric_heading(metric),
        label=label_words(found.label),
        min_support=numbers.percent(round(found.min_support, 4)),
        rows=rows,
        claims=[headline(claim, metric) for claim in claims],
        error_rate=error_rate(level),
        heatmaps=[(pair, _heatmap(metric, pair)) for pair in found.heatmaps],
        terms=terms,
    )


def _rows(found: Discovery, metric: MetricInfo, level: float) -> list[_Row]:
    largest = max((abs(v) for s in found.subgroups for v in s.contributions.values()), default=0.0)
    return [
        _Row(
            subgroup,
            # NaN does not count
            subgroup.deciding_p < 1 - level,
            numbers.percent(round(subgroup.support, 3)),
            [
                _bar(attribute, amount, metric, largest)
                for attribute, amount in subgroup.contributions.items()
            ],
        )
        for subgroup in found.subgroups
    ]


def _bar(attribute: str, amount: float, metric: MetricInfo, largest: float) -> _Bar:
    worse = (amount < 0) == (metric.better == "higher")
    share = abs(amount) / largest if largest > 0 else 0.0
    written = numbers.number(amount, metric.unit, signed=True)
    return _Bar("worse" if worse else "better", share, written, attribute)


def _heatmap(metric: MetricInfo, pair: PairHeatmap) -> Html:
    means = [mean for row in pair.mean for mean in row if math.isfinite(mean)]
    cells = [
        [
            _cell(metric, mean, patients, means)
            for mean, patients in zip(row, counts, strict=True)
        ]
        for row, counts in zip(pair.mean, pair.n_patients, strict=True)
    ]  # fmt: skip
    about = ["Rows ", Data(pair.rows), ", columns ", Data(pair.columns),
             f". Mean {metric_heading(metric)}; n counts patients."]  # fmt: skip
    return heat_grid(metric, pair.row_groups, pair.column_groups, cells, about)


def _cell(metric: MetricInfo, mean: float, patients: int, means: Sequence[float]) -> HeatCell:
    if not patients:
        return NO_CASES
    size = f"n = {patients:,}"
    if math.isnan(mean):
        return HeatCell(numbers.UNDEFINED, (size, "too few patients"), kind="none")
    share = share_of_worst(mean, means, metric)
    return HeatCell(numbers.with_unit(mean, metric.unit), (size,), share)
