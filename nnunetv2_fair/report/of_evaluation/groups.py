"""The table of groups: for the page, and as plain text for the terminal."""

import math
from collections.abc import Sequence

from nnunetv2_fair.evaluation.results.evaluation import EvaluationResult
from nnunetv2_fair.evaluation.results.groups import Comparison, GroupStatistics
from nnunetv2_fair.evaluation.results.values import Interval, MetricInfo
from nnunetv2_fair.report.html import numbers
from nnunetv2_fair.report.html.cells import WHY_HIDDEN, why_undefined
from nnunetv2_fair.report.html.markup import (
    Data,
    Html,
    Sentence,
    clean,
    padded,
    plain,
    shortened,
    width,
)
from nnunetv2_fair.report.html.templating import render
from nnunetv2_fair.report.html.terms import Terms
from nnunetv2_fair.report.html.titles import measure_title, metric_heading
from nnunetv2_fair.report.of_evaluation.case_table import case_filters
from nnunetv2_fair.report.of_evaluation.findings import FAIRNESS_GAP, confidence, label_words
from nnunetv2_fair.report.of_evaluation.measures import is_corrected, measure_rows

#: Longest name of a group in the terminal.
_LONGEST_CONSOLE = 32


def group_table(result: EvaluationResult, attribute: str, label: str, terms: Terms) -> Html:
    """Return the table of one attribute: groups, then the differences between them."""
    by_metric = {c.metric: c for c in result.comparisons
                 if c.attribute == attribute and c.label == label}  # fmt: skip
    made = [(m, by_metric[m.name]) for m in result.metrics if m.name in by_metric]
    first = made[0][1]
    return render(
        "report/of_evaluation/templates/groups.html",
        attribute=attribute,
        label=label_words(label),
        level=numbers.percent(confidence(result.settings)),
        made=made,
        groups=first.groups,
        overall=first.overall,
        left_out=first.left_out,
        case_filters=case_filters(result, attribute),
        measures=measure_rows(result, made),
        min_patients=result.settings.get("min_patients", 5),
        remarks=_remarks(made, result),
        terms=terms,
        heading=metric_heading,
        why_undefined=why_undefined,
        why_hidden=WHY_HIDDEN,
    )


def _remarks(
    made: Sequence[tuple[MetricInfo, Comparison]], result: EvaluationResult
) -> list[Sentence]:
    """Say which values the table's statistics leave out or replace."""
    policy = result.settings.get("empty_distance", "diagonal")
    by = "the image diagonal" if policy == "diagonal" else f"the policy '{policy}'"
    remarks: list[Sentence] = []
    first = made[0][1]
    for metric, comparison in made:
        for group, reason in comparison.left_out.items():
            if group not in first.left_out:
                words = f" is not compared: {clean(reason)}."
                remarks.append([f"{metric.title}: ", Data(group), words])
        for kind, words in (
            ("n_undefined", "undefined and left out"),
            ("n_replaced", f"infinite (one mask empty) and replaced by {by}"),
        ):
            counts = {g: n for g, s in comparison.groups.items() if (n := getattr(s, kind))}
            listed: list[str] = []
            for group, n in counts.items():
                listed += [", "] * bool(listed) + [f"{numbers.count(n, 'case')} of ", Data(group)]
            if listed:
                remarks.append([f"{metric.title}: ", *listed, f" {words}."])
    return remarks


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
    for effect in comparison.effects:
        pair = " - ".join(shortened(group, _LONGEST_CONSOLE) for group in effect.between)
        delta = numbers.number(effect.cliffs_delta, signed=True)
        text = f"  Cliff's delta {pair}: {delta} {_bracket(effect.interval, '')}".rstrip()
        if not math.isnan(effect.detectable_gap):
            size = numbers.with_unit(effect.detectable_gap, metric.unit)
            text += f", detectable difference {size}"
        lines.append(text)
    if comparison.test is not None:
        text = f"  {comparison.test.name}: {numbers.p_value(comparison.test.p_value)}"
        if is_corrected(comparison.test):
            text += f", corrected {numbers.p_value(comparison.test.corrected_p)}"
        lines.append(text)
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
