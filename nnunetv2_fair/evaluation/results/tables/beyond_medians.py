"""Failure rates, adjusted gaps and margins as tables to print."""

import math

from nnunetv2_fair.evaluation.results.evaluation import EvaluationResult
from nnunetv2_fair.evaluation.results.tables.cells import (
    WHERE,
    interval_cell,
    number,
    p_value,
    where,
    with_interval,
)
from nnunetv2_fair.evaluation.results.tables.text_table import TextTable


def failures_table(result: EvaluationResult) -> TextTable:
    """Return how often segmentation fails: a row per group."""
    rows = []
    for found in result.failures:
        metric = result.metric(found.metric)
        limit = f"{found.threshold:g} or {'less' if metric.better == 'higher' else 'more'}"
        differences = {d.between[1]: d for d in found.differences}
        tested = ("", "", "")
        if found.test is not None:
            corrected = p_value(found.test.corrected_p)
            tested = (found.test.name, p_value(found.test.p_value), corrected)
        for name, rate in found.groups.items():
            apart = differences.get(name)
            rows.append(
                (
                    *where(result, found),
                    limit,
                    name,
                    str(rate.n_patients),
                    str(rate.n_failed),
                    *with_interval((rate.rate, rate.interval), None),
                    *(
                        ("", "", "")
                        if apart is None
                        else (apart.between[0], *with_interval((apart.value, apart.interval), None))
                    ),
                    *tested,
                )
            )
    columns = (
        *WHERE, "Failure", "Group", "Patients", "With a failure", "Rate", "Interval", "Reference",
        "Difference", "Interval of the difference", "Test", "p", "p (Holm)",
    )  # fmt: skip
    return TextTable("failures", f"{result.name}: failure rates", columns, tuple(rows))


def adjusted_table(result: EvaluationResult) -> TextTable:
    """Return gaps of means as found and among comparable patients: a row per pair of groups."""
    rows = []
    for gap in result.adjusted_gaps:
        metric = result.metric(gap.metric)
        test = gap.test
        rows.append(
            (
                *where(result, gap),
                *gap.between,
                " and ".join(gap.confounders),
                *map(str, gap.n),
                *with_interval((gap.crude, gap.crude_interval), metric),
                *with_interval((gap.value, gap.interval), metric),
                *("" if math.isnan(n) else f"{n:.1f}" for n in gap.effective),
                "" if test is None else p_value(test.p_value),
                "" if test is None else p_value(test.corrected_p),
                gap.reason,
            )
        )
    columns = (
        *WHERE, "Reference", "Group", "Adjusted for", "Patients of the reference",
        "Patients of the group", "Gap as found", "Interval as found", "Adjusted gap",
        "Adjusted interval", "In effect of the reference", "In effect of the group", "p",
        "p (Holm)", "Why not adjusted",
    )  # fmt: skip
    return TextTable("adjusted", f"{result.name}: adjusted gaps of means", columns, tuple(rows))


def margins_table(result: EvaluationResult) -> TextTable:
    """Return whether gaps of means beyond a margin are excluded: a row per pair of groups."""
    rows = []
    for found in result.findings:
        if found.kind != "equivalence" or len(found.between) != 2:
            continue
        metric = result.metric(found.metric)
        rows.append(
            (
                *where(result, found),
                *found.between,
                number(found.numbers["margin"], metric),
                number(found.value, metric),
                interval_cell(found.interval, metric),
                f"{found.numbers['coverage']:.3g}",
                found.verdict.replace("_", " "),
            )
        )
    columns = (
        *WHERE, "Reference", "Group", "Margin", "Difference of means", "Interval", "Coverage",
        "Gap beyond the margin",
    )  # fmt: skip
    return TextTable(
        "margins", f"{result.name}: gaps of means beyond a margin", columns, tuple(rows)
    )
