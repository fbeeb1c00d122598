"""Cup-to-disc ratios, worked out by hand."""

import math

import numpy as np

from nnunetv2_fair.evaluation.downstream.cup_disc import cup_to_disc


def test_by_hand():
    disc = np.zeros((12, 9), bool)
    disc[1:11, 2:7] = True  # 10 rows, 50 pixels
    cup = np.zeros_like(disc)
    cup[3:6, 3:5] = True
    cup[7, 4] = True  # rows 3 to 7, 7 pixels
    assert cup_to_disc(cup, disc) == (0.5, 7 / 50)


def test_no_cup_and_no_disc():
    disc = np.ones((3, 4), bool)
    none = np.zeros_like(disc)
    assert cup_to_disc(none, disc) == (0, 0)
    assert all(math.isnan(ratio) for ratio in cup_to_disc(none, none))
