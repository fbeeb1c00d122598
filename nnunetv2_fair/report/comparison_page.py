"""The page that compares models on the same cases: one HTML file, complete in itself."""

import math
from collections.abc import Sequence
from pathlib import Path

from nnunetv2_fair.evaluation.comparison_result import (
    HIGHER_IS_FAIRER,
    Difference,
    ModelComparison,
    PairedComparison,
)
from nnunetv2_fair.evaluation.result import Interval, MetricInfo
from nnunetv2_fair.report import numbers
from nnunetv2_fair.report.document import (
    MEASURES,
    Terms,
    document,
    measure_title,
    metric_heading,
    notes_card,
    settings_section,
    write_page,
)
from nnunetv2_fair.report.figures import Spot, Whisker, forest_plot, plane_plot
from nnunetv2_fair.report.findings import confidence, excludes_zero, label_words
from nnunetv2_fair.report.markup import (
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
from nnunetv2_fair.report.model_findings import HEADLINE_GAP, GapChange, find_change
from nnunetv2_fair.report.tables import undefined, value

_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"

#: Longest name in the terminal.
_LONGEST_CONSOLE = 32

_CHANGE_CLASS = {
    GapChange.SMALLER: "smaller",
    GapChange.LEVELLED_DOWN: "unclear",
    GapChange.LARGER: "larger",
    GapChange.NOT_SHOWN: "none",
    GapChange.NOT_COMPARABLE: "none",
}

_NOTHING = Interval(math.nan, math.nan)


def write_comparison(result: ModelComparison, path: Path) -> None:
    """Write the page of a comparison.

    Args:
        result: What the comparison found.
        path: HTML file to write; its folder must exist. It appears whole or not at all.

    Raises:
        OSError: If the file cannot be written.
    """
    write_page(render_comparison(result), path)


def render_comparison(result: ModelComparison) -> str:
    """Return the page as HTML (see :func:`write_comparison`)."""
    terms = Terms(result.metrics, result.definitions)
    navigation = [("summary", "Summary")]
    navigation += [(f"attribute-{i}", clean(a)) for i, a in enumerate(result.attributes)]
    navigation += [("definitions", "Definitions"), ("settings", "Settings")]
    sections = [_summary(result)]
    sections += [
        _attribute(result, attribute, f"attribute-{i}", terms)
        for i, attribute in enumerate(result.attributes)
    ]
    sections += [
        terms.section(),
        settings_section(result.settings, result.versions, "", result.created),
    ]
    first = result.entries[0] if result.entries else None
    facts: list[object] = [numbers.count(len(result.models), "model")]
    if first is not None:
        facts += [numbers.count(first.n_cases, "case"), numbers.count(first.n_patients, "patient")]
    if result.created:
        facts.append(f"created {clean(result.created)[:10]}")
    others = [model for model in result.models if model != result.baseline]
    title = (
        f"{', '.join(shortened(m, 40) for m in others)} against {shortened(result.baseline, 40)}"
    )
    return document(
        title,
        "Fairness comparison",
        facts,
        navigation,
        sections,
        "Made by nnunetv2_fair to help assess segmentation models. It describes the cases that "
        "were compared; it is no medical device and no proof of fairness elsewhere.",
    )


def _headline(result: ModelComparison, attribute: str) -> PairedComparison:
    return result.entry(attribute, result.metrics[0].name, result.headline_label)


def _others(result: ModelComparison) -> list[str]:
    return [model for model in result.models if model != result.baseline]


def _colour(result: ModelComparison, model: str) -> int:
    return result.models.index(model)


def _letter(result: ModelComparison, model: str) -> str:
    position = result.models.index(model)
    return _LETTERS[position] if position < len(_LETTERS) else str(position + 1)


# ---- summary


def _summary(result: ModelComparison) -> Html:
    cards = []
    for attribute in result.attributes:
        for model in _others(result):
            cards.append(_card(result, _headline(result, attribute), model))
    lead = sentence(
        [
            "All models segmented the same cases, so every change is measured within patients. ",
            "Shown here: ", *label_words(result.headline_label), ". A change counts as shown if ",
            "its interval excludes zero.",
        ]
    )  # fmt: skip
    return element(
        "section",
        element("h2", "Summary"),
        element("p", lead, class_="lead"),
        *cards,
        notes_card(result.notes),
        id="summary",
    )


def _card(result: ModelComparison, entry: PairedComparison, model: str) -> Html:
    finding = find_change(result, entry, model)
    items = [element("li", sentence(detail)) for detail in finding.details]
    return element(
        "div",
        element(
            "div",
            element("h3", name(model), " by ", name(entry.attribute)),
            element("span", finding.change.value, class_="badge"),
            class_="finding-head",
        ),
        element("p", sentence(finding.gap), class_="headline"),
        element("ul", *items, class_="notes"),
        class_=f"card finding {_CHANGE_CLASS[finding.change]}",
    )


# ---- one attribute


def _attribute(result: ModelComparison, attribute: str, anchor: str, terms: Terms) -> Html:
    entry = _headline(result, attribute)
    return element(
        "section",
        element("h2", "Groups of ", name(attribute)),
        _planes(result, entry),
        element("div", _scores_table(result, entry, terms), class_="card"),
        _changes_plot(result, entry),
        *[
            element("div", _differences_table(result, attribute, model, terms), class_="card")
            for model in _others(result)
        ],
        _labels_table(result, attribute, terms),
        id=anchor,
    )


def _planes(result: ModelComparison, entry: PairedComparison) -> Html:
    metric = result.metric(entry.metric)
    heading = metric_heading(metric)
    higher = metric.better == "higher"
    gap_spots, worst_spots = [], []
    for model in result.models:
        scores = entry.per_model[model]
        x = (scores.overall_mean, scores.overall_interval)
        letter, colour = _letter(result, model), _colour(result, model)
        is_base = model == result.baseline
        gap = scores.gaps.get(HEADLINE_GAP, (math.nan, _NOTHING))
        worst = (
            scores.worst_group_mean,
            scores.group_intervals.get(scores.worst_group, _NOTHING),
        )
        gap_spots.append(Spot(letter, x, gap, is_base, colour))
        worst_spots.append(Spot(letter, x, worst, is_base, colour))
    if not any(math.isfinite(spot.y[0]) for spot in gap_spots):
        text = "Nothing to draw: fewer than two groups are large enough to be compared."
        return element("div", element("p", text), class_="card")
    keys = [
        element(
            "li",
            element(
                "span", _letter(result, model), aria_hidden="true",
                class_=f"key c{_colour(result, model) % 7}"
                + (" baseline" if model == result.baseline else ""),
            ),
            name(model),
            " (baseline)" if model == result.baseline != "baseline" else "",
        )
        for model in result.models
    ]  # fmt: skip
    level = numbers.percent(confidence(result.settings))
    drawn = []
    for title, y_title, spots, y_higher in (
        ("Utility against the gap", f"gap of group means, {heading}", gap_spots, False),
        ("Utility against the worst group", f"worst group's mean {heading}", worst_spots, higher),
    ):
        plane = plane_plot(
            spots,
            f"overall mean {heading}",
            y_title,
            f"{title}: overall mean {heading} of each model against {y_title}",
            higher_is_better=(higher, y_higher),
        )
        drawn.append(element("div", element("h3", title), plane, class_="card"))
    hint = (
        f"Right and up are better in both. Lines: {level} intervals of each model by itself; the "
        "paired intervals below are the ones to compare models by. Arrows start at the baseline."
    )
    return join(
        [
            element("ul", *keys, class_="keys legend"),
            element("div", *drawn, class_="pair"),
            element("p", hint, class_="lead"),
        ]
    )


def _scores_table(result: ModelComparison, entry: PairedComparison, terms: Terms) -> Html:
    metric = result.metric(entry.metric)
    groups = list(next(iter(entry.per_model.values())).group_means)
    head = element(
        "tr",
        element("th", "Model", scope="col"),
        element("th", "All groups", element("small", _patients(entry.n_patients)), scope="col"),
        *[
            element(
                "th", name(group, 28), element("small", _patients(entry.group_patients.get(group))),
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


def _patients(count: int | None) -> str:
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


def _changes_plot(result: ModelComparison, entry: PairedComparison) -> Html:
    metric = result.metric(entry.metric)
    level = numbers.percent(confidence(result.settings))
    rows = []
    several = len(result.models) > 2
    for group in ("", *entry.group_patients):
        for position, model in enumerate(_others(result)):
            differences = entry.differences[model]
            found = differences.groups.get(group) if group else differences.overall
            if found is None:
                continue
            title = name(group) if group else join(["all groups"])
            patients = entry.group_patients.get(group) if group else entry.n_patients
            note = shortened(model, 26) if several else _patients(patients)
            if several:
                title = join([title, element("small", _patients(patients))])
            rows.append(
                Whisker(
                    title if not position else Html(""),
                    note,
                    _change_text(found, metric.unit),
                    found.value if math.isfinite(found.value) else math.nan,
                    found.interval,
                    filled=excludes_zero(found.interval),
                    colour=_colour(result, model),
                )
            )
    side = "Right" if metric.better == "higher" else "Left"
    heading = f"Change of the mean {metric_heading(metric)} in each group"
    hint = (
        f"Model minus baseline in the same patients, with {level} paired intervals; a full marker "
        f"where it excludes zero, a ring where it does not. {side} of zero the model is better."
    )
    return element(
        "div",
        element("h3", heading),
        forest_plot(rows, f"change in {metric_heading(metric)}", heading),
        element("p", hint, class_="hint"),
        class_="card",
    )


def _change_text(found: Difference, unit: str) -> str:
    limits = numbers.interval(found.interval, unit, signed=True)
    text = numbers.number(found.value, unit, signed=True)
    return f"{text}\n{limits}" if limits != numbers.UNDEFINED else text


def _differences_table(result: ModelComparison, attribute: str, model: str, terms: Terms) -> Html:
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


def _labels_table(result: ModelComparison, attribute: str, terms: Terms) -> Html:
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
        for position, model in enumerate(_others(result)):
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


# ---- terminal


def console_comparison(result: ModelComparison, attribute: str) -> str:
    """Return the models' scores and changes for one attribute as aligned plain text.

    Args:
        result: The comparison.
        attribute: One of its attribute expressions.
    """
    entry = _headline(result, attribute)
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


__all__ = ["console_comparison", "render_comparison", "write_comparison"]
