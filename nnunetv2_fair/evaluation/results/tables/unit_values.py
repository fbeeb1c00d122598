"""The individual values behind a group's statistics, for drawing."""

import numpy as np

from nnunetv2_fair.evaluation.results.evaluation import EvaluationResult
from nnunetv2_fair.evaluation.results.tables.per_case import evaluated_rows, metric_values


def unit_values(
    result: EvaluationResult, attribute: str, metric: str, label: str
) -> dict[str, np.ndarray]:
    """Return the values that a group's median and quartiles are made of, without names.

    One per patient, or per case if cases are what is counted: because the settings say so, or
    because patients of one group have more images than those of another (``Comparison.by_image``).

    Args:
        result: The evaluation.
        attribute: Attribute expression.
        metric: Name of the metric.
        label: Label or region, or ``average``.

    Returns:
        Group -> (n_values,) float, ascending, so that the order reveals nothing either. Undefined
        values are left out, infinite ones kept. A group without rows is an empty array.
    """
    comparison = result.comparison(attribute, metric, label)
    groups = comparison.groups
    info = result.metric(metric)
    frame = result.per_case
    if attribute not in frame.columns or info.column not in frame.columns:
        return {name: np.empty(0) for name in groups}
    rows = evaluated_rows(frame)
    policy = result.settings.get("empty_distance", "diagonal")
    values, _ = metric_values(rows, info, label, result.labels, policy)
    # every label has the same cases in the same order
    cases = rows[rows["label"] == result.labels[0]]
    # a group may be called 1: a table read back from a file has it as a number
    group = cases[attribute].astype(str).to_numpy(dtype=object)
    by_case = comparison.by_image or result.settings.get("unit") == "case"
    unit = "case" if by_case else "patient"
    names = cases[unit].to_numpy(dtype=object)
    found = {}
    for name in groups:
        chosen = (group == name) & ~np.isnan(values)
        _, place, counts = np.unique(names[chosen], return_inverse=True, return_counts=True)
        sums = np.bincount(place, weights=values[chosen], minlength=len(counts))
        found[name] = np.sort(sums / counts)
    return found
