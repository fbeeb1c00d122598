"""The table of groups: for the page, and as plain text for the terminal."""

import math
from collections.abc import Sequence

from nnunetv2_fair.evaluation.result import (
    Comparison,
    EvaluationResult,
    Gap,
    GroupStatistics,
    Interval,
    MetricInfo,
)
from nnunetv2_fair.report import numbers
from nnunetv2_fair.report.case_table import cases_link
from nnunetv2_fair.report.document import MEASURES, Terms, measure_title, metric_heading
from nnunetv2_fair.report.findings import FAIRNESS_GAP, confidence, excludes_zero, label_words
from nnunetv2_fair.report.markup import (
    Html,
    clean,
    element,
    join,
    name,
    padded,
    plain,
    sentence,
    shortened,
    width,
)

#: Longest name of a group in the terminal.
_LONGEST_CONSOLE = 32


#: Why a shareable result does not tell a value.
WHY_HIDDEN = "hidden: it would tell of a group with too few patients"


def undefined(reason: str) -> Html:
    """Return the en dash of a value that does not exist; hovering says why."""
    return element("span", numbers.UNDEFINED, class_="undefined", title=reason)


def value(amount: float, unit: str, reason: str) -> Html:
    """Return a number; an undefined or infinite one explains itself."""
    if math.isnan(amount):
        return undefined(reason)
    text = numbers.number(amount, unit)
    if math.isinf(amount):
        return element("span", text, title="infinite: a prediction or reference is empty")
    return join([text])


def why_undefined(group: GroupStatistics) -> str:
    """Say why a group has no value."""
    if group.n_cases is None or group.n_undefined is None:
        return WHY_HIDDEN
    if not group.n_cases:
        return "no cases"
    if group.n_undefined >= group.n_cases:
        return "undefined in every case (reference and prediction empty)"
    return "not computable"


def group_table(result: EvaluationResult, attribute: str, label: str, terms: Terms) -> Html:
    """Return the table of one attribute: groups, then the differences between them."""
    made = {c.metric: c for c in result.comparisons
            if c.attribute == attribute and c.label == label}  # fmt: skip
    metrics = [metric for metric in result.metrics if metric.name in made]
    level = numbers.percent(confidence(result.settings))
    head = element(
        "tr",
        element("th", "Group", scope="col"),
        element("th", "Cases", scope="col", class_="count"),
        element("th", "Patients", scope="col", class_="count"),
        *[
            element("th", terms.link(metric.name, metric_heading(metric)), scope="col")
            for metric in metrics
        ],
    )
    first = made[metrics[0].name]
    rows = [
        _group_row(
            name(group),
            statistics,
            [(metric, made[metric.name].groups[group]) for metric in metrics],
            first.left_out.get(group),
            link=cases_link(result, attribute, group),
        )
        for group, statistics in first.groups.items()
    ]
    whole = [(metric, made[metric.name].overall) for metric in metrics]
    rows.append(
        _group_row(terms.link("overall", "All groups"), first.overall, whole, None, kind="overall")
    )
    columns = 3 + len(metrics)
    measures = _measure_rows(result, [(metric, made[metric.name]) for metric in metrics], terms)
    divider = element(
        "tr",
        element("th", "Differences between the groups", colspan=columns, scope="rowgroup"),
        class_="divider",
    )
    caption = element(
        "caption",
        "Groups of ", name(attribute), ", ", sentence(label_words(label)),
        f". Per group: median [lower to upper quartile]; below it the mean and its {level} "
        f"interval. Differences: value and its {level} interval.",
    )  # fmt: skip
    table = element(
        "table",
        caption,
        element("thead", head),
        element("tbody", *rows),
        element("tbody", divider, *measures, class_="measures"),
    )
    return join(
        [
            element(
                "div", table, class_="scroll", tabindex="0", role="region",
                aria_label=f"Groups of {shortened(attribute)}",
            ),
            _remarks([(metric, made[metric.name]) for metric in metrics], result),
        ]
    )  # fmt: skip


def _group_row(
    title: Html,
    counts: GroupStatistics,
    cells: Sequence[tuple[MetricInfo, GroupStatistics]],
    reason: str | None,
    kind: str = "",
    link: Html | str = "",
) -> Html:
    small = element("small", f"not compared: {clean(reason)}") if reason else ""
    return element(
        "tr",
        element("th", title, small, link, scope="row"),
        element("td", numbers.told(counts.n_cases), class_="count"),
        element("td", numbers.told(counts.n_patients), class_="count"),
        *[_statistics_cell(metric, group) for metric, group in cells],
        class_="small" if reason else kind or None,
    )


def _statistics_cell(metric: MetricInfo, group: GroupStatistics) -> Html:
    if math.isnan(group.median):
        return element("td", undefined(why_undefined(group)), class_="value")
    unit = metric.unit
    quartiles = (
        f" [{numbers.number(group.q1, unit)} to {numbers.number(group.q3, unit)}]"
        if not math.isnan(group.q1)
        else ""
    )
    limits = numbers.interval(group.mean_interval, unit)
    interval = f" ({limits})" if limits != numbers.UNDEFINED else ""
    reason = WHY_HIDDEN if group.n_cases is None else "not computable"
    mean = element("small", "mean ", value(group.mean, unit, reason), interval)
    median = value(group.median, unit, "not computable")
    return element("td", element("strong", median), quartiles, mean, class_="value")


def _measure_rows(
    result: EvaluationResult, made: Sequence[tuple[MetricInfo, Comparison]], terms: Terms
) -> list[Html]:
    computed = [(g.name, _pair(g)) for _, c in made for g in c.gaps if not math.isnan(g.value)]
    keys = list(dict.fromkeys(computed))
    order = list(MEASURES)
    keys.sort(key=lambda key: order.index(key[0]) if key[0] in order else len(order))
    rows = []
    for measure, between in keys:
        title: list[object] = [terms.link(measure, measure_title(measure))]
        if between:
            title.append(element("small", name(between[0]), " \N{MINUS SIGN} ", name(between[1])))
        missing = WHY_HIDDEN if result.shareable else ""
        cells = [_measure_cell(metric, c, measure, between, missing) for metric, c in made]
        rows.append(element("tr", element("th", *title, colspan=3, scope="row"), *cells))
    if any(c.test is not None for _, c in made):
        names = dict.fromkeys(c.test.name for _, c in made if c.test is not None)
        tests = [
            element(
                "td",
                numbers.p_value(c.test.p_value)
                if c.test is not None
                else undefined("fewer than two groups are large enough"),
                class_="value",
            )
            for _, c in made
        ]
        title = [terms.link("test", f"Test: {' / '.join(names)}")]
        rows.append(element("tr", element("th", *title, colspan=3, scope="row"), *tests))
    if not rows:
        text = (
            "No measure can be computed: fewer than two groups are large enough "
            f"(at least {result.settings.get('min_patients', 5)} patients)."
        )
        rows.append(element("tr", element("td", text, colspan=3 + len(made))))
    return rows


def _pair(gap: Gap) -> tuple[str, ...]:
    return gap.between if gap.name == FAIRNESS_GAP and len(gap.between) == 2 else ()


def _measure_cell(
    metric: MetricInfo, comparison: Comparison, measure: str, between: tuple[str, ...], missing: str
) -> Html:
    found = next((g for g in comparison.gaps if g.name == measure and _pair(g) == between), None)
    if found is None:
        reason = (
            "not defined for distances" if metric.unit else "fewer than two groups are large enough"
        )
        return element("td", undefined(reason if metric.unit else missing or reason), class_="value")
    unit = numbers.measure_unit(measure, metric)
    if math.isnan(found.value):
        return element("td", undefined("not computable"), class_="value")
    signed = measure == FAIRNESS_GAP
    text = join([numbers.number(found.value, unit, signed=signed)])
    limits = numbers.interval(found.interval, unit, signed=signed)
    shown = signed and excludes_zero(found.interval)
    return element(
        "td",
        element("strong", text) if shown else text,
        element("small", limits),
        class_="value",
    )


def _remarks(made: Sequence[tuple[MetricInfo, Comparison]], result: EvaluationResult) -> Html:
    """Say which values the table's statistics leave out or replace."""
    policy = result.settings.get("empty_distance", "diagonal")
    by = "the image diagonal" if policy == "diagonal" else f"the policy '{policy}'"
    items = []
    first = made[0][1]
    for metric, comparison in made:
        for group, reason in comparison.left_out.items():
            if group not in first.left_out:
                items.append(
                    element("li", f"{metric.title}: ", name(group), " is not compared: ",
                            clean(reason), ".")
                )  # fmt: skip
        for kind, words in (
            ("n_undefined", "undefined and left out"),
            ("n_replaced", f"infinite (one mask empty) and replaced by {by}"),
        ):
            counts = {g: getattr(s, kind) for g, s in comparison.groups.items()}
            if any(counts.values()):
                listed: list[object] = [f"{metric.title}: "]
                for position, (group, n) in enumerate((g, n) for g, n in counts.items() if n):
                    listed += [", "] * bool(position) + [f"{numbers.count(n, 'case')} of ",
                                                         name(group)]  # fmt: skip
                items.append(element("li", *listed, f" {words}."))
    return element("ul", *items, class_="notes hint") if items else Html("")


def console_table(result: EvaluationResult, attribute: str) -> str:
    """Return the groups of one attribute as aligned plain text, at most about 100 columns.

    Args:
        result: The evaluation.
        attribute: One of its attribute expressions.

    Returns:
        For the headline label, one block per metric: every group with its counts, median with
        quartiles and mean with interval, then the fairness measures and the test.
    """
    label = result.headline_label
    level = numbers.percent(confidence(result.settings))
    heading = plain(["Groups of ", shortened(attribute), ", ", *label_words(label)])
    lines = [heading]
    for metric in result.metrics:
        try:
            comparison = result.comparison(attribute, metric.name, label)
        except KeyError:
            continue
        lines += ["", *_console_block(metric, comparison, level)]
        for group, reason in comparison.left_out.items():
            text = f"  * {shortened(group, _LONGEST_CONSOLE)} is not compared: {clean(reason)}"
            if text not in lines:  # mostly the same for every metric
                lines.append(text)
    return numbers.ascii_only("\n".join(lines))


def _console_block(metric: MetricInfo, comparison: Comparison, level: str) -> list[str]:
    header = [metric_heading(metric), "cases", "patients", "median [q1 to q3]",
              f"mean [{level} interval]"]  # fmt: skip
    rows = [header]
    for group, statistics in comparison.groups.items():
        mark = " *" if group in comparison.left_out else ""
        rows.append(_console_row(shortened(group, _LONGEST_CONSOLE) + mark, metric, statistics))
    rows.append(_console_row("all groups", metric, comparison.overall))
    widths = [max(width(row[i]) for row in rows) for i in range(len(header))]
    lines = []
    for number, row in enumerate(rows):
        cells = [
            padded(cell, columns, right=i in (1, 2))
            for i, (cell, columns) in enumerate(zip(row, widths, strict=True))
        ]
        lines.append((("" if number == 0 else "  ") + "  ".join(
            [padded(cells[0], widths[0] + (2 if number == 0 else 0)), *cells[1:]]
        )).rstrip())  # fmt: skip
    computed = [gap for gap in comparison.gaps if not math.isnan(gap.value)]
    for gap in computed:
        unit = numbers.measure_unit(gap.name, metric)
        title = measure_title(gap.name).lower() if gap.name == FAIRNESS_GAP else measure_title(
            gap.name
        )  # fmt: skip
        if gap.name == FAIRNESS_GAP:
            title += " " + " - ".join(shortened(g, _LONGEST_CONSOLE) for g in gap.between)
        amount = numbers.with_unit(gap.value, unit, signed=gap.name == FAIRNESS_GAP)
        lines.append(f"  {title}: {amount} {_bracket(gap.interval, unit)}".rstrip())
    if comparison.test is not None:
        lines.append(f"  {comparison.test.name}: {numbers.p_value(comparison.test.p_value)}")
    if not computed:
        lines.append("  no gap: fewer than two groups are large enough")
    return lines


def _console_row(title: str, metric: MetricInfo, group: GroupStatistics) -> list[str]:
    unit = metric.unit
    quartiles = Interval(group.q1, group.q3)
    return [
        title,
        numbers.told(group.n_cases),
        numbers.told(group.n_patients),
        f"{numbers.number(group.median, unit)} {_bracket(quartiles, unit)}".rstrip(),
        f"{numbers.number(group.mean, unit)} {_bracket(group.mean_interval, unit)}".rstrip(),
    ]


def _bracket(limits: Interval, unit: str) -> str:
    text = numbers.interval(limits, unit)
    return "" if text == numbers.UNDEFINED else f"[{text}]"
