"""Results as fairlearn shows them."""

from typing import TYPE_CHECKING

import numpy as np

from nnunetv2_fair.errors import UsageError, shorten
from nnunetv2_fair.evaluation.results.evaluation import EvaluationResult
from nnunetv2_fair.evaluation.statistics.all_comparisons import evaluated_rows, metric_values

if TYPE_CHECKING:
    from fairlearn.metrics import MetricFrame


def to_metric_frame(
    result: EvaluationResult, attribute: str, label: str | None = None
) -> "MetricFrame":
    """Return a ``fairlearn.metrics.MetricFrame`` with the mean of every metric per group.

    Cases count one by one, as fairlearn knows no patients; infinite distances are treated as in
    the evaluation. Cases of unknown group are left out.

    Args:
        result: An evaluation.
        attribute: One of its attribute expressions.
        label: Label or region; the headline label if None.

    Raises:
        UsageError: If fairlearn is not installed, or the attribute or label was not evaluated.
    """
    try:
        from fairlearn.metrics import MetricFrame
    except ImportError as error:
        raise UsageError(
            "to_metric_frame needs fairlearn, which is not installed. Run: "
            "pip install nnunetv2_fair[fairlearn]"
        ) from error
    label = result.headline_label if label is None else label
    for what, value, known in (
        ("attribute", attribute, result.attributes),
        ("label", label, result.labels),
    ):
        if value not in known:
            raise UsageError(
                f"'{value}' is no {what} of this evaluation; it has {shorten(known, 20)}."
            )
    rows = evaluated_rows(result.per_case)
    groups = rows[rows["label"] == label][attribute].to_numpy(dtype=object)
    known = groups != ""
    policy = result.settings.get("empty_distance", "diagonal")
    metrics, parameters = {}, {}
    for metric in result.metrics:
        values, _ = metric_values(rows, metric, label, result.labels, policy)
        metrics[metric.column] = _mean_of
        parameters[metric.column] = {"values": values[known]}
    nothing = np.zeros(int(known.sum()))
    # fairlearn compares predictions with truths; the scores come as a parameter per case instead
    return MetricFrame(
        metrics=metrics,
        y_true=nothing,
        y_pred=nothing,
        sensitive_features={attribute: groups[known]},
        sample_params=parameters,
    )


def _mean_of(_true: np.ndarray, _predicted: np.ndarray, *, values: np.ndarray) -> float:
    defined = values[~np.isnan(values)]
    return float(defined.mean()) if defined.size else float("nan")
