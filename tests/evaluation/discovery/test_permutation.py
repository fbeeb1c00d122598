"""Ranks and their test against closed forms, brute force, and data without any difference."""

import dataclasses
import itertools
import math

import numpy as np
import pytest
import scipy.stats

from nnunetv2_fair.evaluation.discovery.permutation import (
    permuted_z,
    rank_z,
    standard_errors,
    subgroup_tests,
)
from nnunetv2_fair.evaluation.discovery.rows import Rows
from nnunetv2_fair.subgroups.divergence import find_divergences
from tests.evaluation.discovery.laws import LAWS, null_rows

IMAGES = ("one", "unequal", "by group", "changing")


def members_of(rows: Rows, fewest: int = 5):
    """Return the membership of every subgroup of enough rows and patients."""
    found = find_divergences(rows.codes, rows.values, fewest / len(rows))
    membership = rows.membership(found.codes)
    return found, membership[rows.n_patients_in(membership) >= fewest]


def all_z(rows, membership, permutations, rng):
    return np.concatenate(
        [
            np.concatenate([values for _, values in drawn])
            for drawn in permuted_z(rows, membership, permutations, rng)
        ],
        axis=1,
    )


def test_membership_is_what_the_codes_say(rng):
    rows = null_rows(rng, "dice", 60, "changing")
    found, _ = members_of(rows)
    membership = rows.membership(found.codes).toarray()
    for inside, codes in zip(membership, found.codes, strict=True):
        expected = ((rows.codes == codes) | (codes < 0)).all(axis=1)
        assert (inside == expected).all()
    unknown = Rows.of(np.array([[-1, 0], [0, -1], [0, 0]]), np.arange(3.0), np.arange(3), "patient")
    chosen = unknown.membership(np.array([[0, -1], [0, 0], [-1, 0]])).toarray()
    assert chosen.tolist() == [[0, 1, 1], [0, 0, 1], [1, 0, 1]]


def test_z_of_single_images_is_that_of_the_rank_sum_test(rng):
    rows = null_rows(rng, "nsd with ties at 1", 80)
    found, membership = members_of(rows)
    z = rank_z(rows, membership)
    for own, codes in zip(z, found.codes, strict=True):
        inside = ((rows.codes == codes) | (codes < 0)).all(axis=1)
        expected = scipy.stats.mannwhitneyu(
            rows.values[inside], rows.values[~inside], use_continuity=False, method="asymptotic"
        )
        assert 2 * scipy.stats.norm.sf(abs(own)) == pytest.approx(expected.pvalue, rel=1e-5)


def test_every_permutation_of_few_patients(rng):
    codes = np.array([[0], [0], [1], [1], [1]])
    values = np.array([0.1, 0.3, 0.35, 0.6, 0.9])
    rows = Rows.of(codes, values, np.arange(5), "patient")
    membership = rows.membership(np.array([[0]]))
    z = rank_z(rows, membership)[0]
    found = all_z(rows, membership, 4000, rng)[0]
    ranks = np.arange(5.0)
    error = ranks.std(ddof=1) * math.sqrt(1 / 2 - 1 / 5)
    expected = [
        (ranks[list(chosen)].mean() - 2) / error for chosen in itertools.combinations(range(5), 2)
    ]
    different = sorted(set(np.round(found.astype(float), 4)))
    assert different == pytest.approx(sorted(set(np.round(expected, 4))), abs=1e-3)
    share = np.mean(np.abs(expected) >= abs(z) - 1e-9)
    evidence = subgroup_tests(rows, membership, 4000, rng)
    assert evidence.p_values[0] == pytest.approx(share, abs=0.03)
    assert evidence.corrected[0] == evidence.p_values[0]


@pytest.mark.parametrize("images", IMAGES)
@pytest.mark.parametrize("unit", ["patient", "case"])
def test_permuted_z_have_mean_0_and_variance_1(rng, images, unit):
    rows = null_rows(rng, "dice", 300, images, 0.6, unit)
    _, membership = members_of(rows, 20)
    z = all_z(rows, membership, 400, rng)
    assert np.abs(z.mean(axis=1)).max() < 0.3
    assert z.std(axis=1).mean() == pytest.approx(1, abs=0.05)
    assert (np.abs(z.std(axis=1) - 1) < 0.35).all()


def test_rows_of_a_patient_stay_together(rng):
    # every patient has two rows, with ranks of opposite sign
    patients = np.repeat(np.arange(40), 2)
    codes = np.column_stack([np.tile([0, 1], 40), patients % 3])
    values = rng.random(40)[patients] * np.tile([-1, 1], 40)
    rows = Rows.of(codes, values, patients, "patient")
    ranks = dataclasses.replace(rows, ranks=0.5 + rows.values / 2, rank_spread=(0.1, 0.1))
    first, site = all_z(ranks, rows.membership(np.array([[0, -1], [-1, 1]])), 50, rng)
    assert np.allclose(site, 0, atol=1e-3)
    # within a patient, either may be the first: all patients change in the same way
    assert np.std(first) > 0.1


def test_single_images_and_means_of_many_have_equal_expected_ranks(rng):
    patients = np.repeat(np.arange(4000), np.tile([1, 5], 2000))
    images = np.bincount(patients)
    found = Rows.of((images[patients] == 5).astype(int)[:, None],
                    LAWS["dice"](rng.random(len(patients))), patients, "patient")  # fmt: skip
    assert found.ranks[images == 1].mean() == pytest.approx(0.5, abs=0.02)
    assert found.ranks[images == 5].mean() == pytest.approx(0.5, abs=0.02)
    # the standard error knows that means of five vary less
    membership = found.membership(np.array([[0], [1]]))
    errors = standard_errors(found, membership, found.rank_spread)
    assert errors[0] == pytest.approx(errors[1], rel=0.01)  # the difference of two is one
    few = found.membership(np.array([[0]]))
    few.data[200:] = 0
    few.eliminate_zeros()
    expected = found.ranks[images == 1].std() / math.sqrt(200)
    error = standard_errors(found, few, found.rank_spread)[0]
    assert error == pytest.approx(expected, rel=0.05)


def test_nobody_outside_and_no_spread(rng):
    codes = np.column_stack([np.arange(40) % 2, np.zeros(40, dtype=int)])
    for values, tested in ((np.full(40, 0.5), [False, False]), (np.arange(40.0), [True, False])):
        rows = Rows.of(codes, values, np.arange(40), "patient")
        evidence = subgroup_tests(rows, rows.membership(np.array([[0, -1], [-1, 0]])), 99, rng)
        for numbers in (evidence.z, evidence.p_values, evidence.corrected):
            assert (~np.isnan(numbers)).tolist() == tested


def named(rng, repetitions: int, n: int, **of_rows) -> float:
    """Return in which share of studies without any difference a subgroup is shown."""
    hits = 0
    for _ in range(repetitions):
        rows = null_rows(rng, n=n, **of_rows)
        _, membership = members_of(rows)
        # 199 permutations: a p-value of 0.05 is possible
        hits += np.nanmin(subgroup_tests(rows, membership, 199, rng).corrected) <= 0.05
    return hits / repetitions


@pytest.mark.parametrize(
    ("law", "images", "unit"),
    [
        ("detection", "unequal", "patient"),
        ("dice with failures", "changing", "patient"),
        ("nsd with ties at 1", "changing", "case"),
    ],
)
def test_of_null_studies_about_5_percent_name_a_subgroup(law, images, unit):
    rate = named(np.random.default_rng(1), 40, 80, law=law, images=images, unit=unit)
    assert rate <= 0.05 + 3 * math.sqrt(0.05 * 0.95 / 40)


@pytest.mark.slow
@pytest.mark.parametrize("images", IMAGES)
@pytest.mark.parametrize("law", LAWS)
def test_calibration_of_the_page_wise_rate(law, images):
    """More studies, and other correlations: benchmarks/calibration.py."""
    rng = np.random.default_rng(2)
    rate = named(rng, 100, 200, law=law, images=images, correlation=0.8)
    assert rate <= 0.05 + 3 * math.sqrt(0.05 * 0.95 / 100)
