"""Weights and choices that give groups one distribution over strata: against pandas, and laws."""

from fractions import Fraction

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nnunetv2_fair.sampling.strata import (
    UNIT,
    balancing_choice,
    balancing_weights,
    counts_of,
    effective_size,
    imbalance,
)


def cohort(cells):
    """Group and stratum of every case of a table of counts, shuffled."""
    pairs = [(g, s) for (g, s), n in np.ndenumerate(np.array(cells)) for _ in range(n)]
    order = np.random.default_rng(0).permutation(len(pairs))
    group, stratum = np.array(pairs)[order].T
    return group, stratum


def crosstab(group, stratum, weights):
    frame = pd.DataFrame({"g": group, "s": stratum, "w": weights})
    return frame[frame.g >= 0].pivot_table("w", "g", "s", "sum", fill_value=0)


@st.composite
def full_cells(draw, least=1):
    n_groups, n_strata = draw(st.integers(2, 4)), draw(st.integers(2, 5))
    count = st.integers(least, 40)
    return [[draw(count) for _ in range(n_strata)] for _ in range(n_groups)]


@settings(max_examples=80, deadline=None)
@given(full_cells(), st.integers(0, 99))
def test_weights_give_all_groups_the_distribution_of_all_and_keep_totals(cells, seed):
    group, stratum = cohort(cells)
    found = balancing_weights(group, stratum, "keep", np.random.default_rng(seed))
    table = crosstab(group, stratum, found.weights)
    sizes = np.array(cells)
    n = int(sizes.sum())
    assert int(found.weights.sum()) == n * found.unit
    assert table.sum(axis=1).to_list() == (sizes.sum(axis=1) * found.unit).tolist()
    for (g, s), n_cell in np.ndenumerate(sizes):
        wanted = Fraction(int(sizes[g].sum()) * int(sizes[:, s].sum()), n)
        assert abs(table.at[g, s] - wanted * found.unit) < 1
        own = found.weights[(group == g) & (stratum == s)]
        assert len(own) == n_cell
        assert own.max() - own.min() <= 1
    shares = table.div(table.sum(axis=1), axis=0)
    apart = max(
        abs(shares.loc[a] - shares.loc[b]).sum() / 2 for a in shares.index for b in shares.index
    )
    assert imbalance(table.to_numpy(float)) == pytest.approx(apart)
    assert apart <= len(sizes[0]) / (found.unit * sizes.sum(axis=1).min()) + 1e-9


def test_weights_are_exact_where_whole_numbers_can_be():
    group, stratum = cohort([[30, 10], [10, 30]])
    found = balancing_weights(group, stratum, "keep", np.random.default_rng(0))
    assert found.unit == UNIT
    table = crosstab(group, stratum, found.weights)
    assert (table == 20 * UNIT).all(axis=None)
    assert imbalance(counts_of(group, stratum)) == 0.5
    assert imbalance(counts_of(group, stratum, found.weights)) == 0


def test_rare_weights_get_a_finer_unit():
    group, stratum = cohort([[400, 2], [5, 4000]])
    found = balancing_weights(group, stratum, "keep", np.random.default_rng(0))
    assert found.unit > UNIT
    assert found.weights.min() >= 1
    assert imbalance(counts_of(group, stratum, found.weights)) < 0.001


@settings(max_examples=80, deadline=None)
@given(full_cells(least=0), st.integers(0, 99), st.sampled_from(["keep", "drop"]))
def test_choices_keep_the_largest_common_share(cells, seed, alone):
    sizes = np.array(cells)
    shared = (sizes > 0).all(axis=0)
    if not shared.any():
        return
    group, stratum = cohort(cells)
    found = balancing_choice(group, stratum, alone, np.random.default_rng(seed))
    assert set(np.unique(found.weights)) <= {0, 1}
    # strata behind the last patient are not known to it
    assert np.array_equal(found.shared, shared[: len(found.shared)])
    assert not shared[len(found.shared) :].any()
    kept = np.zeros(sizes.shape)
    np.add.at(kept, (group, stratum), found.weights)
    assert (kept <= sizes).all()
    assert (kept[:, ~shared] == (sizes[:, ~shared] if alone == "keep" else 0)).all()
    inside = sizes[:, shared]
    rates = inside / inside.sum(axis=1, keepdims=True)
    wanted = inside.sum(axis=1, keepdims=True) * rates.min(axis=0)
    assert (abs(kept[:, shared] - wanted) < 1).all()
    # no larger share of every group could be kept: the smallest group of a stratum keeps all
    assert (wanted <= inside + 1e-9).all()
    assert np.isclose(wanted, inside).any(axis=0).all()


@pytest.mark.parametrize("make", [balancing_weights, balancing_choice])
def test_strata_that_a_group_lacks_are_left_or_dropped(make):
    group, stratum = cohort([[20, 10, 6], [10, 20, 0]])
    group = np.append(group, [-1, -1])
    stratum = np.append(stratum, [0, 2])
    rng = np.random.default_rng(0)
    kept, dropped = make(group, stratum, "keep", rng), make(group, stratum, "drop", rng)
    lonely = (stratum == 2) & (group == 0)
    assert kept.shared.tolist() == [True, True, False]
    assert (kept.weights[lonely] == kept.unit).all()
    assert (dropped.weights[lonely] == 0).all()
    for found in (kept, dropped):
        assert (found.weights[group == -1] == found.unit).all(), "unknown groups count once"
        table = counts_of(group, stratum, found.weights)[:, :2]
        assert imbalance(table) < 0.02


def test_the_effective_size_is_kishs():
    assert effective_size(np.array([1, 1, 1, 1])) == 4
    assert effective_size(np.array([3, 1])) == pytest.approx(16 / 10)
    assert effective_size(np.array([7, 7, 0])) == 2
    assert effective_size(np.array([0, 0])) == 0


def test_what_is_drawn_from_the_list_has_the_promised_shares():
    group, stratum = cohort([[50, 10, 20], [5, 45, 10]])
    found = balancing_weights(group, stratum, "keep", np.random.default_rng(0))
    listed = np.repeat(np.arange(len(group)), found.weights)
    drawn = np.random.default_rng(1).choice(listed, 60_000)
    frame = pd.crosstab(group[drawn], stratum[drawn], normalize="index")
    expected = np.array([55, 55, 30]) / 140
    assert np.allclose(frame.to_numpy(), expected, atol=0.01)
    assert np.allclose((group[drawn] == 0).mean(), 80 / 140, atol=0.01)
