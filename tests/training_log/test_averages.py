"""nnU-Net's own logger is the reference of the moving average."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nnunetv2_fair.training_log.averages import gap, moving_average

NAN = float("nan")


@given(st.lists(st.floats(0, 1), min_size=1, max_size=30))
def test_the_moving_average_is_nnunets(values):
    from nnunetv2.training.logging.nnunet_logger import MetaLogger

    logger = MetaLogger("", False)
    for epoch, value in enumerate(values):
        logger.log("mean_fg_dice", value, epoch)
    expected = logger.get_value("ema_fg_dice", None)
    np.testing.assert_allclose(moving_average(values), expected, atol=1e-12)


def test_an_epoch_without_value_leaves_the_average():
    found = moving_average([NAN, 0.5, NAN, 1.0])
    np.testing.assert_allclose(found, [NAN, 0.5, 0.5, 0.55])


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        pytest.param([0.5, 0.9, 0.8], 0.4, id="0.9-minus-0.5"),
        pytest.param([0.5, NAN, 0.8], 0.3, id="nan-left-out"),
        pytest.param([0.5, NAN], NAN, id="nothing-to-compare"),
        pytest.param([], NAN, id="nobody"),
    ],
)
def test_gap(values, expected):
    assert gap(values) == pytest.approx(expected, nan_ok=True)
    assert math.isnan(gap(values)) or gap(values) >= 0
