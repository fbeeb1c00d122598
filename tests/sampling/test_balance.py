from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nnunetv2_fair.sampling.balance import BalancedSampler, allot, balanced_shares


def members_of(sizes):
    return [[f"g{g}_{i}" for i in range(size)] for g, size in enumerate(sizes)]


def sampler_of(sizes, batch_sizes, rank=0, level=1.0, n_unknown=0):
    members = [*members_of(sizes), [f"u_{i}" for i in range(n_unknown)]]
    return BalancedSampler(members, balanced_shares(sizes, n_unknown, level), batch_sizes, rank)


def groups_in(batch):
    return Counter(case.split("_")[0] for case in batch)


@given(
    st.lists(st.integers(1, 50), min_size=1, max_size=6),
    st.integers(1, 40),
    st.integers(0, 2**32 - 1),
)
def test_batches_are_balanced_to_one_place(sizes, batch_size, seed):
    np.random.seed(seed)
    counts = groups_in(sampler_of(sizes, [batch_size])())
    assert sum(counts.values()) == batch_size
    all_counts = [counts[f"g{g}"] for g in range(len(sizes))]
    assert max(all_counts) - min(all_counts) <= 1
    if batch_size % len(sizes) == 0:
        assert len(set(all_counts)) == 1


def test_remainder_goes_to_every_group_equally_often():
    np.random.seed(0)
    sampler = sampler_of([3, 50, 7], [8])
    totals = sum((groups_in(sampler()) for _ in range(3000)), Counter())
    for group in ("g0", "g1", "g2"):
        assert totals[group] / 24000 == pytest.approx(1 / 3, abs=0.006)


def test_position_in_the_batch_tells_nothing_about_the_group():
    # nnU-Net forces foreground on the last third of the batch
    np.random.seed(1)
    sampler = sampler_of([2, 100], [12])
    first = np.zeros(12)
    for _ in range(3000):
        first += [case.startswith("g0") for case in sampler()]
    np.testing.assert_allclose(first / 3000, 0.5, atol=0.05)


def test_every_member_is_drawn_equally_often():
    np.random.seed(2)
    sampler = sampler_of([4, 9], [6])
    drawn = Counter(case for _ in range(4000) for case in sampler())
    for size, group in ((4, "g0"), (9, "g1")):
        for i in range(size):
            assert drawn[f"{group}_{i}"] / 12000 == pytest.approx(1 / size, rel=0.1)


def test_more_groups_than_places():
    np.random.seed(3)
    sampler = sampler_of([5] * 10, [4])
    totals = Counter()
    for _ in range(2000):
        counts = groups_in(sampler())
        assert max(counts.values()) == 1
        totals += counts
    assert min(totals.values()) / 800 == pytest.approx(1, abs=0.12)
    assert max(totals.values()) / 800 == pytest.approx(1, abs=0.12)


def test_unknown_cases_keep_their_natural_share():
    np.random.seed(4)
    sampler = sampler_of([10, 70], [8], n_unknown=20)
    totals = sum((groups_in(sampler()) for _ in range(3000)), Counter())
    assert totals["u"] / 24000 == pytest.approx(0.2, abs=0.01)
    assert totals["g0"] / 24000 == pytest.approx(0.4, abs=0.01)


def test_level_moves_between_natural_and_equal_shares():
    np.testing.assert_allclose(balanced_shares([1, 3], level=0.0), [0.25, 0.75, 0])
    np.testing.assert_allclose(balanced_shares([1, 3], level=1.0), [0.5, 0.5, 0])
    np.testing.assert_allclose(balanced_shares([1, 3], level=0.5), [0.375, 0.625, 0])
    np.testing.assert_allclose(balanced_shares([1, 3], 4, level=1.0), [0.25, 0.25, 0.5])


@given(st.integers(1, 30), st.integers(0, 2**32 - 1))
def test_allotted_places_are_the_share_rounded_up_or_down(n_slots, seed):
    rng = np.random.default_rng(seed)
    shares = rng.dirichlet(np.ones(4))
    counts = np.bincount(allot(shares, n_slots, rng), minlength=4)
    assert counts.sum() == n_slots
    assert (counts >= np.floor(shares * n_slots - 1e-9)).all()
    assert (counts <= np.ceil(shares * n_slots + 1e-9)).all()


@pytest.mark.parametrize("batch_sizes", [[3, 3, 3, 3], [4, 3, 3], [1, 1]])
def test_ranks_balance_the_global_batch(batch_sizes):
    np.random.seed(5)
    samplers = [sampler_of([4, 90], batch_sizes, rank) for rank in range(len(batch_sizes))]
    share_of_rank_0 = 0
    for _ in range(6400):  # 100 blocks of the schedule
        batches = [sampler() for sampler in samplers]
        assert [len(batch) for batch in batches] == batch_sizes
        counts = sum((groups_in(batch) for batch in batches), Counter())
        assert abs(counts["g0"] - counts["g1"]) <= 1
        share_of_rank_0 += groups_in(batches[0])["g0"] / batch_sizes[0] / 6400
    # roles change: no rank is tied to a group, because ranks differ in forced foreground
    assert share_of_rank_0 == pytest.approx(0.5, abs=0.2)


def test_wrong_arguments():
    with pytest.raises(ValueError, match="2 groups but 3 shares"):
        BalancedSampler(members_of([1, 1]), np.ones(3) / 3, [2])
    with pytest.raises(ValueError, match=r"\[1\] have a share but no case"):
        BalancedSampler([["a"], []], np.array([0.5, 0.5]), [2])
