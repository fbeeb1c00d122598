"""Which values count where patients have unequally many images."""

import dataclasses
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nnunetv2_fair.evaluation.estimation.quantiles import quantile, weighted_quantile
from nnunetv2_fair.evaluation.estimation.units import Images, Units, images_are_alike

COUNTS = st.lists(st.integers(1, 5), min_size=3, max_size=20)


def units_with(counts: list[list[int]], seed: int = 0, **more) -> Units:
    """Return units of patients with some numbers of images, one list per group."""
    patients, groups = [], []
    for group, numbers in enumerate(counts):
        for index, number in enumerate(numbers):
            patients += [f"{group}-{index}"] * number
            groups += [group] * number
    values = np.random.default_rng(seed).random((1, len(patients)))
    compared = more.get("compared", range(len(counts)))
    return Units.from_cases(values, patients, np.array(groups), len(counts), compared)


def test_equal_numbers_of_images_keep_patient_means():
    for number in (1, 4):
        units = units_with([[number] * 6, [number] * 9])
        assert units.images is None
        values, weights = units.spread_out(1)
        assert list(values) == list(units.of_group(1))
        assert weights.sum() == pytest.approx(1)


def test_unequal_but_alike_numbers_keep_patient_means():
    assert units_with([[1, 2, 3, 5] * 3, [1, 2, 3, 5] * 4]).images is None


def test_images_count_where_one_group_has_more():
    units = units_with([[1] * 8, [5] * 8])
    assert units.images is not None
    values, weights = units.spread_out(1)
    assert len(values) == 40
    assert set(np.round(weights, 12)) == {1 / 40}
    # only the groups that are compared decide
    assert units_with([[1] * 8, [5] * 8, [1] * 8], compared=[0, 2]).images is None


def test_the_mean_is_the_same_either_way():
    units = units_with([[1, 2, 1, 1, 2], [4, 5, 9, 7, 5]])
    assert units.images is not None
    for group in (0, 1, None):
        values, weights = units.spread_out(group)
        means = units.overall[0] if group is None else units.of_group(group)
        assert (values * weights).sum() == pytest.approx(means.mean())


def test_the_same_as_unweighted_where_every_patient_has_one_image():
    units = units_with([[1] * 7, [1] * 10])
    by_image = dataclasses.replace(
        units,
        images=Images(units.overall, np.arange(17), np.repeat([0, 1], [7, 10])),
    )
    for group in (0, 1, None):
        assert by_image.quantile(0.5, group) == pytest.approx(units.quantile(0.5, group))
        assert by_image.std(group) == pytest.approx(units.std(group))
    assert units.std(1) == pytest.approx(units.of_group(1).std(ddof=1))


@given(COUNTS)
def test_equal_lists_of_numbers_are_alike(numbers: list[int]):
    counts = np.zeros((2 * len(numbers), 2), dtype=int)
    counts[: len(numbers), 0] = counts[len(numbers) :, 1] = numbers
    assert images_are_alike(counts)


def test_alike_at_the_level_it_says():
    rng = np.random.default_rng(3)
    differing = 0
    for _ in range(600):
        counts = np.zeros((45, 2), dtype=int)
        counts[:20, 0], counts[20:, 1] = rng.integers(1, 6, 20), rng.integers(1, 6, 25)
        differing += not images_are_alike(counts)
    assert differing / 600 == pytest.approx(0.1, abs=0.04)


def test_no_units_are_alike():
    assert images_are_alike(np.zeros((0, 2), dtype=int))
    assert images_are_alike(np.array([[1], [5]]))


@given(st.lists(st.tuples(st.integers(-4, 4), st.integers(1, 4)), min_size=1, max_size=12))
def test_weights_are_copies(pairs: list[tuple[int, int]]):
    values, weights = (np.array(column, dtype=float) for column in zip(*pairs, strict=True))
    copies = np.repeat(values, weights.astype(int))
    assert weighted_quantile(values, weights / 7, 0.5) == pytest.approx(np.median(copies))
    for share in (0.25, 0.75):
        assert weighted_quantile(values, weights, share) == pytest.approx(
            np.quantile(copies, share, method="averaged_inverted_cdf")
        )


def test_weighted_quantile_of_infinite_and_no_values():
    weights = np.ones(2)
    assert weighted_quantile(np.array([1.0, math.inf]), weights, 0.5) == math.inf
    assert weighted_quantile(np.array([math.inf, math.inf]), weights, 0.5) == math.inf
    assert math.isnan(weighted_quantile(np.empty(0), np.empty(0), 0.5))
    assert math.isnan(quantile(np.empty(0), 0.5))


@pytest.mark.parametrize("compared", [(0, 1, 2), ()], ids=["images", "patients"])
def test_only_some_groups(compared):
    """As if there were no others: their images, and the patients who have none left, are gone."""
    rng = np.random.default_rng(4)
    groups = np.repeat([0, 1, 2], [6, 40, 7])
    people = np.concatenate([np.arange(2, 8), np.repeat(np.arange(8), 5), np.arange(1, 8)])
    values, inside = rng.random((2, 53)), groups != 1
    found = Units.from_cases(values, people, groups, 3, compared).only([0, 2])
    alone = Units.from_cases(values[:, inside], people[inside], groups[inside], 3)
    assert np.array_equal(found.counts, alone.counts)
    assert np.allclose(found.values, alone.values, equal_nan=True)
    assert np.allclose(found.overall, alone.overall)
    assert (found.images is None) == (not compared)
    if found.images is not None:
        assert np.array_equal(found.images.values, values[:, inside])
        assert np.array_equal(found.images.groups, groups[inside])
        assert np.array_equal(found.images.units, people[inside] - 1)
