"""Differences in words: worse or better, with their interval."""

import math

import pytest

from nnunetv2_fair.evaluation.results.values import NO_INTERVAL, Interval
from nnunetv2_fair.report.of_evaluation.differences import Disadvantage


@pytest.mark.parametrize(
    ("value", "limits", "words", "interval"),
    [
        (0.045, Interval(0.01, 0.07), "0.045 worse", "0.010 to 0.070 worse"),
        (-0.045, Interval(-0.07, -0.01), "0.045 better", "0.010 to 0.070 better"),
        (0.01, Interval(-0.02, 0.03), "0.010 worse", "0.020 better to 0.030 worse"),
        (0.0, Interval(0.0, 0.0), "0.000", "0.000 to 0.000"),
        (0.0, Interval(0.0, 0.02), "0.000", "0.000 to 0.020 worse"),
        (math.nan, NO_INTERVAL, "\N{EN DASH}", ""),
    ],
)
def test_words(value, limits, words, interval):
    found = Disadvantage(value, limits, "")
    assert (found.words, found.interval_words) == (words, interval)
