import math

import numpy as np
import pandas as pd
import pytest

from nnunetv2_fair.errors import EvaluationError
from nnunetv2_fair.evaluation.papers.mama_mia_scores import mama_mia_scores, normalised_hd95


def table(**columns: list) -> pd.DataFrame:
    return pd.DataFrame(columns)


def test_mama_mia_by_hand():
    scores = mama_mia_scores(
        table(
            dice=[0.8, 0.6, 0.9, 0.0],
            hd95_voxels=[15.0, 30.0, 7.5, math.inf],
            age=["0-40", "0-40", "71+", "71+"],
            density=["a", None, "b", ""],
        )
    )
    dice, distance = (0.8 + 0.6 + 0.9) / 4, (0.1 + 0.2 + 0.05 + 1) / 4
    assert scores.performance == pytest.approx((dice + 1 - distance) / 2)
    age = 1 - (abs(0.7 - 0.45) + abs(0.15 - 0.525)) / 2
    density = 1 - (0.1 + 0.05) / 2
    assert scores.fairness == pytest.approx({"age": age, "density": density})
    assert scores.fairness_score == pytest.approx((age + density) / 2)
    assert scores.total == pytest.approx((scores.performance + scores.fairness_score) / 2)


def test_mama_mia_distance_is_clipped_only_on_request():
    distances = np.array([75.0, 300.0, math.inf, math.nan])
    assert normalised_hd95(distances) == pytest.approx([0.5, 2.0, 1.0, math.nan], nan_ok=True)
    assert normalised_hd95(distances, clip=True) == pytest.approx(
        [0.5, 1.0, 1.0, math.nan], nan_ok=True
    )
    frame = table(dice=[0.5, 0.5], hd95_voxels=[300.0, 75.0], age=["x", "y"])
    assert mama_mia_scores(frame).performance == pytest.approx((0.5 + 1 - 1.25) / 2)
    assert mama_mia_scores(frame, clip=True).performance == pytest.approx((0.5 + 1 - 0.75) / 2)


def test_mama_mia_leaves_out_undefined_cases():
    full = table(dice=[0.5, 0.7], hd95_voxels=[30.0, 60.0], age=["x", "y"])
    more = table(dice=[0.5, 0.7, math.nan], hd95_voxels=[30.0, 60.0, math.nan], age=["x", "y", "x"])
    with pytest.warns(UserWarning, match="1 of 3 cases have no Dice"):
        assert mama_mia_scores(more) == mama_mia_scores(full)


def test_mama_mia_refuses_other_tables():
    with pytest.raises(EvaluationError, match=r"columns dice, age; expected .*'hd95_voxels'"):
        mama_mia_scores(table(dice=[0.5], age=["x"]))
    with pytest.raises(EvaluationError, match="at least one variable"):
        mama_mia_scores(table(dice=[0.5], hd95_voxels=[3.0]))
    nothing = table(dice=[math.nan], hd95_voxels=[3.0], age=["x"])
    with (
        pytest.warns(UserWarning, match="1 of 1"),
        pytest.raises(EvaluationError, match="no case with a Dice"),
    ):
        mama_mia_scores(nothing)
