"""Divergence of subgroups against brute force and against DivExplorer itself."""

import itertools

import numpy as np
import pandas as pd
import pytest
from divexplorer import DivergenceExplorer
from hypothesis import given, settings
from hypothesis import strategies as st

from nnunetv2_fair.errors import DemographicsError
from nnunetv2_fair.subgroups.divergence import (
    attributes_with_groups,
    divergence_weights,
    fill_and_scale,
    find_divergences,
    label_cases,
)
from nnunetv2_fair.subgroups.table import read_table

# sex, age, density of eight validation cases, and their Dice
CODES = np.array(
    [[0, 0, 1], [0, 0, 0], [0, 1, 1], [0, 1, -1], [1, 0, 0], [1, 1, 1], [1, 1, 0], [-1, 1, 0]]
)
SCORES = np.array([0.9, 0.7, 0.5, 0.3, 0.8, 0.9, 0.6, 0.4])


def brute_force(codes, scores, fewest=1):
    """Every conjunction of every subset of attributes, one by one."""
    found = {}
    n_attributes = codes.shape[1]
    levels = [range(max(codes[:, a].max(), 0) + 1) for a in range(n_attributes)]
    for conjunction in itertools.product(*([-1, *level] for level in levels)):
        wanted = np.array(conjunction)
        if (wanted < 0).all():
            continue
        inside = ((codes == wanted) | (wanted < 0)).all(1)
        if inside.sum() >= fewest:
            found[conjunction] = (int(inside.sum()), scores[inside].mean() - scores.mean())
    return found


def as_dict(found):
    return {
        tuple(row.tolist()): (int(n), float(d))
        for row, n, d in zip(found.codes, found.n_cases, found.divergence, strict=True)
    }


def brute_force_weights(codes, found):
    weights = []
    for row in codes:
        fitting = [
            abs(divergence)
            for wanted, (_, divergence) in found.items()
            if all(w in (-1, r) for w, r in zip(wanted, row, strict=True))
        ]
        weights.append(max(fitting, default=np.nan))
    return np.array(weights)


def weights_of(codes, found):
    return divergence_weights(codes, found.codes, found.divergence)


def assert_same(ours, theirs):
    assert set(ours) == set(theirs)
    for key, (count, divergence) in theirs.items():
        assert ours[key][0] == count
        assert ours[key][1] == pytest.approx(divergence, abs=1e-12)


def test_hand_made_table():
    found = as_dict(find_divergences(CODES, SCORES))
    # the mean is 5.1 / 8 = 0.6375
    assert found[0, -1, -1] == (4, pytest.approx(0.6 - 0.6375))
    assert found[0, 1, -1] == (2, pytest.approx(0.4 - 0.6375))
    assert found[0, 1, 1] == (1, pytest.approx(0.5 - 0.6375))
    assert found[-1, 1, -1] == (5, pytest.approx(0.54 - 0.6375))
    assert_same(found, brute_force(CODES, SCORES))
    weights = weights_of(CODES, find_divergences(CODES, SCORES))
    assert weights[0] == pytest.approx(0.2625)  # alone in female, young, dense: 0.9
    # of unknown density, so not in the subgroup of one: female and old has 0.4
    assert weights[3] == pytest.approx(0.2375)


def test_equals_divexplorers_own_output():
    names = (["f", "m"], ["<50", ">=50"], ["a", "b"])
    table = pd.DataFrame(
        [
            [groups[c] if c >= 0 else None for groups, c in zip(names, row, strict=True)]
            for row in CODES
        ],
        columns=["sex", "age", "density"],
    ).assign(dice=SCORES)
    theirs = DivergenceExplorer(table).get_pattern_divergence(
        min_support=0.001, quantitative_outcomes=["dice"]
    )
    weights = []
    for _, row in table.iterrows():
        items = {f"{name}={row[name]}" for name in ("sex", "age", "density") if row[name]}
        fitting = theirs[[itemset <= items for itemset in theirs["itemset"]]]
        weights.append(fitting["dice_div"].abs().max())
    found = find_divergences(CODES, SCORES)
    assert len(found) == len(theirs) - 1  # without the subgroup of all cases
    np.testing.assert_allclose(weights_of(CODES, found), weights, atol=1e-12)


@st.composite
def tables(draw):
    n, n_attributes = draw(st.integers(1, 25)), draw(st.integers(1, 4))
    codes = draw(
        st.lists(
            st.lists(st.integers(-1, 3), min_size=n_attributes, max_size=n_attributes),
            min_size=n, max_size=n,
        )
    )  # fmt: skip
    scores = draw(st.lists(st.floats(0, 1, width=32), min_size=n, max_size=n))
    return np.array(codes), np.array(scores)


@settings(max_examples=40, deadline=None)
@given(tables(), tables(), st.sampled_from([0.001, 0.07, 0.25, 0.5, 1.0]))
def test_all_conjunctions_with_enough_cases(validation, training, min_support):
    codes, scores = validation
    fewest = max(1, int(np.ceil(min_support * len(scores) - 1e-9)))
    reference = brute_force(codes, scores, fewest)
    found = find_divergences(codes, scores, min_support)
    assert_same(as_dict(found), reference)
    # training cases may have groups that no validation case has
    n_attributes = codes.shape[1]
    other = np.resize(training[0], (len(training[0]), n_attributes))
    np.testing.assert_allclose(
        weights_of(other, found), brute_force_weights(other, reference), atol=1e-12
    )


def test_support_is_not_rounded_up():
    # 0.07 * 100 is 7.000000000000001 in floating point
    codes = np.zeros((100, 2), dtype=int)
    codes[:7] = 1
    found = as_dict(find_divergences(codes, np.linspace(0, 1, 100), 0.07))
    assert found[1, 1][0] == found[1, -1][0] == 7
    assert (1, 1) not in as_dict(find_divergences(codes, np.linspace(0, 1, 100), 0.0701))


def test_a_subgroup_unseen_in_validation_leaves_the_weight_to_its_parents():
    validation = np.array([[0, 0], [0, 1], [1, 0], [1, 0]])
    found = find_divergences(validation, np.array([0.2, 0.9, 0.5, 0.8]))
    weights = weights_of(np.array([[1, 1], [2, 1], [2, 2], [-1, -1]]), found)
    # mean 0.6; (1, any) 0.05, (any, 1) 0.3
    np.testing.assert_allclose(weights[:2], [0.3, 0.3])
    assert np.isnan(weights[2:]).all()


def test_cases_without_score_are_left_out():
    scores = SCORES.copy()
    scores[[1, 6]] = np.nan
    kept = ~np.isnan(scores)
    assert_same(as_dict(find_divergences(CODES, scores)), brute_force(CODES[kept], scores[kept]))


@pytest.mark.parametrize(
    ("codes", "scores"),
    [
        (np.zeros((0, 2), dtype=int), np.zeros(0)),
        (np.full((3, 2), -1), np.array([0.1, 0.2, 0.3])),
        (np.zeros((3, 2), dtype=int), np.full(3, np.nan)),
    ],
)
def test_nothing_to_find(codes, scores):
    found = find_divergences(codes, scores)
    assert len(found) == 0
    assert np.isnan(weights_of(np.zeros((4, 2), dtype=int), found)).all()


def test_cases_in_no_subgroup_count_as_the_average():
    weights = np.array([0.1, np.nan, 0.3])
    np.testing.assert_allclose(fill_and_scale(weights, mean_one=False), [0.1, 0.2, 0.3])
    np.testing.assert_allclose(fill_and_scale(weights, mean_one=True), [0.5, 1, 1.5])
    assert fill_and_scale(np.zeros(3), mean_one=True).tolist() == [1, 1, 1]
    assert fill_and_scale(np.zeros(3), mean_one=False).tolist() == [0, 0, 0]
    assert fill_and_scale(np.full(2, np.nan), mean_one=False).tolist() == [1, 1]


def test_too_many_combinations_are_refused():
    codes = np.full((2, 20), 9)
    found = find_divergences(np.eye(20, dtype=int)[:2] - 1, np.array([0.1, 0.2]))
    with pytest.raises(DemographicsError, match="20 attributes have too many combinations"):
        weights_of(codes, found)


TABLE = "case,patient,sex,age\na,1,female,40\nb,2,male,\nc,3,,70\n"


def test_labels_by_attribute(write_demographics):
    table = read_table(write_demographics(TABLE))
    labels = label_cases(table, attributes_with_groups(table))
    assert labels.attributes == ("sex", "age")
    assert labels.groups == (("female", "male"), ("<50", ">=65"))
    assert labels.codes[labels.rows(["c", "a", "b"])].tolist() == [[-1, 1], [0, 0], [1, -1]]
    assert labels.describe(np.array([0, 1])) == "sex=female, age=>=65"
    assert labels.describe(np.array([-1, 0])) == "age=<50"
    own = label_cases(table, attributes_with_groups(table), "own")
    assert own.codes[own.rows(["c"])].tolist() == [[2, 1]]
    with pytest.raises(DemographicsError, match="1 case has no value of 'sex': c"):
        label_cases(table, attributes_with_groups(table), "error")


def test_attributes_without_bins_form_no_groups(write_demographics):
    schema = {"default": "sex", "attributes": {"sex": {"type": "categorical", "levels": ["f"]},
                                               "weight": {"type": "numeric"}}}  # fmt: skip
    table = read_table(write_demographics("case,sex,weight\na,f,60\n", schema))
    assert [attribute.name for attribute in attributes_with_groups(table)] == ["sex"]


def test_repr_shows_no_case(write_demographics):
    table = read_table(write_demographics(TABLE.replace("a,1", "secretcase,1")))
    assert "secretcase" not in repr(label_cases(table, attributes_with_groups(table)))
