"""Everything an evaluation or a comparison found, as tables to print."""

import math
from collections.abc import Iterable

from nnunetv2_fair.evaluation.results.comparison import Difference, ModelComparison
from nnunetv2_fair.evaluation.results.discovery import Confirmation, Discovery
from nnunetv2_fair.evaluation.results.evaluation import EvaluationResult
from nnunetv2_fair.evaluation.results.tables.beyond_medians import (
    adjusted_table,
    failures_table,
    margins_table,
)
from nnunetv2_fair.evaluation.results.tables.cells import (
    WHERE,
    interval_cell,
    label_title,
    metric_title,
    number,
    p_value,
    where,
    whole,
    with_interval,
)
from nnunetv2_fair.evaluation.results.tables.text_table import TextTable
from nnunetv2_fair.evaluation.results.values import MetricInfo


def tables_of(result: EvaluationResult) -> tuple[TextTable, ...]:
    """Return the tables of an evaluation.

    Returns:
        Groups, fairness measures, tests and pairs of groups; then tests of every two groups,
        failure rates, adjusted gaps, margins, the subgroups that were discovered and the tables of
        a preset, where there are any.
    """
    found = [_groups(result), _gaps(result), _tests(result), _effects(result)]
    further = (
        _pair_tests(result),
        failures_table(result),
        adjusted_table(result),
        margins_table(result),
    )
    found += [table for table in further if table.rows]
    if result.discovery is not None:
        claims = [claim.sentence for claim in result.findings if claim.kind == "subgroup"]
        metric = result.metric(result.discovery.metric)
        counted = "cases" if result.settings.get("unit") == "case" else "patients"
        found.append(_subgroups(result.discovery, metric, claims, counted))
    return (*found, *result.preset_tables)


def comparison_tables_of(compared: ModelComparison) -> tuple[TextTable, ...]:
    """Return the tables of a comparison: scores of every model, and differences."""
    return (_models(compared), _model_gaps(compared), _differences(compared))


def _groups(result: EvaluationResult) -> TextTable:
    rows = []
    for found in result.comparisons:
        info = result.metric(found.metric)
        chosen = [] if found.of_chosen is None else [("compared", found.of_chosen)]
        for name, group in (*found.groups.items(), *chosen, ("overall", found.overall)):
            rows.append(
                (
                    found.attribute,
                    found.label,
                    metric_title(info),
                    name,
                    whole(group.n_patients),
                    whole(group.n_cases),
                    whole(group.n_units),
                    number(group.mean, info),
                    interval_cell(group.mean_interval, info),
                    number(group.median, info),
                    interval_cell(group.median_interval, info),
                    number(group.iqr, info),
                    number(group.std, info),
                    number(group.worst_decile, info),
                    number(group.shrunken_mean, info),
                    interval_cell(group.shrunken_interval, info),
                )
            )
    interval = f"{result.settings.get('confidence', 0.95):.0%} interval"
    return TextTable(
        "groups",
        f"{result.name}: groups",
        (
            *WHERE, "Group", "Patients", "Cases", "With a value", "Mean", f"Mean {interval}",
            "Median", f"Median {interval}", "IQR", "SD", "Worst decile", "Shrunken mean",
            f"Shrunken mean {interval}",
        ),
        tuple(rows),
    )  # fmt: skip


def _gaps(result: EvaluationResult) -> TextTable:
    rows = [
        (
            *where(result, found),
            gap.name,
            " - ".join(gap.between) if gap.name == "fairness_gap" else "all",
            number(gap.value, None),
            interval_cell(gap.interval, None),
            interval_cell(gap.simultaneous, None),
            number(gap.by_chance, None),
            p_value(gap.p_value),
            p_value(gap.corrected_p),
        )
        for found in result.comparisons
        for gap in found.gaps
    ]
    columns = (
        *WHERE, "Measure", "Groups", "Value", "Interval", "Simultaneous interval", "By chance",
        "p", "p (Holm)",
    )  # fmt: skip
    return TextTable("gaps", f"{result.name}: fairness measures", columns, tuple(rows))


def _tests(result: EvaluationResult) -> TextTable:
    rows = [
        (
            *where(result, found),
            found.test.name,
            "" if math.isnan(found.test.statistic) else f"{found.test.statistic:.6g}",
            p_value(found.test.p_value),
            p_value(found.test.corrected_p),
            str(found.test.family_size),
        )
        for found in result.comparisons
        if found.test is not None
    ]
    columns = (*WHERE, "Test", "Statistic", "p", "p (Holm)", "Tests in family")
    return TextTable("tests", f"{result.name}: tests of no difference", columns, tuple(rows))


def _effects(result: EvaluationResult) -> TextTable:
    rows = [
        (
            *where(result, found),
            *effect.between,
            number(effect.cliffs_delta, None),
            interval_cell(effect.interval, None),
            number(effect.detectable_gap, result.metric(found.metric)),
            number(effect.detectable_gap_half, result.metric(found.metric)),
        )
        for found in result.comparisons
        for effect in found.effects
    ]
    columns = (
        *WHERE,
        "Reference",
        "Group",
        "Cliff's delta",
        "Interval",
        "Detectable gap (80%)",
        "Detectable gap (50%)",
    )
    return TextTable("pairs", f"{result.name}: pairs of groups", columns, tuple(rows))


def _pair_tests(result: EvaluationResult) -> TextTable:
    rows = [
        (
            *where(result, found),
            *pair.between,
            number(pair.cliffs_delta, None),
            pair.test.name,
            "" if math.isnan(pair.test.statistic) else f"{pair.test.statistic:.6g}",
            p_value(pair.test.p_value),
            p_value(pair.test.corrected_p),
            str(pair.test.family_size),
        )
        for found in result.comparisons
        for pair in found.pairs
    ]
    columns = (
        *WHERE, "Group", "Other group", "Cliff's delta", "Test", "Statistic", "p", "p (Holm)",
        "Tests in family",
    )  # fmt: skip
    return TextTable("pair_tests", f"{result.name}: every two groups", columns, tuple(rows))


def _subgroups(
    found: Discovery, info: MetricInfo, claims: Iterable[str], counted: str
) -> TextTable:
    rows = [
        (
            group.name,
            str(group.n_patients),
            str(group.n_cases),
            number(group.mean, info),
            number(group.divergence, info),
            number(group.shrunken_divergence, info),
            number(group.z, None),
            p_value(group.p_value),
            p_value(group.corrected_p),
            *(_confirmed(group.confirmation, info) if found.n_held_out else ()),
            ", ".join(f"{name} {number(v, info)}" for name, v in group.contributions.items()),
        )
        for group in found.subgroups
    ]
    held_out = ("Patients, held out", "Divergence, held out", "p (Holm), held out")
    return TextTable(
        "subgroups",
        f"Subgroups by {metric_title(info)} of {label_title(found.label)}, strongest evidence "
        f"first (all: {number(found.overall, info)})",
        (
            "Subgroup", "Patients", "Cases", "Mean", "Divergence", "Shrunken", "z of ranks", "p",
            "p (maxT)", *(held_out if found.n_held_out else ()), "Contributions",
        ),
        tuple(rows),
        (
            f"{found.n_searched} subgroups with at least {found.min_support:.1%} of the "
            f"{found.n_units} {counted} were searched and {found.n_tests} tested; "
            f"{found.n_redundant} that stronger ones account for are left out.",
            *claims,
        ),
    )  # fmt: skip


def _confirmed(found: Confirmation | None, info: MetricInfo) -> tuple[str, ...]:
    if found is None:
        return ("", "", "")
    return str(found.n_patients), number(found.divergence, info), p_value(found.corrected_p)


def _models(compared: ModelComparison) -> TextTable:
    rows: list[tuple[str, ...]] = []
    for entry in compared.entries:
        info = compared.metric(entry.metric)
        place = (entry.attribute, entry.label, metric_title(info))
        for model, scores in entry.per_model.items():
            overall = (scores.overall_mean, scores.overall_interval)
            over = number(scores.overall_std, info)
            rows.append((*place, model, "overall", *with_interval(overall, info), over))
            for name, mean in scores.group_means.items():
                pair = (mean, scores.group_intervals[name])
                over = number(scores.group_stds.get(name, math.nan), info)
                rows.append((*place, model, name, *with_interval(pair, info), over))
    columns: tuple[str, ...] = (*WHERE, "Model", "Group", "Mean", "Interval", "SD of trainings")
    if not any(row[-1] for row in rows):
        columns, rows = columns[:-1], [row[:-1] for row in rows]
    return TextTable("models", "Models: means", columns, tuple(rows))


def _model_gaps(compared: ModelComparison) -> TextTable:
    rows = [
        (
            entry.attribute,
            entry.label,
            metric_title(compared.metric(entry.metric)),
            model,
            name,
            *with_interval(gap, None),
        )
        for entry in compared.entries
        for model, scores in entry.per_model.items()
        for name, gap in scores.gaps.items()
    ]
    columns = (*WHERE, "Model", "Measure", "Value", "Interval")
    return TextTable("model_gaps", "Models: fairness measures", columns, tuple(rows))


def _differences(compared: ModelComparison) -> TextTable:
    rows = []
    for entry in compared.entries:
        info = compared.metric(entry.metric)
        place = (entry.attribute, entry.label, metric_title(info))
        for model, found in entry.differences.items():
            parts: Iterable[tuple[str, Difference]] = (
                ("overall", found.overall),
                *found.groups.items(),
                ("worst group", found.worst_group),
                (entry.gap_measure, found.between_groups),
                *found.gaps.items(),
            )
            for name, part in parts:
                if not name:  # no gap, as too few groups are compared
                    continue
                rows.append(
                    (
                        *place,
                        model,
                        name,
                        *with_interval((part.value, part.interval), None),
                        interval_cell(part.simultaneous, None),
                        p_value(part.p_value),
                        p_value(part.corrected_p),
                    )
                )
    columns = (
        *(*WHERE, "Model", "What", "Difference", "Interval", "Simultaneous interval"),
        *("p", "p (corrected)"),
    )
    return TextTable("differences", f"Differences from {compared.baseline}", columns, tuple(rows))
