"""Subgroups that nobody asked about: which diverge most, and what makes them diverge."""

import math
from collections.abc import Sequence

from nnunetv2_fair.evaluation.results.discovery import (
    Discovery,
    PairHeatmap,
    Subgroup,
)
from nnunetv2_fair.evaluation.results.evaluation import EvaluationResult
from nnunetv2_fair.evaluation.results.values import MetricInfo
from nnunetv2_fair.report.html import numbers
from nnunetv2_fair.report.html.cells import undefined
from nnunetv2_fair.report.html.document import Terms, metric_heading
from nnunetv2_fair.report.html.markup import Html, element, join, name, sentence
from nnunetv2_fair.report.of_evaluation.findings import confidence, label_words
from nnunetv2_fair.report.of_evaluation.heatmap import grid, share_of_worst

#: Id of the section.
ANCHOR = "discovery"

_CORRECTIONS = {
    "holm": "Holm's method (no false finding at all)",
    "fdr": "Benjamini and Hochberg's method (few false findings among these)",
}


def discovery_section(result: EvaluationResult, terms: Terms) -> Html:
    """Return the section of discovered subgroups; empty if none were searched for."""
    found = result.discovery
    if found is None:
        return Html("")
    metric = result.metric(found.metric)
    level = confidence(result.settings)
    maps = [_heatmap(metric, pair) for pair in found.heatmaps]
    return element(
        "section",
        element("h2", "Discovered subgroups"),
        element("p", *_lead(found, metric), class_="lead"),
        element("div", *_subgroups(found, metric, level, terms), class_="card"),
        element("h3", "Pairs of attributes") if maps else "",
        *maps,
        id=ANCHOR,
    )


def _lead(found: Discovery, metric: MetricInfo) -> list[object]:
    pieces: list[object] = [
        f"All combinations of the groups of {numbers.count(len(found.attributes), 'attribute')} (",
    ]
    for position, attribute in enumerate(found.attributes):
        pieces += [", "] * bool(position) + [name(attribute)]
    pieces.append(
        f") with at least {numbers.percent(round(found.min_support, 4))} of the "
        f"{found.n_units:,} units were searched: {found.n_searched:,} subgroups. A divergence is "
        f"the subgroup's mean {metric.title} minus that of all, "
        f"{numbers.with_unit(found.overall, metric.unit)} ("
    )
    return [*pieces, sentence(label_words(found.label)), ")."]


def _subgroups(found: Discovery, metric: MetricInfo, level: float, terms: Terms) -> list[Html]:
    if not found.subgroups:
        return [element("p", "No subgroup is large enough to be searched.")]
    significant = sum(_is_sure(subgroup, level) for subgroup in found.subgroups)
    remark = (
        f"{significant} of these differ from everybody else by more than chance explains."
        if significant
        else "None of these differs from everybody else by more than chance explains."
    )
    remark += (
        f" p-values of {found.n_tests:,} tests are corrected by {_CORRECTIONS[found.correction]}. "
        f"{numbers.count(found.n_redundant, 'subgroup')} left out because a part of them says the "
        "same."
    )
    heads = (
        ("Subgroup", ""), ("Cases", ""), ("Patients", ""), (metric_heading(metric), metric.name),
        ("Divergence", "divergence"), ("Welch's t", "welch_t"), ("p, corrected", "corrected_p"),
        ("What makes it", "contribution"),
    )  # fmt: skip
    head = element(
        "tr",
        *[
            element("th", terms.link(key, title), scope="col",
                    class_="count" if title in ("Cases", "Patients") else None)
            for title, key in heads
        ],
    )  # fmt: skip
    largest = max(
        (abs(v) for s in found.subgroups for v in s.contributions.values()), default=math.nan
    )
    rows = [_row(subgroup, metric, level, largest) for subgroup in found.subgroups]
    caption = element(
        "caption", "Most divergent first, those that chance could explain last; ",
        element("span", class_="bar worse"), " makes it worse, ",
        element("span", class_="bar better"), " makes it better",
    )  # fmt: skip
    table = element("table", caption, element("thead", head), element("tbody", *rows))
    return [
        element("div", table, class_="scroll", tabindex="0", role="region",
                aria_label="Discovered subgroups"),
        element("p", remark, class_="hint"),
    ]  # fmt: skip


def _row(subgroup: Subgroup, metric: MetricInfo, level: float, largest: float) -> Html:
    items: list[object] = []
    for position, (attribute, group) in enumerate(subgroup.items.items()):
        items += [element("br")] * bool(position)
        items += [name(attribute), ": ", name(group)]
    sure = _is_sure(subgroup, level)
    divergence = numbers.number(subgroup.divergence, metric.unit, signed=True)
    return element(
        "tr",
        element("th", *items, scope="row"),
        element("td", f"{subgroup.n_cases:,}", class_="count"),
        element("td", f"{subgroup.n_patients:,}",
                element("small", numbers.percent(round(subgroup.support, 3))), class_="count"),
        element("td", numbers.number(subgroup.mean, metric.unit), class_="value"),
        element("td", element("strong", divergence) if sure else divergence, class_="value"),
        element("td", _or_dash(subgroup.t), class_="value"),
        element("td", _p(subgroup), class_="value"),
        element("td", *_contributions(subgroup, metric, largest), class_="contributions"),
        class_=None if sure else "small",
    )  # fmt: skip


def _is_sure(subgroup: Subgroup, level: float) -> bool:
    """Return whether a subgroup diverges by more than chance explains; NaN is not sure."""
    return subgroup.corrected_p < 1 - level


def _or_dash(value: float) -> Html:
    if math.isnan(value):
        return undefined("one side is a single unit")
    return join([numbers.number(value, "t", signed=True)])


def _p(subgroup: Subgroup) -> Html:
    if math.isnan(subgroup.corrected_p):
        return undefined("one side is a single unit")
    return join([numbers.p_value(subgroup.corrected_p)])


def _contributions(subgroup: Subgroup, metric: MetricInfo, largest: float) -> list[Html]:
    lines = []
    for attribute, amount in subgroup.contributions.items():
        worse = (amount < 0) == (metric.better == "higher")
        share = abs(amount) / largest if largest > 0 else 0.0
        lines.append(
            element(
                "span",
                element("span", class_=f"bar {'worse' if worse else 'better'}",
                        style=f"--share:{share:.2f}"),
                f"{numbers.number(amount, metric.unit, signed=True)} ",
                name(attribute),
            )
        )  # fmt: skip
    return lines


def _heatmap(metric: MetricInfo, pair: PairHeatmap) -> Html:
    means = [mean for row in pair.mean for mean in row if math.isfinite(mean)]
    cells = [
        [
            _cell(metric, mean, patients, means)
            for mean, patients in zip(row, counts, strict=True)
        ]
        for row, counts in zip(pair.mean, pair.n_patients, strict=True)
    ]  # fmt: skip
    title = element("span", name(pair.rows), " and ", name(pair.columns))
    about = join(["Rows ", name(pair.rows), ", columns ", name(pair.columns),
                  f". Mean {metric_heading(metric)}; n counts patients."])  # fmt: skip
    shown = grid(metric, pair.row_groups, pair.column_groups, cells, about)
    return element("details", element("summary", title), element("div", shown, class_="card"))


def _cell(metric: MetricInfo, mean: float, patients: int, means: Sequence[float]) -> Html:
    if not patients:
        return element("td", "no cases", class_="none")
    small = element("small", f"n = {patients:,}")
    if math.isnan(mean):
        return element("td", element("b", numbers.UNDEFINED), small,
                       element("small", "too few to say"), class_="none")  # fmt: skip
    text = element("b", numbers.with_unit(mean, metric.unit))
    return element("td", text, small, style=f"--share:{share_of_worst(mean, means, metric):.2f}")
