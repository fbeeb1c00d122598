"""How exactly values are shown; golden values are worked out by hand."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nnunetv2_fair.evaluation.disclosure.precision import (
    Sample,
    beside,
    difference_limits,
    limits_to_step,
    quantile_limits,
    ratio_step,
    rounded_in_order,
    shown_p,
    significant,
    significant_up,
    step_for,
    to_step,
)
from nnunetv2_fair.evaluation.results.values import NO_INTERVAL, Interval


def sample(values, patients=None) -> Sample:
    values = np.asarray(values, dtype=float)
    return Sample(values, np.arange(len(values)) if patients is None else np.asarray(patients))


@pytest.mark.parametrize(
    ("least", "step"),
    [(0, 0.001), (0.001, 0.001), (0.0011, 0.002), (0.0024, 0.005), (0.009, 0.01), (2.5, 5.0)],
)
def test_steps_have_one_digit(least, step):
    assert step_for(least) == step


def test_no_step_is_large_enough_for_infinity():
    assert math.isnan(step_for(math.inf))
    assert math.isnan(to_step(0.5, math.nan))
    assert to_step(math.inf, 0.1) == math.inf


@given(
    st.lists(st.integers(0, 60).map(math.sqrt), min_size=20, max_size=60),
    st.floats(0, 1),
)
def test_five_patients_are_rounded_to_what_is_shown(values, share):
    drawn = sample(values)
    value = float(np.quantile(drawn.values, share))
    step = drawn.quantile_step(value)
    if not math.isnan(step):
        shown = to_step(value, step)
        same = np.abs(drawn.values - shown) <= step / 2 + 1e-9
        assert same.sum() >= 5
        spread = drawn.values.std(ddof=1)
        assert 1.25 * spread / math.sqrt(len(values)) <= step <= max(0.001, 1.5 * spread)


def test_medians_are_shown_from_twenty_patients_on_and_quartiles_from_forty():
    assert math.isnan(sample(np.linspace(0.7, 0.701, 19)).quantile_step(0.7005))
    assert sample(np.linspace(0.7, 0.7001, 20)).quantile_step(0.7) == 0.001
    assert not sample(np.linspace(0.7, 0.8, 39)).tells_quartiles
    limits = Interval(0.7, 0.7001)
    assert repr(quantile_limits(limits, sample(np.linspace(0.7, 0.7001, 39)))) == repr(NO_INTERVAL)
    assert quantile_limits(limits, sample(np.linspace(0.7, 0.7001, 40))) == Interval(0.7, 0.701)


def test_a_median_is_not_shown_more_exactly_than_chance_allows():
    drawn = sample(np.r_[np.full(20, 0.8), np.linspace(0.6, 1.0, 80)])  # SD 0.105, SE 0.0105
    assert drawn.quantile_step(0.8) == 0.02


def test_images_of_few_patients_are_few():
    values = np.full(40, 0.8)
    few = sample(values, np.r_[np.zeros(21), np.arange(1, 20)])
    assert few.n_patients == 20
    assert few.quantile_step(0.8) == 0.001
    spread = sample(np.r_[np.full(21, 0.8), np.linspace(0.1, 0.4, 19)], few.patients)
    # 21 images, but of one patient
    assert math.isnan(spread.quantile_step(0.8))


def test_infinite_medians_are_shown_if_five_are_infinite():
    assert sample([*range(15), *[math.inf] * 5]).quantile_step(math.inf) == 0.001
    assert math.isnan(sample([*range(16), *[math.inf] * 4]).quantile_step(math.inf))


@pytest.mark.parametrize(
    ("values", "told"),
    [
        pytest.param([0.1, 0.2, 0.3, 0.4, 0.5], True, id="five-different"),
        pytest.param([1, 1, 1, 1, 0.4], False, id="one-failed"),
        pytest.param([1] * 20 + [0] * 4, False, id="four-failed"),
        pytest.param([1] * 20 + [0] * 5, True, id="five-failed"),
        pytest.param([1] * 8, True, id="none-failed"),
        pytest.param([*np.linspace(2, 4, 30), 300.0], False, id="one-far-away"),
        pytest.param([*np.linspace(2, 4, 30), *[300.0] * 5], True, id="five-far-away"),
        pytest.param([*np.linspace(2, 4, 30), math.inf], False, id="infinite"),
        pytest.param([], False, id="nobody"),
    ],
)
def test_means_that_tell_of_few(values, told):
    assert sample(values).tells_mean is told


def test_a_mean_is_rounded_to_half_its_standard_error():
    drawn = sample(np.tile([0.7, 0.9], 50))  # SD 0.1005, SE 0.01005
    assert drawn.mean_step == 0.01
    assert drawn.end_step == 0.02
    assert drawn.spread_step == 0.005
    assert sample(np.tile([0.7, 0.9], 50000)).mean_step == 0.001
    # of few patients not even the spread is told, and their mean no more exactly than that
    assert sample(np.linspace(0.7, 0.9, 9)).mean_step == 0.1


def test_both_ends_are_hidden_if_one_is():
    assert repr(limits_to_step(Interval(0.1, 0.2), math.nan, 0.1)) == repr(NO_INTERVAL)
    assert limits_to_step(Interval(0.14, 0.26), 0.1, 0.1) == Interval(0.1, 0.3)
    drawn = sample([*np.linspace(0.8, 0.81, 60), 0.2])
    assert repr(quantile_limits(Interval(0.2, 0.805), drawn)) == repr(NO_INTERVAL)
    assert quantile_limits(Interval(0.8, 0.81), drawn).low == pytest.approx(0.8, abs=0.01)


@given(st.floats(-5, 5), st.floats(0, 5), st.sampled_from([0.001, 0.02, 0.5, 1.0]))
def test_a_rounded_interval_holds_the_interval(low, width, step):
    true = Interval(low, low + width)
    shown = limits_to_step(true, step, step)
    slack = 2e-6 * step + 1e-6
    assert shown.low <= true.low + slack
    assert shown.high >= true.high - slack
    assert shown.high - shown.low <= width + 2 * step + slack
    assert math.copysign(1, shown.high) == 1 or shown.high < 0  # no minus zero


def test_multiples_of_the_step_stay_as_they_are():
    assert limits_to_step(Interval(0.3, 0.7), 0.1, 0.1) == Interval(0.3, 0.7)


@given(st.lists(st.tuples(st.floats(0, 1), st.sampled_from([0.001, 0.002, 0.05, 0.2])), max_size=6))
def test_groups_keep_their_order(drawn):
    values = {str(place): value for place, (value, _) in enumerate(drawn)}
    own = {str(place): step for place, (_, step) in enumerate(drawn)}
    shown = rounded_in_order(values, lambda name, least: step_for(max(least, own[name])))
    for one in values:
        assert abs(shown[one] - values[one]) <= max(own.values()) / 2 + 1e-6
        for other in values:
            assert values[one] >= values[other] or shown[one] <= shown[other]


def test_a_finer_number_is_rounded_as_the_coarser_where_it_would_contradict_it():
    steps = {"few": 0.1, "many": 0.01, "more": 0.01}
    values = {"few": 0.84, "many": 0.82, "more": 0.71}
    shown = rounded_in_order(values, lambda name, least: max(least, steps[name]))
    assert shown == {"few": 0.8, "many": 0.8, "more": 0.71}


@pytest.mark.parametrize(
    ("value", "shown", "true", "told"),
    [
        pytest.param(0.02, (0.01, 0.03), (0.011, 0.028), (0.02, (0.01, 0.03)), id="agree"),
        pytest.param(0.19, (0.2, 0.3), (0.21, 0.28), (0.19, (0.19, 0.3)), id="widened"),
        pytest.param(0.0, (0.1, 0.2), (0.12, 0.2), (math.nan, (0.1, 0.2)), id="zero-outside"),
        pytest.param(0.1, (0.0, 0.2), (0.02, 0.2), (0.1, None), id="only-looks-like-zero"),
        pytest.param(0.0, (0.0, 0.2), (0.02, 0.2), (math.nan, None), id="both"),
        pytest.param(0.25, (-0.1, 0.2), (-0.1, 0.2), (0.25, (-0.1, 0.25)), id="across-zero"),
        pytest.param(0.1, (math.nan,) * 2, (0.01, 0.2), (0.1, None), id="hidden"),
        pytest.param(-0.3, (-0.28, -0.2), (-0.27, -0.2), (-0.3, (-0.3, -0.2)), id="negative"),
    ],
)
def test_a_value_and_its_interval_do_not_contradict_each_other(value, shown, true, told):
    found, limits = beside(value, Interval(*shown), Interval(*true))
    assert repr(found) == repr(told[0])
    assert repr(limits) == repr(NO_INTERVAL if told[1] is None else Interval(*told[1]))


def test_the_end_of_a_gap_is_not_one_patients_value():
    """The other group is so tight that the end of the gap is a patient's distance from it."""
    tight = sample(np.linspace(0.9, 0.9001, 40))
    wide = sample([0.3, 0.35, *np.linspace(0.7, 0.9, 20)])
    limits = Interval(0.9 - 0.88, 0.9 - 0.3)
    found = difference_limits(limits, tight, wide)
    assert repr(found) == repr(NO_INTERVAL)
    near = difference_limits(Interval(0.03, 0.17), tight, wide)
    assert near.low == pytest.approx(0.03, abs=0.05)
    assert near.low != 0.03
    few = sample(np.linspace(0.7, 0.9, 19))
    assert repr(difference_limits(Interval(0.03, 0.17), tight, few)) == repr(NO_INTERVAL)


def test_ratios_and_effects_are_as_coarse_as_what_they_are_made_of():
    assert ratio_step(2.0, np.array([0.1, 0.2]), np.array([0.01, 0.01])) == 0.5
    assert math.isnan(ratio_step(2.0, np.array([0.0, 0.2]), np.array([0.01, 0.01])))
    assert math.isnan(ratio_step(2.0, np.array([0.1, 0.2]), np.array([0.01, math.nan])))
    assert significant(0.0734) == 0.05
    assert significant(0.0004) == 0.0
    assert math.isnan(significant(math.nan))
    assert significant_up(0.0734) == 0.1
    assert significant_up(0.21) == 0.3
    assert math.isnan(significant_up(math.nan))


def test_p_values_are_rounded_but_never_across_the_level():
    assert shown_p(0.464, 0.05) == 0.5
    assert shown_p(0.0123, 0.05) == 0.01
    assert shown_p(0.0004, 0.05) == 0.0
    assert shown_p(0.049, 0.05) == 0.045
    assert shown_p(0.0501, 0.05) == 0.06
    assert math.isnan(shown_p(math.nan, 0.05))


@given(st.floats(0, 1), st.sampled_from([0.05, 0.01, 0.1]))
def test_no_verdict_changes_by_rounding_p(p_value, level):
    assert (shown_p(p_value, level) < level) == (p_value < level)
