"""Names that other programs import keep working, wherever the code has moved."""

import inspect

import numpy as np
import pandas as pd
import pytest

import nnunetv2_fair.evaluation
import nnunetv2_fair.report
from nnunetv2_fair.evaluation import gaps, surface
from nnunetv2_fair.losses.group_dro import GroupDRO


def parameters(function) -> list[str]:
    return list(inspect.signature(function).parameters)


def test_every_public_name_leads_to_something():
    for package in (nnunetv2_fair.evaluation, nnunetv2_fair.report):
        assert sorted(package._MODULES) == package.__all__ == sorted(package.__all__)
        for name in package.__all__:
            assert getattr(package, name).__name__ == name
        with pytest.raises(AttributeError, match=f"{package.__name__}.*no attribute 'other'"):
            package.other  # noqa: B018


def test_fairness_measures():
    assert sorted(gaps.__all__) == [
        "equity_scaled", "fairness_gap", "group_std", "mama_mia_scores", "max_min_gap",
        "skewed_error_ratio",
    ]  # fmt: skip
    scores = {"a": 0.8, "b": 0.6}
    assert gaps.fairness_gap(0.8, 0.6) == 0.8 - 0.6
    assert round(gaps.skewed_error_ratio(scores), 9) == 2
    assert round(gaps.max_min_gap(scores), 9) == 0.2
    assert round(gaps.group_std(scores), 9) == round(0.2 / 2**0.5, 9)
    assert round(gaps.equity_scaled(0.7, scores, "absolute"), 9) == round(0.7 / 1.2, 9)
    assert parameters(gaps.equity_scaled) == ["overall", "group_scores", "deviation"]
    table = pd.DataFrame({"dice": [0.8, 0.6], "hd95_voxels": [15.0, 30.0], "age": ["x", "y"]})
    found = gaps.mama_mia_scores(table)
    assert set(found.fairness) == {"age"}
    assert 0 < found.total < 1
    assert found.performance > 0


def test_surface_distances():
    mask = np.zeros((4, 6), dtype=bool)
    mask[1:3, 1:4] = True
    assert parameters(surface.surface_metrics)[:3] == ["reference", "prediction", "spacing_mm"]
    found = surface.surface_metrics(mask, np.roll(mask, 1, 1), (1.0, 2.0), tolerance_mm=2.0)
    assert (found.hd, found.nsd) == (2.0, 1.0)
    assert found.hd95 >= found.assd > 0


def test_group_dro():
    assert parameters(GroupDRO)[:2] == ["n_groups", "step_size"]
