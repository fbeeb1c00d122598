"""What readers could believe, against trying all whole numbers of patients and cases."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nnunetv2_fair.evaluation.disclosure.reader_knowledge import Knowledge

N_PROFILES = 4


def knowledge(equal, equal_to, at_most=(), limits=(), n_profiles=3, never=()):
    return Knowledge(
        np.array(equal, float),
        np.array(equal_to, float),
        np.array(at_most, float).reshape(-1, 2 * n_profiles),
        np.array(limits, float),
        np.isin(np.arange(n_profiles), never),
    )


def all_sums(total: int) -> list[tuple[int, ...]]:
    numbers = itertools.product(range(total + 1), repeat=N_PROFILES)
    return [n for n in numbers if sum(n) == total]


def all_that_could_be(known: Knowledge) -> np.ndarray:
    n_patients, n_cases = (int(total) for total in known.equal_to[:2])
    every = np.array([[*x, *y] for x in all_sums(n_patients) for y in all_sums(n_cases)])
    patients, cases = every[:, :N_PROFILES], every[:, N_PROFILES:]
    kept = (
        (patients <= cases).all(1)
        & ((cases == 0) | (patients > 0)).all(1)
        & ~cases[:, known.never].any(1)
        & (every @ known.equal.T == known.equal_to).all(1)
        & (every @ known.at_most.T <= known.limits).all(1)
    )
    return every[kept]


sets = st.lists(st.booleans(), min_size=N_PROFILES, max_size=N_PROFILES).map(np.array)


@given(
    st.lists(
        st.integers(0, 3).flatmap(lambda x: st.tuples(st.just(x), st.integers(x, 2 * x))),
        min_size=N_PROFILES, max_size=N_PROFILES,
    ).filter(lambda people: 0 < sum(x for x, _ in people) <= 6 and sum(y for _, y in people) <= 8),
    st.lists(st.tuples(sets, st.sampled_from(["told", "at most", "at least"])), max_size=4),
    sets, sets,
)  # fmt: skip
@settings(max_examples=40, deadline=None)
def test_it_agrees_with_trying_everything(people, published, wanted, nobody):
    x, y = (np.array(numbers) for numbers in zip(*people, strict=True))
    none, every = np.zeros(N_PROFILES), np.ones(N_PROFILES)
    equal, equal_to = [np.r_[every, none], np.r_[none, every]], [x.sum(), y.sum()]
    at_most, limits = [], []
    for inside, how in published:
        if how == "told":
            equal += [np.r_[inside, none], np.r_[none, inside]]
            equal_to += [x[inside].sum(), y[inside].sum()]
        else:
            sign = 1 if how == "at most" else -1
            at_most.append(sign * np.r_[inside, none])
            limits.append(sign * x[inside].sum() + 1)
    never = np.flatnonzero(nobody & (x == 0))
    known = knowledge(equal, equal_to, at_most, limits, N_PROFILES, never)
    possible = all_that_could_be(known)
    for target in (np.r_[wanted, none], np.r_[none, wanted], -np.r_[wanted, none]):
        least = (possible @ target).min()
        assert known.allows(target, least)
        assert not known.allows(target, least - 1)


@pytest.mark.parametrize(("patients", "could_be"), [(4, True), (5, False)])
def test_halves_of_patients_do_not_count(patients, could_be):
    """Three groups of two profiles each have equal sums: half of it each, or nothing."""
    pairs = [[1, 1, 0], [0, 1, 1], [1, 0, 1]]
    equal = [[*pair, 0, 0, 0] for pair in pairs] + [[0, 0, 0, 1, 1, 1]]
    known = knowledge(equal, [patients] * 3 + [20])
    assert known.allows(np.array([1, 0, 0, 0, 0, 0.0]), 3) is could_be


def test_a_case_is_somebodys():
    """All patients are in the first profile: so are all cases."""
    equal = [[1, 1, 1, 0, 0, 0], [0, 0, 0, 1, 1, 1], [1, 0, 0, 0, 0, 0]]
    known = knowledge(equal, [6, 9, 6])
    assert known.allows(np.array([0, 0, 0, -1, 0, 0.0]), -9)
    assert not known.allows(np.array([0, 0, 0, 0, -1, 0.0]), -1)
