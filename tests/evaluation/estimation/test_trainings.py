"""Errors of several trainings: formulas against scipy, and how often intervals miss."""

import math

import numpy as np
import pytest
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st

from nnunetv2_fair.evaluation.estimation.trainings import (
    NO_ERROR,
    TrainingError,
    p_with_trainings,
    share_of_variance,
    training_error,
    widened,
)
from nnunetv2_fair.evaluation.results.values import Interval


def test_error_of_repeats_is_that_of_students_t():
    values = np.array([0.81, 0.84, 0.79, 0.83])
    error = training_error(values - values.mean(), "repeats")
    low, high = scipy.stats.t.interval(0.95, 3, values.mean(), scipy.stats.sem(values))
    assert error.reach(0.025) == pytest.approx((high - low) / 2)


def test_error_of_folds_has_nadeau_and_bengios_correction():
    values = np.array([0.81, 0.84, 0.79, 0.83, 0.80])
    repeats, folds = (training_error(values - values.mean(), k) for k in ("repeats", "folds"))
    # (1/5 + n_test/n_train) S^2 with a quarter as many cases left out as trained on
    assert folds.variances[0] == pytest.approx((1 / 5 + 1 / 4) * values.var(ddof=1))
    assert share_of_variance("folds", 5) / share_of_variance("repeats", 5) == pytest.approx(2.25)
    assert folds.reach(0.025) > repeats.reach(0.025)


def test_two_methods_have_a_quantile_each():
    one, other = training_error([0.01, -0.01], "repeats"), training_error([0.0, 0.1, -0.1], "folds")
    t = scipy.stats.t.ppf(0.99, [1, 2])
    expected = math.sqrt((t**2 * [one.variances[0], other.variances[0]]).sum())
    assert (one + other).reach(0.01) == pytest.approx(expected)
    assert NO_ERROR.reach(0.025) == 0


def test_interval_is_widened_on_each_side_by_itself():
    error = TrainingError(np.array([0.01**2]), np.array([2.0]))
    reach = 0.01 * scipy.stats.t.ppf(0.975, 2)
    found = widened(0.5, Interval(0.45, 0.52), error, 0.95)
    assert found.low == pytest.approx(0.5 - math.hypot(0.05, reach))
    assert found.high == pytest.approx(0.5 + math.hypot(0.02, reach))
    assert widened(0.5, Interval(0.45, 0.52), NO_ERROR, 0.95) == Interval(0.45, 0.52)


@pytest.mark.parametrize(
    ("interval", "variance"),
    [(Interval(math.nan, math.nan), 0.1), (Interval(0.1, 0.2), math.nan)],
)
def test_what_is_unknown_has_no_interval_and_no_p(interval, variance):
    error = TrainingError(np.array([variance]), np.array([2.0]))
    found = widened(0.15, interval, error, 0.95)
    assert math.isnan(found.low)
    assert math.isnan(found.high)
    assert math.isnan(p_with_trainings(math.nan, 0.1, error))


@settings(max_examples=60, deadline=None)
@given(
    p=st.floats(1e-12, 0.999),
    value=st.floats(0.01, 1),
    spread=st.floats(1e-4, 1),
    freedom=st.integers(1, 9),
    groups=st.integers(2, 6),
)
def test_p_solves_its_equation_and_never_falls(p, value, spread, freedom, groups):
    error = TrainingError(np.array([spread**2]), np.array([float(freedom)]))
    found = p_with_trainings(p, value, error, groups)
    assert found >= p
    if p < found < 1:
        t = scipy.stats.t.isf(found / 2, freedom)
        chi2 = scipy.stats.chi2(groups - 1)
        total = (t * spread / value) ** 2 + chi2.isf(found) / chi2.isf(p)
        assert total == pytest.approx(1, rel=1e-6)


def test_p_agrees_with_the_interval():
    error = training_error([0.01, -0.015, 0.005], "repeats")
    value, standard_error = 0.1, 0.02
    p = p_with_trainings(2 * scipy.stats.norm.sf(value / standard_error), value, error)
    far = scipy.stats.norm.isf(p / 2) * standard_error
    found = widened(value, Interval(value - far, value + far), error, 1 - p)
    assert found.low == pytest.approx(0, abs=1e-9)


def test_limits_of_p():
    error = TrainingError(np.array([0.02**2]), np.array([2.0]))
    assert p_with_trainings(0.0, 0.1, error) == pytest.approx(
        2 * scipy.stats.t.sf(5, 2), rel=1e-2
    )  # patients leave no doubt, trainings do
    assert p_with_trainings(0.03, 0.1, NO_ERROR) == 0.03
    assert p_with_trainings(0.03, 0.1, TrainingError(np.zeros(1), np.ones(1))) == 0.03
    assert p_with_trainings(0.03, 0.0, error) == 1
    assert p_with_trainings(1.0, 0.1, error) == 1


@pytest.mark.parametrize("number", [2, 3, 5])
@pytest.mark.parametrize("by_patients", [0.0, 0.1, 0.3, 1.0, 3.0])
def test_intervals_miss_in_at_most_five_percent(number, by_patients):
    rng = np.random.default_rng(number)
    draws, patients = 8000, 100
    trainings = rng.standard_normal((draws, number))
    sample = by_patients * rng.standard_normal((draws, patients)) * math.sqrt(patients / number)
    estimate = trainings.mean(axis=1) + sample.mean(axis=1)
    by_training = trainings.var(axis=1, ddof=1) / number
    by_patient = sample.var(axis=1, ddof=1) / patients
    quantiles = scipy.stats.t.ppf(0.975, [number - 1, patients - 1])
    reach = np.sqrt(quantiles[0] ** 2 * by_training + quantiles[1] ** 2 * by_patient)
    errors = [TrainingError(np.array([v]), np.array([number - 1.0])) for v in by_training[:50]]
    for index, error in enumerate(errors):
        alone = quantiles[1] * math.sqrt(by_patient[index])
        found = widened(0.0, Interval(-alone, alone), error, 0.95)
        assert found.high == pytest.approx(reach[index])
    assert (np.abs(estimate) > reach).mean() <= 0.05 + 2 * math.sqrt(0.05 * 0.95 / draws)
