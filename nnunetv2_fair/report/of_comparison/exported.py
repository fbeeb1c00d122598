"""The numbers behind the figures and tables of a comparison, in full precision.

Units stand in the headings; changes are a model's value minus the baseline's. What a shareable
comparison hides is empty here as well.
"""

from collections.abc import Iterable

from nnunetv2_fair.evaluation.results.comparison import (
    GROUP_MEAN,
    OVERALL_MEAN,
    ModelComparison,
    PairedComparison,
)
from nnunetv2_fair.evaluation.results.values import NO_INTERVAL
from nnunetv2_fair.report.drawing.numbers_table import Cell, Numbers, interval_columns, with_ends

_CHANGES = (
    "attribute", "label", "metric", "model", "quantity", "groups", "baseline_value", "model_value",
    *interval_columns("change"), "p", "corrected_p", "verdict", "direction", "finding",
)  # fmt: skip


def change_numbers(
    result: ModelComparison,
    entries: Iterable[PairedComparison],
    models: Iterable[str],
    quantities: Iterable[str] = (),
) -> Numbers:
    """Return changes that are decided upon, with simultaneous intervals: one per row.

    Args:
        result: The comparison.
        entries: Attributes, labels and metrics.
        models: Models other than the baseline.
        quantities: What changes; everything if empty.
    """
    wanted = {(e.attribute, e.label, e.metric) for e in entries}
    chosen, told = set(models), set(quantities)
    rows: list[tuple[Cell, ...]] = []
    for f in result.findings:
        if f.kind != "model_change" or (f.attribute, f.label, f.metric) not in wanted:
            continue
        if f.model not in chosen or (told and f.quantity not in told):
            continue
        values = (f.values.get(f.baseline), f.values.get(f.model))
        change = with_ends(f.value, f.interval)
        rows.append(
            (
                f.attribute, f.label, result.metric(f.metric).column, f.model, f.quantity,
                "; ".join(f.who), *values, *change, f.p_value, f.corrected_p, f.verdict,
                f.direction, f.sentence,
            )
        )  # fmt: skip
    return Numbers(_CHANGES, tuple(rows))


def group_changes(result: ModelComparison, entry: PairedComparison) -> Numbers:
    """Return the changes of all groups together and of each."""
    return change_numbers(result, [entry], result.others, (OVERALL_MEAN, GROUP_MEAN))


def score_numbers(result: ModelComparison, entry: PairedComparison) -> Numbers:
    """Return the mean of every model in every group."""
    metric = result.metric(entry.metric)
    rows: list[tuple[Cell, ...]] = []
    for model, scores in entry.per_model.items():
        everyone = with_ends(scores.overall_mean, scores.overall_interval)
        rows.append((model, "all groups", entry.n_patients, entry.n_cases, *everyone))
        for group, mean in scores.group_means.items():
            limits = scores.group_intervals.get(group, NO_INTERVAL)
            counts = (entry.group_patients.get(group), entry.group_cases.get(group))
            rows.append((model, group, *counts, *with_ends(mean, limits)))
    columns = ("model", "group", "patients", "cases", *interval_columns("mean", metric))
    return Numbers(columns, tuple(rows))


def measure_numbers(result: ModelComparison, entry: PairedComparison) -> Numbers:
    """Return the measures that describe the gap, of every model, with their changes."""
    rows: list[tuple[Cell, ...]] = []
    for model, scores in entry.per_model.items():
        for measure, (value, limits) in scores.gaps.items():
            moved = None
            if model != result.baseline:
                moved = entry.differences[model].gaps.get(measure)
            change = (None,) * 3 if moved is None else with_ends(moved.value, moved.interval)
            rows.append((model, measure, *with_ends(value, limits), *change))
    columns = ("model", "measure", *interval_columns("value"), *interval_columns("change"))
    return Numbers(columns, tuple(rows))
