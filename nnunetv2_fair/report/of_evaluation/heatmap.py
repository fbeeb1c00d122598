"""Two attributes at once: one cell per intersection."""

import math
from collections.abc import Sequence

from nnunetv2_fair.evaluation.results.evaluation import EvaluationResult
from nnunetv2_fair.evaluation.results.groups import Comparison
from nnunetv2_fair.evaluation.results.values import MetricInfo
from nnunetv2_fair.report.html import numbers
from nnunetv2_fair.report.html.markup import Data, Html, element, join, name, sentence
from nnunetv2_fair.report.of_evaluation.findings import label_words

#: Opacity of the colour in the best and in the worst cell.
_PALEST, _STRONGEST = 0.04, 0.6


def parts_of(expression: str) -> tuple[str, ...]:
    """Return the attributes of an expression: ``sex+age`` gives ``sex`` and ``age``."""
    return tuple(expression.split("+"))


def heatmap(result: EvaluationResult, comparison: Comparison) -> Html:
    """Return the table of means of a two-attribute expression; empty for any other.

    Args:
        result: The evaluation.
        comparison: The comparison to show.
    """
    attributes = parts_of(comparison.attribute)
    if len(attributes) != 2:
        return Html("")
    metric = result.metric(comparison.metric)
    title = element("h3", f"Mean {metric.title} where both meet")
    parts = result.parts_of(comparison.attribute)
    if parts is None:
        text = ("This evaluation was made by an earlier version, which did not keep the levels "
                "that these groups are made of. Evaluate again to see them as a grid.")  # fmt: skip
        return element("div", title, element("p", text), class_="card")
    # a group of unknown people has one name for both attributes and no cell of its own
    groups = {parts[group]: group for group in comparison.groups if len(parts.get(group, ())) == 2}
    rows = _in_order(result, attributes[0], [levels[0] for levels in groups])
    columns = _in_order(result, attributes[1], [levels[1] for levels in groups])
    means = [s.mean for g, s in comparison.groups.items() if g not in comparison.left_out]
    finite = [mean for mean in means if math.isfinite(mean)]
    cells = [
        [_cell(comparison, metric, groups.get((row, column)), finite) for column in columns]
        for row in rows
    ]
    about = sentence(["Rows ", Data(attributes[0]), ", columns ", Data(attributes[1]), ", ",
                      *label_words(comparison.label), ". n counts patients."])  # fmt: skip
    return element("div", title, grid(metric, rows, columns, cells, about), class_="card")


def grid(
    metric: MetricInfo,
    rows: Sequence[str],
    columns: Sequence[str],
    cells: Sequence[Sequence[Html]],
    caption: Html,
) -> Html:
    """Return a legend and a table of coloured cells.

    Args:
        metric: What the cells show.
        rows: Names of the rows.
        columns: Names of the columns.
        cells: A ``td`` per row and column.
        caption: What the table shows.
    """
    head = element(
        "tr",
        element("td", class_="corner", style="box-shadow:none"),
        *[element("th", name(column), scope="col") for column in columns],
    )
    body = [
        element("tr", element("th", name(row), scope="row"), *its_cells)
        for row, its_cells in zip(rows, cells, strict=True)
    ]
    worst = "lowest" if metric.better == "higher" else "highest"
    best = "highest" if metric.better == "higher" else "lowest"
    legend = element(
        "p",
        element("span", f"{best} (best)", element("span", class_="ramp"), f"{worst} (worst)"),
        element("span", "hatched: too few patients to compare, or none"),
        class_="legend",
    )
    table = element("table", element("caption", caption), element("thead", head),
                    element("tbody", *body), class_="heat")  # fmt: skip
    frame = element("div", table, class_="scroll", tabindex="0", role="region",
                    aria_label="Means of the intersections")  # fmt: skip
    return join([legend, frame])


def _in_order(result: EvaluationResult, attribute: str, present: Sequence[str]) -> list[str]:
    """Return the levels in the dictionary's order where the single attribute was compared."""
    known = next((c.groups for c in result.comparisons if c.attribute == attribute), {})
    levels = list(dict.fromkeys(present))
    order = {level: position for position, level in enumerate(known)}
    return sorted(levels, key=lambda level: order.get(level, len(order)))


def _cell(
    comparison: Comparison, metric: MetricInfo, group: str | None, finite: Sequence[float]
) -> Html:
    found = comparison.groups.get(group) if group is not None else None
    if found is None or found.n_cases == 0:
        return element("td", "no cases", class_="none")
    small = element("small", f"n = {numbers.told(found.n_patients)}")
    if found.n_patients is None:
        # a median in place of the mean would be taken for one
        return element("td", element("b", numbers.UNDEFINED), element("small", numbers.HIDDEN),
                       class_="none")  # fmt: skip
    if math.isnan(found.mean):
        return element("td", element("b", numbers.UNDEFINED), small,
                       element("small", "undefined"), class_="none")  # fmt: skip
    text = element("b", numbers.with_unit(found.mean, metric.unit))
    if group in comparison.left_out:
        return element("td", text, small, element("small", "not compared"), class_="few")
    share = share_of_worst(found.mean, finite, metric)
    return element("td", join([text, small]), style=f"--share:{share:.2f}")


def share_of_worst(mean: float, finite: Sequence[float], metric: MetricInfo) -> float:
    """Return how strongly a cell is coloured: the worse its mean among all, the more."""
    low, high = min(finite, default=mean), max(finite, default=mean)
    if not math.isfinite(mean):
        return _STRONGEST
    if high - low < 1e-12:
        return _PALEST
    bad = (mean - low) / (high - low)
    if metric.better == "higher":
        bad = 1 - bad
    return _PALEST + bad * (_STRONGEST - _PALEST)
