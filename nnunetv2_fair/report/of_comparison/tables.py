"""Tables of a comparison of models: for the page, and as plain text for the terminal."""

import math
from collections.abc import Sequence

from nnunetv2_fair.evaluation.results.comparison import (
    HIGHER_IS_FAIRER,
    Difference,
    ModelComparison,
    PairedComparison,
)
from nnunetv2_fair.evaluation.results.values import Interval, MetricInfo
from nnunetv2_fair.report.html import numbers
from nnunetv2_fair.report.html.cells import undefined, value
from nnunetv2_fair.report.html.document import (
    MEASURES,
    Terms,
    measure_title,
    metric_heading,
)
from nnunetv2_fair.report.html.markup import (
    Html,
    clean,
    element,
    join,
    name,
    padded,
    sentence,
    shortened,
    width,
)
from nnunetv2_fair.report.of_comparison.findings import (
    HEADLINE_GAP,
    headline_entry,
    other_models,
)
from nnunetv2_fair.report.of_evaluation.findings import confidence, excludes_zero, label_words

#: Longest name in the terminal.
_LONGEST_CONSOLE = 32

_NOTHING = Interval(math.nan, math.nan)


def scores_table(result: ModelComparison, entry: PairedComparison, terms: Terms) -> Html:
    """Return the scores of every model: all groups, each group, and the gap."""
    metric = result.metric(entry.metric)
    groups = list(next(iter(entry.per_model.values())).group_means)
    head = element(
        "tr",
        element("th", "Model", scope="col"),
        element("th", "All groups", element("small", patients(entry.n_patients)), scope="col"),
        *[
            element(
                "th", name(group, 28), element("small", patients(entry.group_patients.get(group))),
                scope="col",
            )
            for group in groups
        ],
        element("th", terms.link(HEADLINE_GAP, measure_title(HEADLINE_GAP)), scope="col"),
    )  # fmt: skip
    rows = []
    for model in result.models:
        scores = entry.per_model[model]
        cells = [_score_cell(scores.overall_mean, scores.overall_interval, metric)]
        for group in groups:
            limits = scores.group_intervals.get(group, _NOTHING)
            worst = group == scores.worst_group
            cells.append(_score_cell(scores.group_means[group], limits, metric, worst=worst))
        amount, limits = scores.gaps.get(HEADLINE_GAP, (math.nan, _NOTHING))
        cells.append(_score_cell(amount, limits, metric))
        suffix = element("small", "baseline") if model == result.baseline != "baseline" else ""
        rows.append(element("tr", element("th", name(model), suffix, scope="row"), *cells))
    level = numbers.percent(confidence(result.settings))
    caption = element(
        "caption", f"Mean {metric_heading(metric)} for ", sentence(label_words(entry.label)),
        f", with {level} intervals.",
    )  # fmt: skip
    table = element("table", caption, element("thead", head), element("tbody", *rows))
    left = _left_out(entry)
    return join([_scrolled(table, "Scores of each model"), left])


def patients(count: int | None) -> str:
    """Return ``12 patients``; empty if the number is not known."""
    return numbers.count(count, "patient") if count is not None else ""


def _score_cell(
    amount: float, limits: Interval, metric: MetricInfo, *, worst: bool = False
) -> Html:
    shown = value(amount, metric.unit, "no cases, or too few groups to compare")
    text = numbers.interval(limits, metric.unit)
    return element(
        "td",
        element("strong", shown) if worst else shown,
        " worst" if worst else "",
        element("small", text) if text != numbers.UNDEFINED else "",
        class_="value",
    )


def _left_out(entry: PairedComparison) -> Html:
    if not entry.left_out:
        return Html("")
    items = [
        element("li", name(group), f" is not compared: {clean(reason)}.")
        for group, reason in entry.left_out.items()
    ]
    return element("ul", *items, class_="notes hint")


def differences_table(result: ModelComparison, attribute: str, model: str, terms: Terms) -> Html:
    """Return the paired differences of one model, for every metric."""
    label = result.headline_label
    made = [(m, result.entry(attribute, m.name, label)) for m in result.metrics]
    head = element(
        "tr",
        element("th", "Change of", scope="col"),
        *[element("th", terms.link(m.name, metric_heading(m)), scope="col") for m, _ in made],
    )
    rows = [
        _change_row(
            join(["the mean of all groups"]),
            [(m, e.differences[model].overall, m.unit) for m, e in made],
        )
    ]
    groups = list(dict.fromkeys(g for _, e in made for g in e.differences[model].groups))
    for group in groups:
        rows.append(
            _change_row(
                join(["the mean of ", name(group)]),
                [(m, e.differences[model].groups.get(group), m.unit) for m, e in made],
            )
        )
    rows.append(
        _change_row(
            terms.link("worst_group", "the worst group's mean"),
            [(m, e.differences[model].worst_group, m.unit) for m, e in made],
        )
    )
    measures = list(dict.fromkeys(g for _, e in made for g in e.differences[model].gaps))
    order = {measure: position for position, measure in enumerate(MEASURES)}
    measures.sort(key=lambda measure: order.get(measure.partition(": ")[0], len(order)))
    for measure in measures:
        key, _, pair = measure.partition(": ")
        title = join(
            [
                terms.link(key, measure_title(key)),
                element("small", name(pair)) if pair else "",
                element("small", "higher is fairer") if key in HIGHER_IS_FAIRER else "",
            ]
        )
        rows.append(
            _change_row(
                title,
                [
                    (m, e.differences[model].gaps.get(measure), numbers.measure_unit(key, m))
                    for m, e in made
                ],
            )
        )
    level = numbers.percent(confidence(result.settings))
    caption = element(
        "caption", name(model), " minus ", name(result.baseline), ", ",
        sentence(label_words(label)), f": change, {level} paired interval, p of the signed-rank "
        "test. Bold: the interval excludes zero. Gaps are compared by size, so a negative change "
        "is a smaller gap.",
    )  # fmt: skip
    table = element("table", caption, element("thead", head), element("tbody", *rows))
    return _scrolled(table, f"Changes of {shortened(model)}")


def _change_row(title: Html, cells: Sequence[tuple[MetricInfo, Difference | None, str]]) -> Html:
    return element(
        "tr",
        element("th", title, scope="row"),
        *[_change_cell(metric, found, unit) for metric, found, unit in cells],
    )


def _change_cell(metric: MetricInfo, found: Difference | None, unit: str) -> Html:
    if found is None:
        reason = "not defined for distances" if metric.unit else "not computed"
        return element("td", undefined(reason), class_="value")
    if math.isnan(found.value):
        return element("td", undefined("too few patients or groups, or undefined"), class_="value")
    text = join([numbers.number(found.value, unit, signed=True)])
    limits = numbers.interval(found.interval, unit, signed=True)
    parts = [limits] if limits != numbers.UNDEFINED else []
    if found.p_value is not None and not math.isnan(found.p_value):
        parts.append(numbers.p_value(found.p_value))
    return element(
        "td",
        element("strong", text) if excludes_zero(found.interval) else text,
        *[element("small", part) for part in parts],
        class_="value",
    )


def labels_table(result: ModelComparison, attribute: str, terms: Terms) -> Html:
    """Return the changes of every label in the first metric; empty if there is only one."""
    if len(result.labels) < 2:
        return Html("")
    metric = result.metrics[0]
    head = element(
        "tr",
        element("th", "Label", scope="col"),
        element("th", "Model", scope="col"),
        element("th", "All groups", scope="col"),
        element("th", terms.link("worst_group", "Worst group"), scope="col"),
        element("th", terms.link(HEADLINE_GAP, measure_title(HEADLINE_GAP)), scope="col"),
    )
    rows = []
    for label in result.labels:
        entry = result.entry(attribute, metric.name, label)
        for position, model in enumerate(other_models(result)):
            found = entry.differences[model]
            title = sentence(label_words(label)) if not position else Html("")
            rows.append(
                element(
                    "tr",
                    element("th", title, scope="row"),
                    element("td", name(model, 32)),
                    _change_cell(metric, found.overall, metric.unit),
                    _change_cell(metric, found.worst_group, metric.unit),
                    _change_cell(metric, found.gaps.get(HEADLINE_GAP), metric.unit),
                )
            )
    caption = element("caption", f"Changes of the mean {metric_heading(metric)}, label by label.")
    table = element("table", caption, element("thead", head), element("tbody", *rows))
    return element("details", element("summary", "Every label"), _scrolled(table, "Every label"))


def _scrolled(table: Html, description: str) -> Html:
    return element("div", table, class_="scroll", tabindex="0", role="region",
                   aria_label=description)  # fmt: skip


def console_comparison(result: ModelComparison, attribute: str) -> str:
    """Return the models' scores and changes for one attribute as aligned plain text.

    Args:
        result: The comparison.
        attribute: One of its attribute expressions.
    """
    entry = headline_entry(result, attribute)
    metric = result.metric(entry.metric)
    level = numbers.percent(confidence(result.settings))
    heading = (
        f"{metric_heading(metric)} by {shortened(attribute)}, "
        f"{shortened(''.join(label_words(entry.label)))}"
    )
    head = ["model", "overall mean", "worst group", HEADLINE_GAP,
            f"change of {HEADLINE_GAP} [{level} interval]"]  # fmt: skip
    rows = [head]
    for model in result.models:
        scores = entry.per_model[model]
        change = (
            entry.differences[model].gaps.get(HEADLINE_GAP) if model in entry.differences else None
        )
        rows.append(
            [
                shortened(model, _LONGEST_CONSOLE),
                numbers.number(scores.overall_mean, metric.unit),
                _worst(scores.worst_group, scores.worst_group_mean, metric.unit),
                numbers.number(scores.gaps.get(HEADLINE_GAP, (math.nan, _NOTHING))[0], metric.unit),
                _console_change(change, metric.unit) if model != result.baseline else "(baseline)",
            ]
        )
    widths = [max(width(row[i]) for row in rows) for i in range(len(head))]
    lines = [heading]
    for row in rows:
        cells = [padded(cell, columns) for cell, columns in zip(row, widths, strict=True)]
        lines.append(("  " + "  ".join(cells)).rstrip())
    return numbers.ascii_only("\n".join(lines))


def _worst(group: str, mean: float, unit: str) -> str:
    shown = numbers.number(mean, unit)
    return f"{shown} ({shortened(group, _LONGEST_CONSOLE)})" if group else shown


def _console_change(found: Difference | None, unit: str) -> str:
    if found is None or math.isnan(found.value):
        return numbers.UNDEFINED
    limits = numbers.interval(found.interval, unit, signed=True)
    text = numbers.number(found.value, unit, signed=True)
    return f"{text} [{limits}]" if limits != numbers.UNDEFINED else text
