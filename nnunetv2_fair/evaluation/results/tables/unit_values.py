"""The individual values behind a group's statistics, for drawing."""

import numpy as np
import pandas as pd

from nnunetv2_fair.evaluation.results.evaluation import EvaluationResult
from nnunetv2_fair.evaluation.results.tables.per_case import AVERAGE


def unit_values(
    result: EvaluationResult, attribute: str, metric: str, label: str
) -> dict[str, np.ndarray]:
    """Return one value per unit (patient or case) of each group, without names.

    Args:
        result: The evaluation.
        attribute: Attribute expression.
        metric: Name of the metric.
        label: Label or region, or ``average``.

    Returns:
        Group -> (n_units,) float, ascending, so that the order reveals nothing either. Undefined
        values are left out, infinite ones kept. A group without rows is an empty array.
    """
    groups = result.comparison(attribute, metric, label).groups
    info = result.metric(metric)
    frame = result.per_case
    if attribute not in frame.columns or info.column not in frame.columns:
        return {name: np.empty(0) for name in groups}
    single = [name for name in result.labels if name != AVERAGE]
    wanted = single if label == AVERAGE else [label]
    rows = frame[frame["label"].isin(wanted)]
    rows = pd.DataFrame(
        {
            "case": rows["case"],
            "patient": rows["patient"],
            # a group may be called 1: a table read back from a file has it as a number
            "group": rows[attribute].astype(str),
            "value": _as_aggregated(result, rows, info.column, info.unit),
        }
    ).dropna(subset="value")
    # a case's average is that of its defined labels; a patient's value that of the cases
    cases = rows.groupby(["group", "patient", "case"], sort=False)["value"].mean()
    if result.settings.get("unit") == "case":
        units = cases
    else:
        units = cases.groupby(level=["group", "patient"], sort=False).mean()
    of_unit = units.index.get_level_values("group")
    values = units.to_numpy(dtype=float)
    return {name: np.sort(values[np.asarray(of_unit == name, dtype=bool)]) for name in groups}


def _as_aggregated(
    result: EvaluationResult, rows: pd.DataFrame, column: str, unit: str
) -> pd.Series:
    """Treat infinite distances as the evaluation's statistics did."""
    values = rows[column].astype(float)
    policy = result.settings.get("empty_distance", "diagonal")
    diagonal = f"diagonal_{unit}"
    if policy == "diagonal" and unit and diagonal in rows.columns:
        return values.mask(np.isposinf(values), rows[diagonal].astype(float))
    if policy == "nan":
        return values.mask(np.isposinf(values))
    return values
