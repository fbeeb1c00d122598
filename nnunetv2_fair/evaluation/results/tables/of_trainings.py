"""What each training of a method reaches, and how they vary: the mean (SD) that papers print."""

from collections.abc import Iterator, Sequence

import numpy as np

from nnunetv2_fair.evaluation.results.evaluation import EvaluationResult
from nnunetv2_fair.evaluation.results.groups import Comparison
from nnunetv2_fair.evaluation.results.tables.cells import number
from nnunetv2_fair.evaluation.results.tables.text_table import TextTable


def trainings_table(result: EvaluationResult, labels: Sequence[str]) -> TextTable:
    """Return the means of all groups and the fairness gaps of each training.

    Args:
        result: Of several trainings.
        labels: Labels to show.

    Returns:
        One row per attribute, label, metric and group or gap; a column per training, then mean and
        sample standard deviation (ddof 1) over them.
    """
    rows = []
    for comparison in result.comparisons:
        if comparison.label not in labels:
            continue
        info = result.metric(comparison.metric)
        key = comparison.attribute, comparison.metric, comparison.label
        each = [
            dict(_values(found))
            for training in result.trainings
            for found in training.comparisons
            if (found.attribute, found.metric, found.label) == key
        ]
        if len(each) < len(result.trainings):  # the average over labels, which some have not
            continue
        title = f"{info.title} ({info.unit})" if info.unit else info.title
        for what in each[0]:
            values = np.array([found.get(what, np.nan) for found in each])
            with np.errstate(invalid="ignore"):  # infinite distances
                summary = (float(values.mean()), float(values.std(ddof=1)))
            rows.append(
                (
                    comparison.attribute,
                    comparison.label,
                    title,
                    what,
                    *(number(float(value), info) for value in (*values, *summary)),
                )
            )
    return TextTable(
        "trainings",
        f"{result.name}: trainings",
        (
            "Attribute", "Label", "Metric", "What", *(t.name for t in result.trainings), "Mean",
            "SD",
        ),
        tuple(rows),
    )  # fmt: skip


def _values(comparison: Comparison) -> Iterator[tuple[str, float]]:
    for name, group in comparison.groups.items():
        yield f"mean of {name}", group.mean
    yield "mean of all groups", comparison.overall.mean
    for gap in comparison.gaps:
        if gap.name == "fairness_gap":
            yield f"gap of medians, {' - '.join(gap.between)}", gap.value
        elif gap.name == "delta":
            yield "largest minus smallest mean (Delta)", gap.value
