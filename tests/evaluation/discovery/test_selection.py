import numpy as np

from nnunetv2_fair.evaluation.discovery.permutation import rank_z
from nnunetv2_fair.evaluation.discovery.rows import Rows
from nnunetv2_fair.evaluation.discovery.selection import distinct_subgroups
from nnunetv2_fair.subgroups.divergence import find_divergences


def chosen(codes, values, wanted=20):
    rows = Rows.of(codes, values, np.arange(len(values)), "patient")
    found = find_divergences(codes, values, 0.01)
    membership = rows.membership(found.codes)
    z = rank_z(rows, membership)
    lengths = (found.codes >= 0).sum(axis=1)
    order, passed = distinct_subgroups(rows, membership, z, lengths, wanted)
    return [tuple(found.codes[index].tolist()) for index in order], passed, z[order]


def test_a_planted_subgroup_takes_its_shadows_along(rng):
    codes = rng.integers(0, 3, (900, 3))
    values = rng.normal(size=900)
    values[(codes[:, 0] == 1) & (codes[:, 1] == 2)] -= 4
    rows, passed, z = chosen(codes, values)
    # both of its parts, and all that it holds, diverge strongly, but because of it
    assert rows[0] == (1, 2, -1)
    assert (1, -1, -1) not in rows
    assert not {(1, 2, third) for third in range(3)} & set(rows)
    assert passed >= 5
    assert (np.diff(np.abs(z)) <= 1e-6).all()


def test_two_planted_subgroups_are_both_kept(rng):
    codes = rng.integers(0, 3, (900, 3))
    values = rng.normal(size=900)
    values[(codes[:, 0] == 1) & (codes[:, 1] == 2)] -= 3
    values[codes[:, 2] == 0] += 1
    rows, _, _ = chosen(codes, values, wanted=2)
    assert set(rows) == {(1, 2, -1), (-1, -1, 0)}


def test_of_the_same_members_the_shorter_is_kept(rng):
    # whoever is in group 1 of the first is in group 1 of the second attribute
    first = rng.integers(0, 2, 200)
    codes = np.column_stack([first, np.maximum(first, rng.integers(0, 2, 200))])
    values = rng.normal(size=200) - 2 * first
    rows, _, _ = chosen(codes, values)
    assert rows[0] in {(1, -1), (0, -1)}
    assert (1, 1) not in rows
