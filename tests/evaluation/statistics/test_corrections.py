"""Corrections of p-values, by hand and against statsmodels."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from statsmodels.stats.multitest import multipletests

from nnunetv2_fair.evaluation.statistics.corrections import holm


def by_hand(p_values):
    order = sorted(range(len(p_values)), key=lambda i: p_values[i])
    corrected, largest = [0.0] * len(p_values), 0.0
    for rank, index in enumerate(order):
        largest = max(largest, min(1.0, (len(p_values) - rank) * p_values[index]))
        corrected[index] = largest
    return corrected


@settings(max_examples=20, deadline=None)
@given(st.lists(st.floats(0, 1), max_size=12))
def test_holm_by_hand(p_values):
    assert holm(p_values) == pytest.approx(by_hand(p_values))


def test_holm_passes_over_tests_that_were_not_made():
    assert holm([0.01, math.nan, 0.04])[::2] == pytest.approx([0.02, 0.04])
    assert math.isnan(holm([0.01, math.nan])[1])


@settings(max_examples=50, deadline=None)
@given(st.lists(st.sampled_from([0.0, 1e-300, 0.01, 0.02, 0.5, 1.0]) | st.floats(0, 1), min_size=1))
def test_holm_is_what_statsmodels_says(p_values):
    assert holm(p_values) == list(multipletests(p_values, method="holm")[1])


def test_nothing_to_correct():
    assert holm([]) == []
    assert np.isnan(holm([math.nan, math.nan])).all()
