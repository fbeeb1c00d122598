"""Results as fairlearn shows them."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from nnunetv2_fair.errors import UsageError
from nnunetv2_fair.evaluation.results.tables.per_case import (
    EmptyDistance,
    evaluated_rows,
    metric_values,
)
from nnunetv2_fair.evaluation.results.values import MetricInfo

if TYPE_CHECKING:
    from fairlearn.metrics import MetricFrame


def to_metric_frame(
    per_case: pd.DataFrame,
    metrics: Sequence[MetricInfo],
    labels: Sequence[str],
    attribute: str,
    label: str,
    empty_distance: EmptyDistance,
) -> "MetricFrame":
    """Return a ``fairlearn.metrics.MetricFrame`` with the mean of every metric per group.

    Every case counts separately, as fairlearn does not know patients; infinite distances are
    treated as in the evaluation. Cases of unknown group are left out.

    Args:
        per_case: Rows as in ``EvaluationResult.per_case``.
        metrics: Metrics to show.
        labels: All labels and regions.
        attribute: Attribute expression; a column of ``per_case``.
        label: Label or region.
        empty_distance: What an infinite distance counts as.

    Raises:
        UsageError: If fairlearn is not installed.
    """
    try:
        from fairlearn.metrics import MetricFrame
    except ImportError as error:
        raise UsageError(
            "to_metric_frame needs fairlearn, which is not installed. Run: "
            "pip install nnunetv2_fair[fairlearn]"
        ) from error
    rows = evaluated_rows(per_case)
    groups = rows[rows["label"] == label][attribute].to_numpy(dtype=object)
    known = groups != ""
    means, parameters = {}, {}
    for metric in metrics:
        values, _ = metric_values(rows, metric, label, labels, empty_distance)
        means[metric.column] = _mean_of
        parameters[metric.column] = {"values": values[known]}
    nothing = np.zeros(int(known.sum()))
    # fairlearn compares predictions with truths; the scores come as a parameter per case instead
    return MetricFrame(
        metrics=means,
        y_true=nothing,
        y_pred=nothing,
        sensitive_features={attribute: groups[known]},
        sample_params=parameters,
    )


def _mean_of(_true: np.ndarray, _predicted: np.ndarray, *, values: np.ndarray) -> float:
    defined = values[~np.isnan(values)]
    return float(defined.mean()) if defined.size else float("nan")
