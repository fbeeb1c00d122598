import math

import numpy as np
import pytest

from nnunetv2_fair.evaluation.discovery.confirmation import confirmations, held_out_patients
from nnunetv2_fair.evaluation.discovery.permutation import rank_z
from nnunetv2_fair.evaluation.discovery.selection import distinct_subgroups
from nnunetv2_fair.subgroups.divergence import find_divergences
from tests.evaluation.discovery.laws import attributes, null_rows


@pytest.mark.parametrize("n", [1, 2, 7, 400])
def test_half_of_every_combination_is_held_out(rng, n):
    codes = attributes(rng, n)[:, :2]
    patients = np.repeat(np.arange(n), 2)
    held_out = held_out_patients(codes[patients], patients, rng)
    assert abs(held_out.sum() - n / 2) <= 0.5
    for first in range(2):
        for second in range(3):
            inside = (codes == [first, second]).all(axis=1)
            # pairs of neighbours: at most one at each end is with somebody else
            assert abs(held_out[inside].sum() - inside.sum() / 2) <= 1


def confirmed(rng, n: int, planted: float) -> tuple[bool, bool]:
    """Search one sample and test in another: any false one, and the planted one."""
    halves = [null_rows(rng, "dice with failures", n, "unequal") for _ in range(2)]
    plant = np.array([-1, 1, -1, -1, 1, -1])
    for rows in halves:
        inside = (rows.codes[:, 1] == 1) & (rows.codes[:, 4] == 1)
        rows.ranks[inside] -= planted
    search, held_out = halves
    found = find_divergences(search.codes, search.values, 5 / len(search))
    membership = search.membership(found.codes)
    z = rank_z(search, membership)
    chosen, _ = distinct_subgroups(search, membership, z, (found.codes >= 0).sum(axis=1), 5)
    tests = confirmations(held_out, found.codes[chosen], z[chosen], 5, 199, rng)
    right = [(found.codes[index] == plant).all() for index in chosen]
    hits = [test.corrected_p < 0.05 for test in tests]
    return any(hits), any(hit for hit, own in zip(hits, right, strict=True) if own)


def test_chance_is_confirmed_in_5_percent_and_a_planted_subgroup_nearly_always():
    rng = np.random.default_rng(4)
    rate = np.mean([confirmed(rng, 80, 0.0)[0] for _ in range(60)])
    assert rate <= 0.05 + 3 * math.sqrt(0.05 * 0.95 / 60)
    found = np.mean([confirmed(rng, 300, 0.5)[1] for _ in range(10)])
    assert found >= 0.8


def test_the_other_direction_confirms_nothing(rng):
    rows = null_rows(rng, "dice", 200)
    rows.ranks[rows.codes[:, 0] == 0] += 0.5
    subgroup = np.array([[0, -1, -1, -1, -1, -1]])
    (found,) = confirmations(rows, subgroup, [3.0], 5, 99, rng)
    assert found.p_value == 0.01
    (wrong,) = confirmations(rows, subgroup, [-3.0], 5, 99, rng)
    assert wrong.p_value == 1.0


def test_too_few_patients_are_not_tested(rng):
    rows = null_rows(rng, "dice", 60)
    rare = np.array([[1, 1, 1, 1, 1, 1], [0, -1, -1, -1, -1, -1]])
    found, tested = confirmations(rows, rare, [-2.0, -2.0], 5, 99, rng)
    assert found.n_patients < 5
    assert math.isnan(found.z)
    assert math.isnan(found.corrected_p)
    # not part of the family
    assert tested.corrected_p == tested.p_value
