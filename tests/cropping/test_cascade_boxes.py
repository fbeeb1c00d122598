"""Boxes from poor first predictions hold the organ: a short ``benchmarks/cascade_boxes.py``."""

import importlib.util
import sys
from pathlib import Path

import numpy as np
import pytest

#: Errors that no box can mend when they are large: the organ is elsewhere than is predicted.
UNKNOWABLE = ("shifted", "one side lost")
CASES = 12


@pytest.fixture(scope="module")
def simulation():
    path = Path(__file__).parents[2] / "benchmarks" / "cascade_boxes.py"
    spec = importlib.util.spec_from_file_location("cascade_boxes", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["cascade_boxes"] = module
    spec.loader.exec_module(module)
    yield module
    del sys.modules["cascade_boxes"]


def test_crops_hold_the_organ_from_dice_seven_tenths_on(simulation):
    results = simulation.all_errors(
        "pictures", alike=True, cases=CASES, margin=5, dice=(0.7, 0.9), everything=False
    )
    assert {one.error for one in results} == {
        error for error in simulation.ERRORS if error != "slices lost at one end"
    }
    for one in results:
        assert abs(one.reached - one.dice) < 0.1, one
        assert one.fallback < 0.3, one
        if one.error not in UNKNOWABLE or one.dice >= 0.9:
            assert one.mean >= simulation.PROMISED, one


def test_what_is_worse_is_told(simulation):
    """Nothing predicted falls back; a blob three times as large as the organ is no organ."""
    results = {
        one.error: one
        for one in simulation.all_errors("pictures", alike=True, cases=CASES, margin=5, dice=())
    }
    assert results["nothing predicted"].fallback == 1
    assert results["a false blob of 3 times the organ"].mean > 0.9


def test_errors_have_the_dice_that_is_asked_for(simulation):
    """Volumes, too: each error on one organ, against a Dice score of its own."""
    mask, _ = simulation.organs_of("volumes", 2, alike=False, seed=3)
    for name, plant in simulation.ERRORS.items():
        wrong = plant(mask, 0.8, np.random.default_rng(0))
        n_both = np.count_nonzero(wrong[mask])
        dice = 2 * n_both / (np.count_nonzero(wrong) + np.count_nonzero(mask))
        assert dice == pytest.approx(0.8, abs=0.08), name
