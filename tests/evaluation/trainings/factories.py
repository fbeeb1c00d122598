"""Evaluations of trainings, made of drawn scores."""

import numpy as np
import pandas as pd

from nnunetv2_fair.evaluation.request import Request, ScoresFile, answer
from nnunetv2_fair.evaluation.results.evaluation import EvaluationResult
from nnunetv2_fair.evaluation.statistics.group_comparison import StatisticsSettings


def scores_of_trainings(
    seed: int = 0,
    n: int = 40,
    trainings: int = 3,
    common: float = 0.01,
    by_group: float = 0.01,
    start: str = "run",
) -> pd.DataFrame:
    """Return a table of Dice by training and case, with groups ``f`` and ``m``."""
    rng = np.random.default_rng(seed)
    sex = np.array(["f", "m"])[np.arange(n) % 2]
    patient = 0.06 * np.random.default_rng(99).standard_normal(n)
    parts = []
    for number in range(trainings):
        shift = common * rng.standard_normal() + by_group * np.where(
            sex == "f", *rng.standard_normal(2)
        )
        dice = 0.8 + patient + shift + 0.01 * rng.standard_normal(n)
        parts.append(
            pd.DataFrame(
                {
                    "case": [f"c{i:03d}" for i in range(n)],
                    "training": f"{start}_{number}",
                    "sex": sex,
                    "dice": np.clip(dice, 0, 1),
                }
            )
        )
    return pd.concat(parts)


def evaluated(
    table: pd.DataFrame, folder, trainings="repeats", name="m", n_bootstrap=100, **options
) -> EvaluationResult:
    """Evaluate a table as ``--from-csv`` does."""
    path = folder / f"{name}.csv"
    table.to_csv(path, index=False)
    statistics = StatisticsSettings(n_bootstrap=n_bootstrap)
    request = Request(
        ScoresFile(path, "csv"), ["sex"], statistics=statistics, trainings=trainings, **options
    )
    return answer(request).result
