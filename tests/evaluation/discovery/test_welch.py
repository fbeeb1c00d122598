import numpy as np
import scipy.stats

from nnunetv2_fair.evaluation.discovery.welch import welch_tests
from nnunetv2_fair.subgroups.divergence import find_divergences


def test_welch_of_sides_that_have_no_spread():
    codes = np.array([[0], [0], [1], [1], [1]])
    values = np.array([1.0, 1.0, 2.0, 2.0, 2.0])
    t, p_values = welch_tests(find_divergences(codes, values, 0.1), values)
    assert np.isnan(t).all()
    assert np.isnan(p_values).all()
    single = np.array([[0], [1], [1], [1], [1]])
    values = np.array([1.0, 2.0, 3.0, 4.0, 5.0])
    t, _ = welch_tests(find_divergences(single, values, 0.1), values)
    assert np.isnan(t).all()


def test_welch_equals_scipys(rng):
    codes = rng.integers(0, 3, (60, 2))
    values = rng.normal(size=60)
    found = find_divergences(codes, values, 0.05)
    t, p_values = welch_tests(found, values)
    for index, wanted in enumerate(found.codes):
        inside = ((codes == wanted) | (wanted < 0)).all(axis=1)
        expected = scipy.stats.ttest_ind(values[inside], values[~inside], equal_var=False)
        assert np.allclose([t[index], p_values[index]], expected)
