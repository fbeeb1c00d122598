"""Errors of masks whose error is known."""

import math

import numpy as np
import pytest

from nnunetv2_fair.audit.labels.mask_errors import mask_errors


def square(side: int, at: tuple[int, int] = (10, 10)) -> np.ndarray:
    mask = np.zeros((60, 80), dtype=bool)
    mask[at[0] : at[0] + side, at[1] : at[1] + side] = True
    return mask


def test_too_small_and_too_large():
    small = mask_errors(square(20), square(16, (12, 12)), (0.5, 0.5))
    assert small["volume"] == pytest.approx(math.log(256 / 400))
    assert -1.2 < small["boundary"] < -0.9  # two voxels of 0.5, more at the corners
    assert small["shift"] == pytest.approx(0)
    large = mask_errors(square(16, (12, 12)), square(20), (0.5, 0.5))
    assert large["volume"] == pytest.approx(-small["volume"])
    assert large["boundary"] == pytest.approx(-small["boundary"])


def test_shifted():
    found = mask_errors(square(20), square(20, (13, 14)), (2.0, 1.0))
    assert found["volume"] == 0
    assert found["shift"] == pytest.approx(math.hypot(3 * 2, 4))
    assert found["boundary"] == pytest.approx(0)


@pytest.mark.parametrize("pair", [(0, 5), (5, 0), (0, 0)])
def test_empty_masks_have_no_error(pair):
    assert mask_errors(*(square(side) for side in pair), (1.0, 1.0)) == {}
