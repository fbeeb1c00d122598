"""Means with failures: parts against pandas, draws against scipy, intervals by their coverage."""

import math

import numpy as np
import pandas as pd
import pytest
import scipy.integrate
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st

from nnunetv2_fair.evaluation.estimation.two_part import Cases, TwoPart, failed_cases, parts_of
from nnunetv2_fair.evaluation.results.values import Scale
from nnunetv2_fair.evaluation.statistics.group_comparison import (
    Observations,
    StatisticsSettings,
    compare_groups,
)

DICE = Scale("higher", 0.0, 1.0)
DISTANCE = Scale("lower", 0.0)
#: As far from its middle on both sides, so that t is not stretched.
EVEN = np.array([0.80, 0.84, 0.86, 0.88, 0.90, 0.92, 0.96])


def generator(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def one_image(values: np.ndarray, **further) -> TwoPart:
    failed = values == 0
    return TwoPart(failed.astype(float), values, 0.0, 0.0, 1.0, **further)


@pytest.mark.parametrize("seed", [0, 1])
def test_draws_have_the_distribution_of_both_parts(seed):
    part = one_image(np.r_[0.0, 0.0, EVEN])
    share = scipy.stats.beta(2.5, 7.5)
    others = scipy.stats.t(6, EVEN.mean(), EVEN.std(ddof=1) / math.sqrt(7))
    drawn = part.draws(40_000, generator(seed))
    for x in (0.5, 0.65, 0.75):
        expected, _ = scipy.integrate.quad(
            lambda p, x=x: share.pdf(p) * (others.cdf(x / (1 - p)) if x < 1 - p else 1.0), 0, 1
        )
        assert (drawn <= x).mean() == pytest.approx(expected, abs=0.01)


def test_without_failures_in_very_many_units_the_interval_is_students():
    part = one_image(EVEN, none_in=10**9)
    found = part.interval(40_000, generator(), 0.95)
    half = scipy.stats.t(6).ppf(0.975) * EVEN.std(ddof=1) / math.sqrt(7)
    assert found.low == pytest.approx(EVEN.mean() - half, abs=0.003)
    assert found.high == pytest.approx(EVEN.mean() + half, abs=0.003)


def test_a_group_without_failures_is_no_proof_that_there_are_none():
    few = one_image(EVEN, none_in=14).interval(4000, generator(), 0.95)
    many = one_image(EVEN, none_in=1400).interval(4000, generator(), 0.95)
    # of 14 units without a failure, up to 16% may fail
    assert few.low < many.low - 0.05
    assert few.high == pytest.approx(many.high, abs=0.02)


def test_both_ends_allow_for_the_coarseness_of_counts():
    part = one_image(np.r_[np.zeros(4), np.ones(46)])
    found = part.interval(40_000, generator(), 0.95)
    assert 1 - found.low == pytest.approx(scipy.stats.beta(4.75, 46.25).ppf(0.975), abs=0.003)
    assert 1 - found.high == pytest.approx(scipy.stats.beta(4.25, 46.75).ppf(0.025), abs=0.003)


def test_skewed_values_have_skewed_intervals():
    values = np.array([0.2, 0.8, 0.85, 0.86, 0.88, 0.9, 0.9, 0.92])
    found = one_image(values, none_in=10**9).interval(4000, generator(), 0.95)
    assert values.mean() - found.low > 1.5 * (found.high - values.mean())


@pytest.mark.parametrize("values", [[0.0, 0.0, 0.0], [0.0, 0.0, 0.9], [0.9]])
def test_no_interval_where_fewer_than_two_units_did_not_fail(values):
    found = one_image(np.array(values)).interval(100, generator(), 0.95)
    assert math.isnan(found.low)
    assert math.isnan(found.high)


def test_no_draws_no_interval():
    found = one_image(EVEN).interval(0, generator(), 0.95)
    assert math.isnan(found.low)


def test_draws_stay_within_the_possible_values():
    drawn = one_image(np.array([0.1, 0.9, 0.99, 0.0])).draws(2000, generator())
    assert drawn.min() >= 0
    assert drawn.max() <= 1


@pytest.mark.parametrize(
    ("values", "replaced", "scale", "failed"),
    [
        pytest.param([0, 0.5, 1], "", DICE, [0], id="dice-0"),
        pytest.param([0.1, 0.5, 1], "", DICE, [], id="no-failure"),
        pytest.param([0.1, 1, 1], "", Scale("lower", 0, 1), [1, 2], id="normalised-distance-1"),
        pytest.param([9, 300, 400, 5], [1, 2], DISTANCE, [1, 2], id="replaced-by-diagonals"),
        pytest.param([9, 300, 300, 5], "", DISTANCE, [1, 2], id="cut-off"),
        pytest.param([9, 300, 31, 5], "", DISTANCE, [1], id="one-far-beyond-the-others"),
        pytest.param([9, 90, 31, 5], "", DISTANCE, None, id="a-large-distance"),
        pytest.param([9, 9, 8, 8], "", DISTANCE, None, id="ties"),
        pytest.param([3, 3], "", DISTANCE, None, id="all-equal"),
        pytest.param([0, 0], "", DISTANCE, None, id="all-perfect"),
        pytest.param([9, math.inf], "", DISTANCE, None, id="infinite"),
        pytest.param([0, 0.5], "", Scale(), None, id="unknown-range"),
        pytest.param([], "", DICE, None, id="nothing"),
    ],
)
def test_failed_cases(values, replaced, scale, failed):
    given_values = np.array(values, dtype=float)
    flags = np.isin(np.arange(len(values)), list(replaced))
    found = failed_cases(given_values, flags, scale)
    if failed is None:
        assert found is None
    else:
        assert list(np.flatnonzero(found)) == failed


@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 2), st.integers(0, 3)), min_size=1))
def test_parts_of_several_images_add_up_to_the_units_means(cases):
    units, groups, tenths = (np.array(column) for column in zip(*cases, strict=True))
    values = tenths / 10
    codes = pd.factorize(units)[0]
    parts = parts_of(Cases(values, np.zeros(len(values), dtype=bool), codes, groups, 3), DICE)
    frame = pd.DataFrame({"unit": codes, "group": groups, "value": values})
    for group in range(3):
        expected = frame[frame["group"] == group].groupby("unit")["value"].mean()
        failed = frame[frame["group"] == group].groupby("unit")["value"].apply(lambda v: v == 0)
        part = parts.groups[group]
        assert part.share * part.level + part.rest == pytest.approx(expected.to_numpy())
        assert part.share.sum() == pytest.approx(failed.groupby(level=0).mean().sum())
    everyone = parts.overall
    assert everyone.rest == pytest.approx(frame.groupby("unit")["value"].mean().to_numpy())
    assert everyone.none_in == (0 if (values == 0).any() else len(set(units)))


def test_level_of_replaced_distances_is_their_mean():
    values, replaced = np.array([3.0, 200, 5, 300]), np.array([False, True, False, True])
    parts = parts_of(Cases(values, replaced, np.arange(4), np.array([0, 0, 1, 1]), 2), DISTANCE)
    assert parts.groups[0].level == 250
    assert list(parts.groups[1].share) == [0, 1]


def of_distances(n, *, cap=None):
    """Return the interval of the mean of n distances, the last one cut off if there is a cap."""
    values = generator(3).lognormal(1.5, 0.5, n)
    if cap is not None:
        values[-1] = cap
    cases = Cases(values, values == cap, np.arange(n), np.zeros(n, dtype=int), 1)
    return parts_of(cases, DISTANCE).overall.interval(500, generator(5), 0.95)


def test_means_of_few_distances_without_a_failure_have_no_interval():
    # where 3% are cut off at 300 mm, it would hold the mean in half of all studies of twenty
    assert math.isnan(of_distances(149).low)
    assert of_distances(150).low > 0
    assert of_distances(20, cap=300.0).high > 30


@pytest.mark.parametrize("rate", [0.0, 0.03, 0.08])
def test_means_with_rare_failures_are_covered(rate):
    # without parts the coverage is 0.87 at 3% and 0.70 at 8%
    rng, trials = generator(4), 150
    truth = (1 - rate) * 12 / 13.5
    missed = {"group": 0, "overall": 0, "delta": 0}
    for seed in range(trials):
        values = np.where(rng.random(20) < rate, 0.0, rng.beta(12, 1.5, 20))
        found = compare_groups(
            Observations(
                values,
                np.zeros(20, dtype=bool),
                np.arange(20).astype(str).astype(object),
                np.repeat([0, 1], 10),
                ("a", "b"),
            ),
            attribute="a",
            metric="dice",
            label="l",
            reference="a",
            error_measures=True,
            settings=StatisticsSettings(n_bootstrap=400, seed=seed),
            scale=DICE,
        )
        interval = found.groups["a"].mean_interval
        missed["group"] += not interval.low <= truth <= interval.high
        interval = found.overall.mean_interval
        missed["overall"] += not interval.low <= truth <= interval.high
        missed["delta"] += found.gap("delta").interval.low > 0
    for what, count in missed.items():
        assert count / trials <= 0.07 + 2 * math.sqrt(0.07 * 0.93 / trials), what
