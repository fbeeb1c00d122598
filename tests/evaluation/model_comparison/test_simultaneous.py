"""Critical values of families against what is known of them."""

import itertools
import math

import numpy as np
import pytest
from scipy import stats

from nnunetv2_fair.evaluation.model_comparison import simultaneous
from nnunetv2_fair.evaluation.model_comparison.simultaneous import Family, RandomWeights
from nnunetv2_fair.evaluation.results.values import Interval


class Normal:
    """A contrast of a known standard error of 1."""

    def __init__(self, value: float, errors: np.ndarray) -> None:
        self.value, self.errors = value, errors / max(1e-300, np.linalg.norm(errors))

    @property
    def p_value(self) -> float:
        return float(2 * stats.norm.sf(abs(self.value)))

    def interval(self, confidence: float) -> Interval:
        far = stats.norm.isf((1 - confidence) / 2)
        return Interval(self.value - far, self.value + far)


def units(count: int) -> list[str]:
    return [f"p{i}" for i in range(count)]


def family_of(columns: np.ndarray, rng, confidence: float = 0.95) -> tuple[Family, list[Normal]]:
    names = units(len(columns))
    family = Family(RandomWeights(names, rng), confidence)
    contrasts = [Normal(2.0, column) for column in columns.T]
    family.add(names, contrasts)
    return family, contrasts


def half(family: Family, contrast: Normal) -> float:
    limits = family.interval(contrast)
    return (limits.high - limits.low) / 2


def test_independent_contrasts_need_sidaks_value(rng):
    family, (first, *_) = family_of(np.eye(10), rng)
    assert family.size == 10
    expected = stats.norm.isf((1 - 0.95 ** (1 / 10)) / 2)
    assert half(family, first) == pytest.approx(expected, abs=0.06)
    assert family.corrected(first) == pytest.approx(1 - (1 - first.p_value) ** 10, abs=0.03)


def test_the_same_contrast_many_times_needs_no_more(rng):
    family, (first, *_) = family_of(np.ones((30, 20)), rng)
    assert half(family, first) == pytest.approx(stats.norm.isf(0.025), abs=0.05)
    assert family.corrected(first) == pytest.approx(first.p_value, abs=0.01)


def test_all_pairs_of_models_need_tukeys_range(rng):
    models = 6
    pairs = np.stack(
        [
            np.eye(models)[i] - np.eye(models)[j]
            for i, j in itertools.combinations(range(models), 2)
        ],
        axis=1,
    )
    family, (first, *_) = family_of(pairs, rng)
    expected = stats.studentized_range.ppf(0.95, models, math.inf) / math.sqrt(2)
    assert half(family, first) == pytest.approx(expected, abs=0.06)


def test_pooled_units_give_the_same(rng, monkeypatch):
    columns = rng.standard_normal((3000, 5)) + rng.standard_normal((3000, 1))
    apart, (first, *_) = family_of(columns, rng)
    monkeypatch.setattr(simultaneous, "_MOST_WEIGHTS", 500)
    pooled, _ = family_of(columns, rng)
    assert half(pooled, first) == pytest.approx(half(apart, first), abs=0.06)


def test_interval_and_corrected_p_agree(rng):
    names = units(40)
    family = Family(RandomWeights(names, rng), 0.9)
    columns = rng.standard_normal((40, 12))
    contrasts = [
        Normal(value, c) for value, c in zip(np.linspace(0, 5, 12), columns.T, strict=True)
    ]
    family.add(names, contrasts)
    for contrast in contrasts:
        shown = family.corrected(contrast) <= 0.1
        assert (family.interval(contrast).low > 0) == shown == family.shows(contrast)
        assert family.corrected(contrast) >= contrast.p_value


def test_what_does_not_vary_does_not_count(rng):
    names = units(5)
    family = Family(RandomWeights(names, rng), 0.95)
    certain = Normal(9.0, np.zeros(5))
    family.add(names, [certain])
    assert family.size == 1
    assert family.corrected(certain) < 0.001


def test_units_may_be_some_of_all_in_any_order(rng):
    names = units(50)
    weights = RandomWeights(names, rng)
    column = rng.standard_normal(50)
    whole = weights.largest(names, column[:, None])
    order = rng.permutation(50)
    again = weights.largest([names[i] for i in order], column[order][:, None])
    np.testing.assert_allclose(whole, again, rtol=1e-5)
