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
from nnunetv2_fair.report.html.downloads import Downloads
from nnunetv2_fair.report.html.markup import Html
from nnunetv2_fair.report.html.templating import render
from nnunetv2_fair.report.html.terms import Terms
from nnunetv2_fair.report.html.titles import metric_heading
from nnunetv2_fair.report.of_evaluation.differences import in_words
from nnunetv2_fair.report.of_evaluation.exported import pair_numbers, subgroup_numbers
from nnunetv2_fair.report.of_evaluation.heat_grid import (
    NO_CASES,
    HeatCell,
    HeatScale,
    heat_grid,
)
from nnunetv2_fair.report.of_evaluation.heatmap import scale_of

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
    worse: bool
    divergence: str
    shrunken: str
    support: str
    bars: Sequence[_Bar]


@dataclass(frozen=True)
class _Side:
    """The subgroups that are worse than all, or those that are better."""

    title: str
    rows: Sequence[_Row]


def discovery_section(result: EvaluationResult, terms: Terms, downloads: Downloads) -> Html:
    """Return the section of discovered subgroups; empty if none were searched for."""
    found = result.discovery
    if found is None:
        return Html("")
    metric = result.metric(found.metric)
    level = confidence(result.settings)
    rows = _rows(found, metric, level)
    shared = {"found": found, "metric": metric, "heading": metric_heading(metric), "terms": terms}
    groups = render("report/of_evaluation/templates/subgroups.html", sides=_sides(rows), **shared)
    claims = [finding for finding in result.findings if finding.kind == "subgroup"]
    return render(
        "report/of_evaluation/templates/discovered.html",
        anchor=ANCHOR,
        label=label_words(found.label),
        counted="cases" if result.settings.get("unit") == "case" else "patients",
        min_support=numbers.percent(round(found.min_support, 4)),
        table=downloads.table(
            ("discovered", "subgroups"),
            f"Discovered subgroups in {metric_heading(metric)}",
            groups,
            subgroup_numbers(found, metric),
        )
        if rows
        else "",
        claims=[headline(claim, metric) for claim in claims],
        error_rate=error_rate(level),
        heatmaps=[(pair, _heatmap(result, metric, pair, downloads)) for pair in found.heatmaps],
        **shared,
    )


def _rows(found: Discovery, metric: MetricInfo, level: float) -> list[_Row]:
    largest = max((abs(v) for s in found.subgroups for v in s.contributions.values()), default=0.0)
    rows = []
    for subgroup in found.subgroups:
        told = subgroup.confirmation if found.n_held_out > 0 else None
        divergence = subgroup.divergence if told is None else told.divergence
        # without a value of its own in the held-out half, the search tells the side
        side = subgroup.divergence if math.isnan(divergence) else divergence
        worse = _disadvantage(side, metric) > 0
        rows.append(
            _Row(
                subgroup,
                # NaN does not count
                subgroup.deciding_p < 1 - level,
                worse,
                in_words(_disadvantage(divergence, metric), metric.unit),
                in_words(_disadvantage(subgroup.shrunken_divergence, metric), metric.unit),
                numbers.percent(round(subgroup.support, 3)),
                [
                    _bar(attribute, amount, metric, largest)
                    for attribute, amount in subgroup.contributions.items()
                ],
            )
        )
    return rows


def _disadvantage(divergence: float, metric: MetricInfo) -> float:
    """Return how much worse than all a divergence is."""
    return -divergence if metric.better == "higher" else divergence


def _sides(rows: Sequence[_Row]) -> list[_Side]:
    sides = [
        _Side("Segmented worse than all", [row for row in rows if row.worse]),
        _Side("Segmented better than all", [row for row in rows if not row.worse]),
    ]
    return [side for side in sides if side.rows]


def _bar(attribute: str, amount: float, metric: MetricInfo, largest: float) -> _Bar:
    worse = _disadvantage(amount, metric) > 0
    share = abs(amount) / largest if largest > 0 else 0.0
    written = in_words(_disadvantage(amount, metric), metric.unit)
    return _Bar("worse" if worse else "better", share, written, attribute)


def _heatmap(
    result: EvaluationResult, metric: MetricInfo, pair: PairHeatmap, downloads: Downloads
) -> Html:
    scale = scale_of(result, metric)
    cells = [
        [
            _cell(scale, mean, patients)
            for mean, patients in zip(row, counts, strict=True)
        ]
        for row, counts in zip(pair.mean, pair.n_patients, strict=True)
    ]  # fmt: skip
    about = ["Rows ", Data(pair.rows), ", columns ", Data(pair.columns),
             f". Mean {metric_heading(metric)}; n counts patients."]  # fmt: skip
    grid = heat_grid(scale, pair.row_groups, pair.column_groups, cells, about)
    title = f"Mean {metric_heading(metric)} by {pair.rows} and {pair.columns}"
    name = ("discovered", metric.name, "by", pair.rows, pair.columns)
    return downloads.figure(name, title, grid, pair_numbers(pair, metric))


def _cell(scale: HeatScale, mean: float, patients: int) -> HeatCell:
    if not patients:
        return NO_CASES
    size = f"n = {patients:,}"
    if math.isnan(mean):
        return HeatCell(numbers.UNDEFINED, (size, "too few patients"), kind="none")
    return HeatCell(numbers.with_unit(mean, scale.metric.unit), (size,), scale.share(mean))
