"""The groups of an evaluation, as the command prints them."""

import math
from collections.abc import Iterator

from nnunetv2_fair.evaluation.findings import numbers
from nnunetv2_fair.evaluation.findings.group_differences import FAIRNESS_GAP
from nnunetv2_fair.evaluation.findings.sentences import clean, plain, shortened
from nnunetv2_fair.evaluation.findings.wording import confidence, label_words
from nnunetv2_fair.evaluation.results.adjusted import AdjustedGap
from nnunetv2_fair.evaluation.results.evaluation import EvaluationResult
from nnunetv2_fair.evaluation.results.groups import NOT_CHOSEN, Comparison, GroupStatistics
from nnunetv2_fair.evaluation.results.values import Interval, MetricInfo
from nnunetv2_fair.report.html.titles import measure_title, metric_heading
from nnunetv2_fair.report.of_evaluation.measures import is_corrected
from nnunetv2_fair.report.terminal.columns import LONGEST_NAME, aligned
from nnunetv2_fair.report.terminal.findings import findings_lines

#: Groups that are shown, not compared, of which names are printed.
_MOST_NAMED = 6


def console_table(result: EvaluationResult, attribute: str) -> str:
    """Return the groups of one attribute as aligned plain text, at most about 100 columns.

    Args:
        result: The evaluation.
        attribute: One of its attribute expressions.

    Returns:
        For the headline label, what is claimed, then one block per metric: every group with its
        counts, median with quartiles and mean with interval, the fairness measures and the test.
    """
    label = result.headline_label
    level = numbers.percent(confidence(result.settings))
    by_case = result.settings.get("unit") == "case"
    heading = plain(["Groups of ", shortened(attribute), ", ", *label_words(label)])
    lines = [heading, *findings_lines(result, attribute)]
    for metric in result.metrics:
        try:
            comparison = result.comparison(attribute, metric.name, label)
        except KeyError:
            continue
        lines += ["", *_console_block(metric, comparison, level, by_case=by_case)]
        lines += [
            _adjusted_line(gap, metric)
            for gap in result.adjusted_gaps
            if (gap.attribute, gap.metric, gap.label) == (attribute, metric.name, label)
        ]
        # mostly the same for every metric
        lines += [line for line in _left_out(comparison) if line not in lines]
    return numbers.ascii_only("\n".join(lines))


def _left_out(comparison: Comparison) -> Iterator[str]:
    """Yield which groups are not compared."""
    others = [g for g, reason in comparison.left_out.items() if reason == NOT_CHOSEN]
    if others:
        named = [shortened(group, LONGEST_NAME) for group in others[:_MOST_NAMED]]
        more = len(others) - len(named)
        rest = f" and {more} more" if more else ""
        yield f"  * shown, not compared: {', '.join(named)}{rest}"
    for group, reason in comparison.left_out.items():
        if group not in others:
            yield f"  * {shortened(group, LONGEST_NAME)} is not compared: {clean(reason)}"


def _console_block(
    metric: MetricInfo, comparison: Comparison, level: str, *, by_case: bool
) -> list[str]:
    header = [metric_heading(metric), "cases", "patients", "median [q1 to q3]",
              f"mean [{level} interval]"]  # fmt: skip
    rows = [header]
    for group, statistics in comparison.groups.items():
        mark = " *" if group in comparison.left_out else ""
        title = shortened(group, LONGEST_NAME) + mark
        rows.append(_console_row(title, metric, statistics, by_case=by_case))
    if comparison.of_chosen is not None:
        chosen = comparison.of_chosen
        rows.append(_console_row("compared groups", metric, chosen, by_case=by_case))
    rows.append(_console_row("all groups", metric, comparison.overall, by_case=by_case))
    lines = aligned(rows, right=(1, 2), header_indent=0)
    computed = [gap for gap in comparison.gaps if not math.isnan(gap.value)]
    for gap in computed:
        unit = numbers.measure_unit(gap.name, metric)
        title = measure_title(gap.name).lower() if gap.name == FAIRNESS_GAP else measure_title(
            gap.name
        )  # fmt: skip
        if gap.name == FAIRNESS_GAP:
            title += " " + " - ".join(shortened(g, LONGEST_NAME) for g in gap.between)
        amount = numbers.with_unit(gap.value, unit, signed=gap.name == FAIRNESS_GAP)
        lines.append(f"  {title}: {amount} {_bracket(gap.interval, unit)}".rstrip())
    for effect in comparison.effects:
        pair = " - ".join(shortened(group, LONGEST_NAME) for group in effect.between)
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
        few = len(comparison.groups) - len(comparison.left_out) < 2
        why = "fewer than two groups are large enough" if few else numbers.HIDDEN
        lines.append(f"  no gap: {why}")
    return lines


def _adjusted_line(gap: AdjustedGap, metric: MetricInfo) -> str:
    pair = " - ".join(shortened(group, LONGEST_NAME) for group in gap.between)
    names = ", ".join(shortened(name, LONGEST_NAME) for name in gap.confounders)
    start = f"  gap of means adjusted for {names}, {pair}: "
    if math.isnan(gap.value):
        return f"{start}none ({gap.reason})"
    amount, crude = (numbers.with_unit(v, metric.unit, signed=True) for v in (gap.value, gap.crude))
    return f"{start}{amount} {_bracket(gap.interval, metric.unit)}, as found {crude}"


def _counts(group: GroupStatistics, *, by_case: bool) -> tuple[str, str]:
    """Return cases and patients; of what is counted, how many have a value."""
    cases, patients = numbers.whole(group.n_cases), numbers.whole(group.n_patients)
    everyone = group.n_cases if by_case else group.n_patients
    if group.n_units is None or group.n_units == everyone:
        return cases, patients
    units = f"{group.n_units:,} of "
    return (units + cases, patients) if by_case else (cases, units + patients)


def _console_row(
    title: str, metric: MetricInfo, group: GroupStatistics, *, by_case: bool
) -> list[str]:
    unit = metric.unit
    quartiles = Interval(group.q1, group.q3)
    return [
        title,
        *_counts(group, by_case=by_case),
        f"{numbers.number(group.median, unit)} {_bracket(quartiles, unit)}".rstrip(),
        f"{numbers.number(group.mean, unit)} {_bracket(group.mean_interval, unit)}".rstrip(),
    ]


def _bracket(limits: Interval, unit: str) -> str:
    text = numbers.interval(limits, unit)
    return "" if text == numbers.UNDEFINED else f"[{text}]"
