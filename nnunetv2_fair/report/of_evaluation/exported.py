"""The numbers behind the figures and tables of an evaluation, in full precision.

Units stand in the headings. What a shareable result hides is empty here as well.
"""

from collections.abc import Sequence

from nnunetv2_fair.evaluation.findings.group_differences import deciding_interval, fairness_gaps
from nnunetv2_fair.evaluation.results.adjusted import AdjustedGap
from nnunetv2_fair.evaluation.results.discovery import Discovery, PairHeatmap
from nnunetv2_fair.evaluation.results.evaluation import EvaluationResult
from nnunetv2_fair.evaluation.results.failures import FailureComparison
from nnunetv2_fair.evaluation.results.groups import Comparison, GroupStatistics
from nnunetv2_fair.evaluation.results.values import MetricInfo
from nnunetv2_fair.report.drawing.numbers_table import Cell, Numbers, interval_columns, with_ends

Made = Sequence[tuple[MetricInfo, Comparison]]


def group_numbers(made: Made) -> Numbers:
    """Return the statistics of every group, by each metric.

    Args:
        made: Metrics with their comparisons of one attribute and label.
    """
    columns = ["attribute", "label", "group", "patients", "cases", "not_compared_because"]
    for metric, _ in made:
        columns += [f"values_{metric.column}", *interval_columns("median", metric)]
        columns += [f"q1_{metric.column}", f"q3_{metric.column}"]
        columns += [*interval_columns("mean", metric), f"sd_{metric.column}"]
        columns += [f"worst_decile_{metric.column}", f"shrunken_mean_{metric.column}"]
    first = made[0][1]
    rows = []
    for group, one in _rows_of(first).items():
        row: list[Cell] = [first.attribute, first.label, group, one.n_patients, one.n_cases]
        row.append(first.left_out.get(group, ""))
        for _, comparison in made:
            found = _rows_of(comparison)[group]
            row += [found.n_units, *with_ends(found.median, found.median_interval)]
            row += [found.q1, found.q3, *with_ends(found.mean, found.mean_interval), found.std]
            row += [found.worst_decile, found.shrunken_mean]
        rows.append(tuple(row))
    return Numbers(tuple(columns), tuple(rows))


def _rows_of(comparison: Comparison) -> dict[str, GroupStatistics]:
    """Return the groups, the chosen ones together where some were, and all together."""
    chosen = comparison.of_chosen
    together = {} if chosen is None else {"compared groups": chosen}
    return {**comparison.groups, **together, "all groups": comparison.overall}


def measure_numbers(made: Made) -> Numbers:
    """Return every fairness measure, effect size and test, one per row."""
    rows: list[tuple[Cell, ...]] = []
    for metric, comparison in made:
        start = (comparison.attribute, comparison.label, metric.column)
        for gap in comparison.gaps:
            pair = gap.between if len(gap.between) == 2 else ("", "")
            rows.append(
                (
                    *start, gap.name, *pair, *with_ends(gap.value, gap.interval),
                    gap.simultaneous.low, gap.simultaneous.high, gap.by_chance, gap.p_value,
                    gap.corrected_p,
                )
            )  # fmt: skip
        for effect in comparison.effects:
            delta = with_ends(effect.cliffs_delta, effect.interval)
            rows.append((*start, "cliffs_delta", *effect.between, *delta, *([None] * 5)))
            rows.append(
                (*start, "detectable_gap", *effect.between, effect.detectable_gap, *[None] * 7)
            )
        if comparison.test is not None:
            test = comparison.test
            ends = (None,) * 5
            rows.append(
                (*start, test.name, "", "", test.statistic, *ends, test.p_value, test.corrected_p)
            )
    columns = (
        "attribute", "label", "metric", "measure", "reference", "group",
        *interval_columns("value"), "simultaneous_low", "simultaneous_high", "by_chance", "p",
        "corrected_p",
    )  # fmt: skip
    return Numbers(columns, tuple(rows))


def pair_test_numbers(made: Made) -> Numbers:
    """Return the tests of every two groups, one per row."""
    rows: list[tuple[Cell, ...]] = []
    for metric, comparison in made:
        start = (comparison.attribute, comparison.label, metric.column)
        for pair in comparison.pairs:
            test = pair.test
            told = (test.name, test.statistic, test.p_value, test.corrected_p)
            rows.append((*start, *pair.between, pair.cliffs_delta, *told))
    columns = (
        "attribute", "label", "metric", "group", "other_group", "cliffs_delta", "test",
        "statistic", "p", "corrected_p",
    )  # fmt: skip
    return Numbers(columns, tuple(rows))


def difference_numbers(
    result: EvaluationResult, attribute: str, metrics: Sequence[MetricInfo], labels: Sequence[str]
) -> Numbers:
    """Return the difference of the medians of each pair that has an interval, label by label.

    The difference is that of the reference group minus the other.
    """
    rows: list[tuple[Cell, ...]] = []
    for comparison in result.comparisons:
        metric = result.metric(comparison.metric)
        if comparison.attribute != attribute or metric not in metrics:
            continue
        if comparison.label not in labels:
            continue
        for gap in fairness_gaps(comparison):
            limits = deciding_interval(gap)
            ends = (gap.interval.low, gap.interval.high, limits.low, limits.high)
            rows.append((comparison.label, metric.column, *gap.between, gap.value, *ends))
    columns = (
        "label", "metric", "reference", "group", "reference_minus_group", "interval_low",
        "interval_high", "deciding_interval_low", "deciding_interval_high",
    )  # fmt: skip
    return Numbers(columns, tuple(rows))


def median_numbers(made: Sequence[Comparison], metric: MetricInfo) -> Numbers:
    """Return the medians of every label and group by one metric."""
    rows: list[tuple[Cell, ...]] = []
    for comparison in made:
        p = None if comparison.test is None else comparison.test.p_value
        for group, found in comparison.groups.items():
            values = with_ends(found.median, found.median_interval)
            rows.append((comparison.label, group, found.n_patients, found.n_cases, *values, p))
    columns = ("label", "group", "patients", "cases", *interval_columns("median", metric),
               "p_of_the_label")  # fmt: skip
    return Numbers(columns, tuple(rows))


def failure_numbers(result: EvaluationResult, failures: Sequence[FailureComparison]) -> Numbers:
    """Return the failure rates of every group."""
    rows: list[tuple[Cell, ...]] = []
    for found in failures:
        start = (found.attribute, found.label, result.metric(found.metric).column, found.threshold)
        p = (None, None) if found.test is None else (found.test.p_value, found.test.corrected_p)
        for group, rate in found.groups.items():
            shares = with_ends(rate.rate, rate.interval)
            rows.append((*start, group, rate.n_patients, rate.n_failed, *shares, *p))
    columns = (
        "attribute", "label", "metric", "threshold", "group", "patients", "failed",
        *interval_columns("failure_rate"), "p", "corrected_p",
    )  # fmt: skip
    return Numbers(columns, tuple(rows))


def adjusted_numbers(result: EvaluationResult, gaps: Sequence[AdjustedGap]) -> Numbers:
    """Return gaps of means as found and adjusted."""
    rows: list[tuple[Cell, ...]] = []
    for gap in gaps:
        p = (None, None) if gap.test is None else (gap.test.p_value, gap.test.corrected_p)
        rows.append(
            (
                gap.attribute, gap.label, result.metric(gap.metric).column, *gap.between,
                *with_ends(gap.crude, gap.crude_interval), " ".join(gap.confounders),
                *with_ends(gap.value, gap.interval), *gap.n, *gap.effective, *p,
            )
        )  # fmt: skip
    columns = (
        "attribute", "label", "metric", "reference", "group",
        *interval_columns("gap_of_means_as_found"), "adjusted_for",
        *interval_columns("adjusted_gap_of_means"), "reference_patients", "group_patients",
        "reference_patients_in_effect", "group_patients_in_effect", "p", "corrected_p",
    )  # fmt: skip
    return Numbers(columns, tuple(rows))


def subgroup_numbers(found: Discovery, metric: MetricInfo) -> Numbers:
    """Return the discovered subgroups."""
    rows: list[tuple[Cell, ...]] = []
    for group in found.subgroups:
        told = group.confirmation
        held_out = (
            (None, None, None, None)
            if told is None
            else (told.n_patients, told.mean, told.divergence, told.corrected_p)
        )
        rows.append(
            (
                group.name, group.n_patients, group.n_cases, group.mean, group.divergence,
                group.shrunken_divergence, group.z, group.p_value, group.corrected_p, *held_out,
            )
        )  # fmt: skip
    unit = metric.column
    columns = (
        "subgroup", "patients", "cases", f"mean_{unit}", f"divergence_{unit}",
        f"shrunken_divergence_{unit}", "z_of_ranks", "p", "corrected_p", "patients_held_out",
        f"mean_{unit}_held_out", f"divergence_{unit}_held_out", "corrected_p_held_out",
    )  # fmt: skip
    return Numbers(columns, tuple(rows))


def pair_numbers(pair: PairHeatmap, metric: MetricInfo) -> Numbers:
    """Return the means of a table of two attributes."""
    rows: list[tuple[Cell, ...]] = [
        (row, column, patients, mean)
        for row, means, counts in zip(pair.row_groups, pair.mean, pair.n_patients, strict=True)
        for column, mean, patients in zip(pair.column_groups, means, counts, strict=True)
    ]
    columns = (pair.rows, pair.columns, "patients", f"mean_{metric.column}")
    return Numbers(columns, tuple(rows))
