"""Intervals against scipy's, against the t distribution, and by how often they hold the truth."""

import math

import numpy as np
import pytest
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from nnunetv2_fair.evaluation.estimation import gaps
from nnunetv2_fair.evaluation.estimation.intervals import (
    Sources,
    expanded_interval,
    least_range,
    mean_interval,
    scaled_interval,
    simultaneous_interval,
    spread_interval,
)
from nnunetv2_fair.evaluation.results.values import Interval
from nnunetv2_fair.evaluation.statistics.group_comparison import (
    Observations,
    StatisticsSettings,
    compare_groups,
)


def sources(*sizes: int, variances=None, of_means: bool = True) -> Sources:
    given_variances = np.ones(len(sizes)) if variances is None else np.array(variances)
    return Sources(given_variances, np.array(sizes), of_means)


def means_of(sample: np.ndarray, n: int = 20_000) -> np.ndarray:
    rng = np.random.default_rng(3)
    return sample[rng.integers(0, sample.size, (n, sample.size))].mean(axis=1)


def test_tail_makes_the_interval_of_a_normal_mean_students():
    # resampled means of n values have the standard deviation s * sqrt((n - 1) / n) / sqrt(n)
    for n in (5, 10, 40):
        s = 2.0
        drawn = scipy.stats.norm(0, s * math.sqrt((n - 1) / n) / math.sqrt(n))
        assert drawn.ppf(1 - sources(n).tail(0.95)) == pytest.approx(
            scipy.stats.t(n - 1).ppf(0.975) * s / math.sqrt(n)
        )


def test_tail_of_two_groups_is_welchs():
    variances, sizes = np.array([0.4, 0.1]), np.array([12, 30])
    # variances of the resampled means; what they estimate is larger by n / (n - 1)
    errors = variances * sizes / (sizes - 1)
    freedom = variances.sum() ** 2 / (variances**2 / (sizes - 1)).sum()
    expected = scipy.stats.norm.sf(
        math.sqrt(errors.sum() / variances.sum()) * scipy.stats.t(freedom).ppf(0.95)
    )
    assert sources(12, 30, variances=variances).tail(0.9) == pytest.approx(expected)
    # the group that varies decides
    assert sources(5, 500, variances=[1, 0.0]).tail(0.9) == pytest.approx(sources(5).tail(0.9))


def test_large_groups_have_the_plain_percentiles():
    assert sources(10**6).tail(0.95) == pytest.approx(0.025, rel=1e-4)
    draws = np.arange(1001.0)
    found = expanded_interval(draws, 0.9, sources(10**7))
    assert (found.low, found.high) == pytest.approx((50, 950), abs=0.01)
    # without two units in any group nothing is known about the spread
    assert sources(1, 1).tail(0.95) == pytest.approx(0.025)


def test_medians_are_widened_less_than_means():
    plain, median, mean = 0.025, sources(10, of_means=False).tail(0.95), sources(10).tail(0.95)
    assert mean < median < plain
    assert median == pytest.approx(scipy.stats.norm.sf(scipy.stats.t(9).ppf(0.975)))


@pytest.mark.parametrize("variances", [[math.nan, 1.0], [0.0, 0.0], [math.inf, 1.0]])
def test_without_variances_the_smallest_group_decides(variances):
    assert sources(40, 10, variances=variances).tail(0.95) == sources(10).tail(0.95)


def test_mean_interval_is_scipys_bca_for_many_values():
    sample = np.random.default_rng(8).lognormal(0, 1, 400)
    ours = mean_interval(means_of(sample), sample, 0.95, sources(10**7))
    theirs = scipy.stats.bootstrap(
        (sample,), np.mean, n_resamples=20_000, method="BCa", rng=np.random.default_rng(5)
    ).confidence_interval
    assert (ours.low, ours.high) == pytest.approx((theirs.low, theirs.high), rel=0.01)
    plain = np.percentile(means_of(sample), [2.5, 97.5])
    assert abs(ours.high - plain[1]) > 0.01 * plain[1]  # the skewness moves it


def test_mean_interval_of_what_has_no_moments():
    same = mean_interval(np.full(50, 0.5), np.full(6, 0.5), 0.95, sources(6))
    assert same == Interval(0.5, 0.5)
    infinite = np.array([1.0, 2.0, math.inf])
    found = mean_interval(np.array([1.0, 1.5, math.inf]), infinite, 0.95, sources(3))
    assert found.high == math.inf
    empty = mean_interval(np.array([]), np.array([]), 0.95, sources(0))
    assert math.isnan(empty.low)
    assert math.isnan(empty.high)


@given(
    arrays(float, 4, elements=st.floats(-1, 1)),
    arrays(float, 4, elements=st.floats(-1, 1)),
)
def test_spreads_differ_by_at_most_the_spread_of_the_differences(first, second):
    for spread in (gaps.max_min_gap_along, gaps.group_std_along):
        assert abs(spread(first) - spread(second)) <= spread(first - second) + 1e-12
    # equity scaling: N of the groups around an overall value that moves with them
    overall = first.mean(), second.mean()

    def around(values, whole):
        return np.abs(whole - values).sum()

    assert abs(around(first, overall[0]) - around(second, overall[1])) <= (
        around(first - second, overall[0] - overall[1]) + 1e-12
    )


def test_spread_interval_ends_at_0_and_is_undefined_without_replicates():
    far = sources(10**7)
    deviations = np.linspace(0, 1, 1001)
    assert spread_interval(2.0, deviations, 0.9, far) == Interval(
        pytest.approx(1.1, abs=1e-3), pytest.approx(2.9, abs=1e-3)
    )
    assert spread_interval(0.4, deviations, 0.9, far).low == 0
    assert math.isnan(spread_interval(0.4, np.array([]), 0.9, far).low)


def test_scaled_interval_adds_both_errors():
    overall, deviations = np.linspace(-0.1, 0.1, 2001), np.full(2001, 0.05)
    found = scaled_interval(0.8, overall, deviations, 0.9, sources(10**7))
    assert math.log(found.low / 0.8) == pytest.approx(-0.09 - 0.05, abs=1e-3)
    assert math.log(found.high / 0.8) == pytest.approx(0.09 + 0.05, abs=1e-3)
    # no score is above 1
    assert scaled_interval(0.95, overall, deviations, 0.9, sources(10**7)).high == 1


def studies(draws, sizes, n_studies: int):
    rng = np.random.default_rng(17)
    for study in range(n_studies):
        values = [draw(rng, n) for draw, n in zip(draws, sizes, strict=True)]
        total = sum(sizes)
        observed = Observations(
            np.concatenate(values), np.zeros(total, dtype=bool),
            np.arange(total).astype(str).astype(object),
            np.repeat(np.arange(len(sizes)), sizes), tuple(f"g{i}" for i in range(len(sizes))),
        )  # fmt: skip
        yield compare_groups(
            observed, attribute="a", metric="dice", label=str(study), reference="g0",
            error_measures=True, settings=StatisticsSettings(n_bootstrap=400),
        )  # fmt: skip


def test_small_groups_are_covered_as_often_as_it_says():
    """All figures: benchmarks/calibration.py."""
    mean = median = gap = 0
    trials = 400
    truth = scipy.stats.beta(18, 2)
    for found in studies([lambda r, n: r.beta(18, 2, n)] * 2, [10, 10], trials):
        group = found.groups["g0"]
        mean += group.mean_interval.low <= truth.mean() <= group.mean_interval.high
        median += group.median_interval.low <= truth.median() <= group.median_interval.high
        fairness = found.gap("fairness_gap").interval
        gap += fairness.low <= 0 <= fairness.high
    # 95% is 380, and a standard error 4.4; plain percentiles give 0.88 * 400 = 352 for the mean
    assert 365 <= mean <= 395
    assert 365 <= median <= 395
    assert 365 <= gap <= 398


def test_equal_groups_are_seen_as_equal():
    """Percentiles of these measures would never hold 0 or 1, and ES-Dice hardly ever."""
    held = dict.fromkeys(("delta", "std", "skew", "ser", "es_std", "es_absolute"), 0)
    truth = {"delta": 0, "std": 0, "skew": 1, "ser": 1, "es_std": 0.9, "es_absolute": 0.9}
    trials = 200
    for found in studies([lambda r, n: r.beta(18, 2, n)] * 4, [20] * 4, trials):
        for name in held:
            interval = found.gap(name).interval
            held[name] += interval.low <= truth[name] <= interval.high
    for name, count in held.items():
        assert count >= 0.9 * trials, name


def test_one_interval_needs_no_allowance_for_others():
    draws = np.random.default_rng(5).normal(0.1, 0.03, 2000)
    alone = simultaneous_interval(0.1, draws, 0.95, 1, sources(5, 40, of_means=False))
    assert alone == expanded_interval(draws, 0.95, sources(5, 40, of_means=False))


def test_each_of_several_intervals_gets_its_part_of_the_error_rate():
    draws = np.random.default_rng(5).normal(0.1, 0.03, 2000)
    large = sources(40, 60, of_means=False)
    found = simultaneous_interval(0.1, draws, 0.95, 5, large)
    assert found == expanded_interval(draws, 0.99, large)


def test_small_groups_reach_beyond_their_values():
    # the median of five values exceeds all of them in 1 of 32 studies
    rng = np.random.default_rng(5)
    five, many = rng.normal(0, 1, 5), rng.normal(0, 1, 200)
    drawn = [np.median(x[rng.integers(0, x.size, (2000, x.size))], axis=1) for x in (many, five)]
    draws = drawn[0] - drawn[1]
    value = float(np.median(many) - np.median(five))
    of = sources(200, 5, variances=[d.var() for d in drawn], of_means=False)
    found = simultaneous_interval(value, draws, 0.95, 11, of)
    assert found.low < draws.min()
    assert found.high > draws.max()
    assert found.high - value == pytest.approx(value - found.low)


@pytest.mark.parametrize("draws", [np.empty(0), np.array([0.1, math.nan])])
def test_simultaneous_interval_that_cannot_be_said(draws):
    found = simultaneous_interval(0.1, draws, 0.95, 4, sources(5, 5, of_means=False))
    assert math.isnan(found.low)
    assert math.isnan(found.high)


def test_small_groups_with_infinite_medians_have_no_limits():
    draws = np.array([0.1, 0.2, math.inf, -0.1])
    found = simultaneous_interval(0.1, draws, 0.95, 4, sources(5, 5, of_means=False))
    assert found == Interval(-math.inf, math.inf)


def test_gaps_of_twelve_equal_but_unequally_large_groups_are_rarely_called_signs():
    rng = np.random.default_rng(8)
    sizes = (200, 5, 6, 8, 10, 12, 15, 20, 30, 60, 90, 120)
    n, trials, missed, signs = sum(sizes), 100, 0, 0
    for seed in range(trials):
        values = np.where(rng.random(n) < 0.03, 0.0, rng.beta(12, 1.5, n))
        found = compare_groups(
            Observations(
                values,
                np.zeros(n, dtype=bool),
                np.arange(n).astype(str).astype(object),
                np.repeat(np.arange(len(sizes)), sizes),
                tuple(f"g{index}" for index in range(len(sizes))),
            ),
            attribute="a",
            metric="dice",
            label="l",
            reference="g0",
            error_measures=True,
            settings=StatisticsSettings(n_bootstrap=300, seed=seed),
        )
        pairs = [gap.simultaneous for gap in found.gaps if gap.name == "fairness_gap"]
        assert len(pairs) == 11
        beyond = any(pair.low > 0 or pair.high < 0 for pair in pairs)
        missed += beyond
        signs += beyond or found.test.p_value < 0.05
    # at most 0.05 and 0.10, plus two standard errors
    assert missed / trials <= 0.05 + 2 * math.sqrt(0.05 * 0.95 / trials)
    assert signs / trials <= 0.10 + 2 * math.sqrt(0.10 * 0.90 / trials)


def test_least_range_is_that_of_the_pair_that_is_farthest_apart():
    rng = np.random.default_rng(5)
    drawn = np.column_stack([rng.normal(m, 0.1, 4000) for m in (0, 1, 1.2)])
    drawn[:, 0][:100] = -math.inf
    found = least_range(drawn, 0.95, sources(10**9))
    # of six differences each has 5% / 6
    expected = 1.2 - math.sqrt(0.02) * scipy.stats.norm.ppf(1 - 0.05 / 6)
    assert found == pytest.approx(expected, abs=0.04)


def test_least_range_of_groups_without_any_error_is_zero():
    assert least_range(np.full((10, 3), -math.inf), 0.95, sources(10)) == 0
