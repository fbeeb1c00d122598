"""Post-hoc evaluation of any predictions; needs neither torch nor nnunetv2.

The names below are the public ones: ``from nnunetv2_fair.evaluation import evaluate`` is the whole
evaluation as one call.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nnunetv2_fair.evaluation.discovery.settings import DiscoverySettings
    from nnunetv2_fair.evaluation.downstream.settings import DownstreamSettings, Threshold
    from nnunetv2_fair.evaluation.metrics.two_masks import measure_masks
    from nnunetv2_fair.evaluation.model_comparison.comparison import compare_models
    from nnunetv2_fair.evaluation.request import evaluate, evaluate_csv
    from nnunetv2_fair.evaluation.results.comparison import ModelComparison
    from nnunetv2_fair.evaluation.results.evaluation import EvaluationResult
    from nnunetv2_fair.evaluation.results.failures import FailureCriterion
    from nnunetv2_fair.evaluation.run import EvaluationSettings
    from nnunetv2_fair.evaluation.statistics.group_comparison import StatisticsSettings
    from nnunetv2_fair.tables.settings import TableSettings

__all__ = [
    "DiscoverySettings",
    "DownstreamSettings",
    "EvaluationResult",
    "EvaluationSettings",
    "FailureCriterion",
    "ModelComparison",
    "StatisticsSettings",
    "TableSettings",
    "Threshold",
    "compare_models",
    "evaluate",
    "evaluate_csv",
    "measure_masks",
]

_MODULES = {
    "DiscoverySettings": "evaluation.discovery.settings",
    "DownstreamSettings": "evaluation.downstream.settings",
    "EvaluationResult": "evaluation.results.evaluation",
    "EvaluationSettings": "evaluation.run",
    "FailureCriterion": "evaluation.results.failures",
    "ModelComparison": "evaluation.results.comparison",
    "StatisticsSettings": "evaluation.statistics.group_comparison",
    "TableSettings": "tables.settings",
    "Threshold": "evaluation.downstream.settings",
    "compare_models": "evaluation.model_comparison.comparison",
    "evaluate": "evaluation.request",
    "evaluate_csv": "evaluation.request",
    "measure_masks": "evaluation.metrics.two_masks",
}


def __getattr__(name: str) -> Any:
    # late, as commands import parts of this package before they need pandas
    if name in _MODULES:
        return getattr(import_module(f"nnunetv2_fair.{_MODULES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
