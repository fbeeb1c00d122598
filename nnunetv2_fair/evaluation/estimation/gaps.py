"""Fairness measures: pure functions of plain group scores.

``group_scores`` maps a group's name to its score. Groups whose score is NaN are left out and
named in a warning; with fewer than two groups left the measure is NaN. The functions ending in
``_along`` compute the same measures for many rows of scores at once, for the bootstrap.
"""

import math
import warnings
from collections.abc import Mapping
from typing import Literal

import numpy as np

from nnunetv2_fair.errors import EvaluationError, shorten

Deviation = Literal["std", "absolute"]


def fairness_gap(reference: float, other: float) -> float:
    """Return reference minus other: positive if the reference group scores higher.

    Args:
        reference: Score of the reference group, usually its median; NaN gives NaN.
        other: Score of the other group.

    Returns:
        The difference, in the unit of the scores.

    Source: Lee et al. 2025 (medians of Dice).
    """
    return float(reference) - float(other)


def skewed_error_ratio(group_scores: Mapping[str, float]) -> float:
    """Return the largest group error divided by the smallest, error being 1 minus the score.

    1 means equal errors. If no group has any error the ratio is 1; if only some have none it is
    infinite. On medians this is Lee et al.'s SER, on means APPLE's SKEW.

    Args:
        group_scores: Scores in 0..1, higher being better.

    Returns:
        The ratio, 1 or more, without unit; NaN if fewer than two groups have a score.

    Raises:
        EvaluationError: If a score is outside 0..1.

    Source: Lee et al. 2025; Xu et al. 2025 (APPLE).
    """
    scores = _known_scores(group_scores, within_unit_interval=True)
    return math.nan if scores.size < 2 else float(skewed_error_ratio_along(scores))


def max_min_gap(group_scores: Mapping[str, float]) -> float:
    """Return the best group's score minus the worst group's: 0 means equal scores.

    Args:
        group_scores: Score of each group, higher being better.

    Returns:
        The gap, 0 or more, in the unit of the scores; NaN if fewer than two groups have a score.

    Source: Xu et al. 2025 (APPLE's delta, on means).
    """
    scores = _known_scores(group_scores)
    return math.nan if scores.size < 2 else float(max_min_gap_along(scores))


def group_std(group_scores: Mapping[str, float]) -> float:
    """Return the sample standard deviation (ddof 1) over the groups: 0 means equal scores.

    Args:
        group_scores: Score of each group.

    Returns:
        The deviation, in the unit of the scores; NaN if fewer than two groups have a score.

    Source: Xu et al. 2025 (APPLE's std, on means; the printed values follow ddof 1).
    """
    scores = _known_scores(group_scores)
    return math.nan if scores.size < 2 else float(group_std_along(scores))


def equity_scaled(
    overall: float, group_scores: Mapping[str, float], deviation: Deviation = "std"
) -> float:
    """Return the overall score, scaled down by how much the groups deviate.

    Args:
        overall: Score over all groups together.
        group_scores: Score of each group.
        deviation: ``std``: overall / (1 + sample standard deviation of the group scores), as in
            FairDiff's tables; ``absolute``: overall / (1 + sum of |overall - group score|), as
            in FairSeg.

    Returns:
        The scaled score, at most ``overall``; NaN if fewer than two groups have a score.

    Raises:
        EvaluationError: If ``deviation`` is unknown.

    Source: Li et al. 2024 (FairDiff); Tian et al. 2024 (FairSeg).
    """
    scores = _known_scores(group_scores)
    if deviation not in ("std", "absolute"):
        raise EvaluationError(
            f'The deviation is "{deviation}", expected "std" (FairDiff) or "absolute" (FairSeg).'
        )
    if scores.size < 2:
        return math.nan
    return float(equity_scaled_along(np.asarray(float(overall)), scores, deviation))


def skewed_error_ratio_along(scores: np.ndarray) -> np.ndarray:
    """Compute :func:`skewed_error_ratio` over the last axis of finite scores."""
    errors = 1.0 - scores
    worst, best = errors.max(axis=-1), errors.min(axis=-1)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(worst == best, 1.0, worst / best)


def max_min_gap_along(scores: np.ndarray) -> np.ndarray:
    """Compute :func:`max_min_gap` over the last axis."""
    with np.errstate(invalid="ignore"):  # two infinite distances have no difference
        return np.asarray(scores.max(axis=-1) - scores.min(axis=-1))


def group_std_along(scores: np.ndarray) -> np.ndarray:
    """Compute :func:`group_std` over the last axis."""
    with np.errstate(invalid="ignore"):
        return np.asarray(scores.std(axis=-1, ddof=1))


def equity_scaled_along(
    overall: np.ndarray, scores: np.ndarray, deviation: Deviation
) -> np.ndarray:
    """Compute :func:`equity_scaled` over the last axis of ``scores``."""
    if deviation == "std":
        return np.asarray(overall / (1.0 + group_std_along(scores)))
    return np.asarray(overall / (1.0 + np.abs(overall[..., None] - scores).sum(axis=-1)))


def _known_scores(
    group_scores: Mapping[str, float], within_unit_interval: bool = False
) -> np.ndarray:
    unknown = [name for name, score in group_scores.items() if math.isnan(score)]
    if unknown:
        warnings.warn(
            f"Groups without a score are left out of the fairness measure: {shorten(unknown, 20)}",
            stacklevel=3,
        )
    known = {n: float(score) for n, score in group_scores.items() if not math.isnan(score)}
    outside = {name: score for name, score in known.items() if not 0 <= score <= 1}
    if within_unit_interval and outside:
        found = shorten(f"{name} {score:g}" for name, score in outside.items())
        raise EvaluationError(
            f"Group scores must be in 0..1 so that 1 minus the score is an error; found {found}. "
            "Pass fractions such as Dice, not per cent or distances."
        )
    return np.array(list(known.values()), dtype=float)
