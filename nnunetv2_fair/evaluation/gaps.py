"""Public names of the fairness measures; they are computed in ``statistics`` and ``papers``."""

from nnunetv2_fair.evaluation.estimation.gaps import (
    equity_scaled,
    fairness_gap,
    group_std,
    max_min_gap,
    skewed_error_ratio,
)
from nnunetv2_fair.evaluation.papers.mama_mia_scores import mama_mia_scores

__all__ = [
    "equity_scaled",
    "fairness_gap",
    "group_std",
    "mama_mia_scores",
    "max_min_gap",
    "skewed_error_ratio",
]
