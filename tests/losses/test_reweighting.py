"""Reweighting against the paper's equations."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from nnunetv2_fair.losses.reweighting import batch_weights, group_weights, paper_weights

#: Training cases of the CMR paper: Black and White.
CMR = (15, 4221)


def test_equations_1_and_2_on_the_papers_training_set():
    black, white = 4236 / (15 + 1e-6), 4236 / (4221 + 1e-6)
    assert paper_weights(CMR) == pytest.approx(
        [black / (black + white), white / (black + white)], abs=1e-12
    )
    assert paper_weights(CMR) == pytest.approx([0.99646, 0.00354], abs=5e-6)
    assert group_weights(CMR, raw=True)[:2] == pytest.approx(paper_weights(CMR))


def test_the_mean_over_the_training_set_is_one():
    weights = group_weights(CMR)
    assert weights == pytest.approx([4236 / 30, 4236 / 8442, 1], rel=1e-6)
    assert (15 * weights[0] + 4221 * weights[1]) / 4236 == pytest.approx(1)


def test_raw_weights_are_far_below_one_on_average():
    weights = group_weights(CMR, raw=True)
    assert weights[2] == pytest.approx((15 * weights[0] + 4221 * weights[1]) / 4236)
    assert weights[2] == pytest.approx(0.00706, abs=1e-5)


def test_with_balanced_batches_the_mean_over_what_is_drawn_is_one():
    weights = group_weights(CMR, [0.45, 0.45, 0.1])
    assert weights == pytest.approx([2 * 4221 / 4236, 2 * 15 / 4236, 1], rel=1e-6)


def test_the_cap_holds_and_the_mean_stays_one():
    weights = group_weights(CMR, cap=10)
    assert weights == pytest.approx([10, (4236 - 150) / 4221, 1])
    assert group_weights(CMR, cap=1000) == pytest.approx(group_weights(CMR))
    assert group_weights(CMR, cap=1) == pytest.approx([1, 1, 1])
    with pytest.raises(ValueError, match=r"at least 1, not 0\.5"):
        group_weights(CMR, cap=0.5)


def test_a_group_without_training_case_changes_nothing():
    weights = group_weights([15, 0, 4221])
    assert weights[1] == 0
    assert weights[[0, 2, 3]] == pytest.approx(group_weights(CMR))


def test_one_group_has_weight_one():
    assert group_weights([12]) == pytest.approx([1, 1])
    assert group_weights([12], raw=True) == pytest.approx([1, 1])


@given(
    st.lists(st.integers(1, 5000), min_size=1, max_size=8),
    st.one_of(st.none(), st.floats(1, 50)),
    st.booleans(),
)
def test_what_holds_for_all_sizes(sizes, cap, raw):
    weights = group_weights(sizes, cap=cap, raw=raw)
    counted = np.array(sizes)
    assert (weights > 0).all()
    mean = counted @ weights[:-1] / counted.sum()
    assert weights[-1] == pytest.approx(mean)
    assert (weights[:-1].sum() if raw else mean) == pytest.approx(1)
    if cap is not None:
        assert weights.max() <= cap * mean * (1 + 1e-9)
        below = weights[:-1] < cap * mean * (1 - 1e-9)
    else:
        below = np.full(len(sizes), True)
    # groups below the cap keep the paper's ratios
    products = (weights[:-1] * counted)[below]
    assert products == pytest.approx(np.full(len(products), products[:1].sum()), rel=1e-6)


@given(st.lists(st.integers(-1, 3), min_size=1, max_size=12), st.booleans())
def test_weights_of_a_batch_are_those_of_a_training_set_that_is_the_batch(groups, raw):
    counts = [groups.count(g) for g in range(4)]
    weights = batch_weights(torch.tensor(groups), 4, raw=raw).numpy()
    if any(counts):
        assert weights == pytest.approx(group_weights(counts, raw=raw), rel=1e-5)
    else:
        assert weights[-1] == 1
        assert not weights[:-1].any()
