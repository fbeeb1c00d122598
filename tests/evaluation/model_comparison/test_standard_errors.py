"""Standard errors and p-values against scipy's t tests."""

import math

import numpy as np
import pytest
import scipy.stats

from nnunetv2_fair.evaluation.estimation.units import Units
from nnunetv2_fair.evaluation.model_comparison.standard_errors import Means, freedom_of

GROUPS = np.repeat([0, 1, 2], [7, 12, 9])


def means_of(values: np.ndarray, groups: np.ndarray = GROUPS, units: list[str] | None = None):
    names = units or [f"p{i:03d}" for i in range(values.shape[1])]
    return Means.of(Units.from_cases(values, names, groups, int(groups.max()) + 1))


def test_the_same_units_under_two_models_are_paired(rng):
    values = rng.normal(0.8, 0.1, (2, 28))
    means = means_of(values)
    for column, chosen in ((1, GROUPS == 1), (means.overall, GROUPS >= 0)):
        expected = scipy.stats.ttest_rel(values[1, chosen], values[0, chosen])
        found = means.paired(1, 0, column)
        assert found.p_values == pytest.approx(expected.pvalue)
        limits = expected.confidence_interval(0.9)
        reach = found.reach(np.asarray(0.05))
        assert found.values - reach == pytest.approx(limits.low)
        assert found.values + reach == pytest.approx(limits.high)
        one_sided = scipy.stats.ttest_rel(
            values[1, chosen], values[0, chosen], alternative="greater"
        )
        assert found.p_above == pytest.approx(one_sided.pvalue)
        assert found.p_below == pytest.approx(1 - one_sided.pvalue)


def test_different_groups_are_compared_as_by_welch(rng):
    values = rng.normal(0.8, 0.1, (2, 28))
    found = means_of(values).every_pair(1, 0, [0, 2])
    expected = scipy.stats.ttest_ind(
        values[1, GROUPS == 0], values[0, GROUPS == 2], equal_var=False
    )
    assert found.p_values[0, 1] == pytest.approx(expected.pvalue)
    paired = scipy.stats.ttest_rel(values[1, GROUPS == 2], values[0, GROUPS == 2])
    assert found.p_values[1, 1] == pytest.approx(paired.pvalue)


def test_patients_in_two_groups_correlate_them(rng):
    """The variance of a difference between groups that share patients, by resampling patients."""
    patients, images = 400, 800
    values = np.repeat(rng.normal(0, 1, patients), 2)[None] + rng.normal(0, 0.3, (1, images))
    groups, units = np.tile([0, 1], patients), [f"p{i // 2}" for i in range(images)]
    found = means_of(np.concatenate([values, values]), groups, units).every_pair(0, 1, [0, 1])
    change = values[0, groups == 0] - values[0, groups == 1]
    expected = change.std(ddof=1) / math.sqrt(patients)
    assert found.standard_errors[0, 1] == pytest.approx(expected, rel=1e-6)


def test_what_does_not_vary_is_as_good_as_so_many_tosses_of_a_coin():
    values = np.stack([np.linspace(0.1, 0.9, 28), np.linspace(0.1, 0.9, 28) + 0.01])
    found = means_of(values).paired(1, 0, 0)
    assert found.standard_errors == 0
    assert found.p_values == 2 / 2**7
    assert found.reach(np.asarray(0.025)) == 0
    assert found.reach(np.asarray(0.001)) == math.inf
    nothing = means_of(np.stack([values[0], values[0]])).paired(1, 0, 0)
    assert nothing.values == 0
    assert nothing.p_values == 1


def test_infinite_values_and_single_units_have_no_error():
    values = np.full((2, 28), 0.5)
    values[1, 0] = math.inf
    assert np.isnan(means_of(values).paired(1, 0, 0).p_values)
    alone = means_of(np.array([[0.1, 0.2, 0.3], [0.2, 0.2, 0.4]]), np.array([0, 1, 1]))
    assert np.isnan(alone.paired(1, 0, 0).p_values)


def test_degrees_of_freedom():
    assert freedom_of(np.array([2.0]), np.array([9])) == pytest.approx(8)
    # equal variances from equal groups add up
    assert freedom_of(np.array([1e-300, 1e-300]), np.array([9, 9])) == pytest.approx(16)
    assert freedom_of(np.zeros(2), np.array([9, 5])) == 4
