"""The permutation test over places, against a plain loop and on null data."""

import numpy as np
import pytest
from scipy.stats import ttest_ind

from nnunetv2_fair.evaluation.boundary_maps.map_test import compare_maps


def test_against_a_loop_with_scipy():
    generator = np.random.default_rng(1)
    first, second = generator.normal(size=(9, 4)), generator.normal(0.8, 2, size=(14, 4))
    first[:3, 1] = np.nan
    second[:6, 2] = np.nan
    found = compare_maps(first, second, np.random.default_rng(2), n_permutations=5000)
    assert found.difference == pytest.approx(np.nanmean(first, axis=0) - np.nanmean(second, axis=0))

    together = np.concatenate([first, second])
    observed = _p(first, second)
    exceeded = np.zeros(4)
    for _ in range(500):
        order = generator.permutation(len(together))
        smallest = _p(together[order[:9]], together[order[9:]]).min()
        exceeded += smallest <= observed * (1 + 1e-9)
    assert found.p_values == pytest.approx(exceeded / 500, abs=0.08)
    assert found.p_value == found.p_values.min()


def _p(first, second):
    return ttest_ind(first, second, equal_var=False, nan_policy="omit").pvalue


def test_places_of_few_patients_are_not_compared():
    first, second = np.zeros((8, 3)), np.ones((8, 3))
    second += np.linspace(0, 0.1, 24).reshape(8, 3)
    first += np.linspace(0, 0.1, 24).reshape(8, 3)
    first[4:, 0] = np.nan
    found = compare_maps(first, second, np.random.default_rng(0), 199)
    assert np.isnan([found.difference[0], found.p_values[0]]).all()
    assert found.p_values[1:].tolist() == [1 / 200, 1 / 200]
    nothing = compare_maps(first[:3], second, np.random.default_rng(0))
    assert np.isnan(nothing.p_value)


def test_equal_values_are_no_difference():
    same = np.full((10, 12), 0.37)
    assert compare_maps(same, same, np.random.default_rng(0), 99).p_value == 1


@pytest.mark.parametrize(("sizes", "spread"), [((10, 60), 1.0), ((20, 60), 2.0)])
def test_equal_means_are_rarely_told_apart(sizes, spread):
    """At 0.05, within three Monte-Carlo errors of 0.07."""
    generator = np.random.default_rng(7)
    rejected = 0
    for _ in range(200):
        first, second = (
            scale * (generator.normal(size=(n, 1)) + generator.normal(size=(n, 24)))
            for n, scale in zip(sizes, (spread, 1.0), strict=True)
        )
        rejected += compare_maps(first, second, generator, 199).p_value <= 0.05
    assert rejected / 200 <= 0.07 + 3 * np.sqrt(0.07 * 0.93 / 200)
