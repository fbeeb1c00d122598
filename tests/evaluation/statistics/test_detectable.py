"""Detectable gaps: how often the rule shows them, against simulated studies."""

import dataclasses
import math

import numpy as np
import pytest

from nnunetv2_fair.evaluation.results.groups import Comparison
from nnunetv2_fair.evaluation.results.values import Scale
from nnunetv2_fair.evaluation.statistics.detectable import Pair, detectable_gaps
from nnunetv2_fair.evaluation.statistics.group_comparison import (
    Observations,
    StatisticsSettings,
    compare_groups,
)

DICE = Scale("higher", 0.0, 1.0)


def compared(samples, scale=DICE, seed=0, bootstrap=300, n_tests=1, patients=None) -> Comparison:
    values = np.concatenate(samples)
    sizes = [len(sample) for sample in samples]
    return compare_groups(
        Observations(
            values,
            np.zeros(len(values), dtype=bool),
            np.arange(len(values)) if patients is None else np.array(patients),
            np.repeat(np.arange(len(samples)), sizes),
            tuple(f"g{index}" for index in range(len(samples))),
        ),
        attribute="a",
        metric="m",
        label="l",
        reference="g0",
        error_measures=False,
        settings=StatisticsSettings(n_bootstrap=bootstrap, seed=seed),
        scale=scale,
        n_tests=n_tests,
    )


def is_shown(found: Comparison) -> bool:
    gaps = [gap for gap in found.gaps if gap.name == "fairness_gap"]
    apart = any(gap.simultaneous.low > 0 or gap.simultaneous.high < 0 for gap in gaps)
    return apart and found.test.p_value < 0.05


def beta(rng, n, gap=0.0):
    return np.maximum(rng.beta(12, 1.5, n) - gap, 1e-3)


@pytest.mark.parametrize("sizes", [(30, 30), (24, 24, 24)])
def test_gaps_are_shown_as_often_as_it_says(sizes):
    rng, studies = np.random.default_rng(7), 24
    said = []
    for seed in range(studies):
        effect = compared([beta(rng, n) for n in sizes], seed=seed).effects[0]
        said.append((effect.detectable_gap_half, effect.detectable_gap))
    assert all(half < most for half, most in said)
    for index, power in enumerate((0.5, 0.8)):
        gap = float(np.median([gaps[index] for gaps in said]))
        shown = [
            is_shown(
                compared(
                    [beta(rng, n, gap * (place == 1)) for place, n in enumerate(sizes)],
                    seed=seed,
                )
            )
            for seed in range(80)
        ]
        # 0.07, and two standard errors of 80 studies
        assert np.mean(shown) == pytest.approx(power, abs=0.07 + 2 * math.sqrt(0.25 / 80))


def test_more_tests_and_fewer_patients_need_larger_gaps():
    rng = np.random.default_rng(3)
    alone, tested, fewer = [], [], []
    for _ in range(9):
        samples = [beta(rng, 40), beta(rng, 40)]
        alone.append(compared(samples).effects[0].detectable_gap)
        # the interval decides up to very many tests
        tested.append(compared(samples, n_tests=1000).effects[0].detectable_gap)
        fewer.append(compared([s[:12] for s in samples]).effects[0].detectable_gap)
    for others in (tested, fewer):
        assert np.median(others) > np.median(alone)


def test_where_there_are_failures_nothing_is_said():
    # gaps said to be shown in 80% of studies were shown in 55%
    rng = np.random.default_rng(3)
    samples = [beta(rng, 40), np.append(beta(rng, 39), 0.0)]
    assert math.isnan(compared(samples).effects[0].detectable_gap)


def test_lower_is_better_is_the_mirror_image():
    rng = np.random.default_rng(3)
    samples = [rng.normal(5, 1, 30), rng.normal(5, 1, 20)]
    low = compared(samples, Scale("lower")).effects[0].detectable_gap
    high = compared([-s for s in samples], Scale("higher")).effects[0].detectable_gap
    assert low == pytest.approx(high, rel=0.05)


def test_patients_without_a_value_do_not_count():
    rng = np.random.default_rng(3)
    samples = [beta(rng, 40), beta(rng, 15)]
    more = [samples[0], np.r_[samples[1], np.full(60, math.nan)]]
    assert compared(more).effects[0].detectable_gap == pytest.approx(
        compared(samples).effects[0].detectable_gap, rel=0.05
    )


def test_not_said_of_patients_in_both_groups():
    rng = np.random.default_rng(3)
    found = compared([beta(rng, 20), beta(rng, 20)], patients=[*range(20), *range(20)])
    assert math.isnan(found.effects[0].detectable_gap)


PAIR = Pair(
    np.linspace(0.5, 0.9, 9), np.linspace(0.4, 0.9, 11), 0.0, np.zeros(50), np.zeros(50), 0.1
)


@pytest.mark.parametrize(
    "change",
    [
        pytest.param({"first": np.array([0.5])}, id="one-value"),
        pytest.param({"second": np.array([0.5, -math.inf])}, id="infinite"),
        pytest.param({"first": np.full(9, 0.5)}, id="equal-values"),
        pytest.param({"gap_moves": np.empty(0)}, id="no-resamples"),
        pytest.param({"delta_moves": np.array([math.nan])}, id="undefined-resamples"),
        pytest.param({"reach": math.nan}, id="no-interval"),
        pytest.param({"reach": 9.0}, id="never-shown"),
    ],
)
def test_gaps_that_cannot_be_said(change):
    found = detectable_gaps(dataclasses.replace(PAIR, **change), level=0.05)
    assert all(map(math.isnan, found))


def test_the_interval_decides_where_the_test_always_rejects():
    many = 2000
    pair = dataclasses.replace(PAIR, gap_moves=np.zeros(many), delta_moves=np.zeros(many))
    half, most = detectable_gaps(pair, level=0.9999)
    # its end is 0.1 below the gap in the middle of all studies, and varies by half of 9 ** -1/4
    assert half == pytest.approx(0.1, rel=0.05)
    assert most == pytest.approx(0.1 * math.exp(0.8416 * 0.5 * 9**-0.25), rel=0.05)


def test_the_test_decides_where_the_interval_always_excludes_zero():
    pair = dataclasses.replace(PAIR, reach=-9.0)
    half, most = detectable_gaps(pair, level=0.05)
    assert half == pytest.approx(most)
    assert 0.1 < half < 0.3
