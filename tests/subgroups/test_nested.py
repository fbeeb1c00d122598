"""Cohorts: whose patients leave, and that all images of a patient leave together."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nnunetv2_fair.errors import TrainingError
from nnunetv2_fair.subgroups.groups import Group, Grouping
from nnunetv2_fair.subgroups.nested import with_equal_numbers, with_fewer_of_the_smallest


def grouping_of(group_of: dict[str, str | None]) -> Grouping:
    names = sorted({name for name in group_of.values() if name is not None})
    return Grouping("ethnicity", tuple(Group((name,)) for name in names), group_of)


def cohort(n_white: int = 9, n_black: int = 5) -> tuple[list[str], Grouping, dict[str, str]]:
    """Two cases per patient, and one person of unknown group."""
    patients = {f"{who}_{f}": who for who in
                [*(f"w{i}" for i in range(n_white)), *(f"b{i}" for i in range(n_black)), "u0"]
                for f in ("ED", "ES")}  # fmt: skip
    known = {"w": "White", "b": "Black", "u": None}
    return list(patients), grouping_of({c: known[c[0]] for c in patients}), patients


@given(st.integers(1, 12), st.data())
def test_cohorts_are_nested(n_black, data):
    cases, grouping, patients = cohort(13, n_black)
    few = data.draw(st.integers(1, n_black))
    more = data.draw(st.integers(few, n_black))
    small, large = (with_fewer_of_the_smallest(cases, grouping, patients, n) for n in (few, more))
    assert set(small) <= set(large) <= set(cases)
    assert small == [case for case in cases if case in set(small)]
    for kept, n in ((small, few), (large, more)):
        assert len({patients[case] for case in kept if case[0] == "b"}) == n
        assert [case for case in kept if case[0] != "b"] == [c for c in cases if c[0] != "b"]
        # all images of a patient stay, or none
        assert len([case for case in kept if case[0] == "b"]) == 2 * n


def test_who_stays_does_not_depend_on_the_others():
    cases, grouping, patients = cohort()
    kept = with_fewer_of_the_smallest(cases, grouping, patients, 2)
    fewer = [case for case in cases if case[0] != "w" or case[1] in "0123456"]
    again = with_fewer_of_the_smallest(fewer[::-1], grouping, patients, 2)
    assert {c for c in kept if c[0] == "b"} == {c for c in again if c[0] == "b"}


@given(st.integers(1, 12), st.integers(0, 5))
def test_equal_numbers_of_patients(n_black, draw):
    cases, grouping, patients = cohort(13, n_black)
    kept = with_equal_numbers(cases, grouping, patients, draw)
    assert kept == [case for case in cases if case in set(kept)]
    for group in "wb":
        own = [case for case in kept if case[0] == group]
        assert len({patients[case] for case in own}) == n_black
        assert len(own) == 2 * n_black
    assert [case for case in kept if case[0] == "u"] == ["u0_ED", "u0_ES"]


def test_draws_are_of_other_patients_and_each_as_often():
    cases, grouping, patients = cohort(20, 5)
    draws = [
        {patients[c] for c in with_equal_numbers(cases, grouping, patients, draw) if c[0] == "w"}
        for draw in range(400)
    ]
    assert len({frozenset(one) for one in draws}) > 350
    times = [sum(f"w{i}" in one for one in draws) for i in range(20)]
    assert min(times) > 65  # expected 100, standard deviation 8.7
    assert max(times) < 135


@pytest.mark.parametrize(
    ("n_patients", "known", "message"),
    [
        (6, True, "The smallest group of 'ethnicity', 'Black', has fewer than 6 patients"),
        (1, False, "No training case has a known 'ethnicity'"),
    ],
)
def test_refused(n_patients, known, message):
    cases, grouping, patients = cohort()
    if not known:
        grouping = grouping_of(dict.fromkeys(cases))
    with pytest.raises(TrainingError, match=re.escape(message)):
        with_fewer_of_the_smallest(cases, grouping, patients, n_patients)
