"""The MAMA-MIA challenge's performance, fairness and ranking scores, from scores per case.

Source: MAMA-MIA challenge 2025, task 1, scoring_task1.py and metrics.py of the organisers.
"""

import warnings
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from nnunetv2_fair.errors import EvaluationError, shorten
from nnunetv2_fair.evaluation.estimation.gaps import max_min_gap
from nnunetv2_fair.evaluation.metrics.registry import NORM_HD_VOXELS

_DICE = "dice"
_HD95_VOXELS = "hd95_voxels"


@dataclass(frozen=True)
class MamaMiaScores:
    """Scores of the MAMA-MIA challenge, each in 0..1, higher being better.

    Attributes:
        performance: Half of mean Dice plus half of 1 minus mean normalised HD95.
        fairness: Variable -> 1 minus its disparity.
        fairness_score: Mean over the variables.
        total: Mean of performance and fairness score.
    """

    performance: float
    fairness: Mapping[str, float]
    fairness_score: float
    total: float


def normalised_hd95(hd95_voxels: np.ndarray, clip: bool = False) -> np.ndarray:
    """Return HD95 in voxels divided by 150; infinite distances (one mask empty) become 1.

    Args:
        hd95_voxels: Distances in voxels, any shape; NaN stays NaN.
        clip: Limit finite distances to 1 as the challenge's paper says; its official script does
            not, and neither does the default.
    """
    values = np.asarray(hd95_voxels, dtype=float)
    normalised = np.where(np.isinf(values), 1.0, values / NORM_HD_VOXELS)
    return np.minimum(normalised, 1.0) if clip else normalised


def mama_mia_performance(dice: float, normalised: float) -> float:
    """Return (Dice + 1 - normalised HD95) / 2."""
    return (dice + 1.0 - normalised) / 2


def mama_mia_total(performance: float, fairness_score: float) -> float:
    """Return the mean of performance and fairness score."""
    return (performance + fairness_score) / 2


def mama_mia_scores(table: pd.DataFrame, clip: bool = False) -> MamaMiaScores:
    """Score predictions as the MAMA-MIA challenge does.

    A variable's disparity is half the max-min gap of its groups' mean Dice plus half the max-min
    gap of their mean normalised HD95.

    Args:
        table: One row per case: ``dice`` (0..1), ``hd95_voxels`` (infinite if one mask is empty)
            and one column per variable with the group of each case. Cases whose group is missing
            (NaN, None or empty) are left out of that variable only; cases without Dice or distance
            are left out and counted in a warning. (The official script gives both-empty cases
            Dice 0 and distance 0: pass them like that to follow it.)
        clip: See :func:`normalised_hd95`.

    Raises:
        EvaluationError: If a column is absent or no case can be scored.

    Source: MAMA-MIA challenge 2025, task 1 scoring.
    """
    absent = [name for name in (_DICE, _HD95_VOXELS) if name not in table.columns]
    variables = [name for name in table.columns if name not in (_DICE, _HD95_VOXELS)]
    if absent or not variables:
        raise EvaluationError(
            f"The table has the columns {shorten(table.columns, 20) or 'none'}; expected "
            f"'{_DICE}', '{_HD95_VOXELS}' and at least one variable."
        )
    scored = table[table[_DICE].notna() & table[_HD95_VOXELS].notna()]
    if len(scored) < len(table):
        warnings.warn(
            f"{len(table) - len(scored)} of {len(table)} cases have no Dice or no distance and "
            "are left out",
            stacklevel=2,
        )
    if scored.empty:
        raise EvaluationError("The table has no case with a Dice and a distance; nothing to score.")
    distance = pd.Series(
        normalised_hd95(scored[_HD95_VOXELS].to_numpy(dtype=float), clip), index=scored.index
    )
    fairness = {}
    for variable in variables:
        group = scored[variable].replace("", np.nan)
        gaps = [
            max_min_gap({str(name): mean for name, mean in scores.groupby(group).mean().items()})
            for scores in (scored[_DICE].astype(float), distance)
        ]
        fairness[str(variable)] = 1.0 - sum(gaps) / 2
    performance = mama_mia_performance(float(scored[_DICE].mean()), float(distance.mean()))
    fairness_score = float(np.mean(list(fairness.values())))
    return MamaMiaScores(
        performance, fairness, fairness_score, mama_mia_total(performance, fairness_score)
    )
