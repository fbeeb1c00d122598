"""Which groups are too small to compare, at the boundary."""

import numpy as np

from nnunetv2_fair.evaluation.statistics.group_comparison import StatisticsSettings
from nnunetv2_fair.evaluation.statistics.small_groups import (
    FEWEST_PATIENTS,
    Observations,
    not_compared,
    patients_per_group,
)


def observations(values, patients, groups, names):
    return Observations(
        np.array(values, float), np.zeros(len(values), bool), np.array(patients, object),
        np.array(groups), tuple(names),
    )  # fmt: skip


def test_five_patients_are_enough_and_four_are_not():
    values = [0.9] * 9
    found = observations(values, list("abcdefghi"), [0] * 5 + [1] * 4, ["five", "four"])
    counts = patients_per_group(found, np.ones(9, bool))
    assert counts == [5, 4]
    assert not_compared(found.names, found, counts, FEWEST_PATIENTS) == {
        "four": "4 patients with a value, fewer than 5"
    }


def test_patients_count_once_however_many_cases_they_have():
    found = observations([0.9] * 6, list("aabbcc"), [0] * 6, ["many cases"])
    assert patients_per_group(found, np.ones(6, bool)) == [3]


def test_patients_without_a_value_do_not_count():
    found = observations([0.9, np.nan, 0.8], list("abc"), [0, 0, 1], ["x", "y"])
    defined = ~np.isnan(found.values)
    assert patients_per_group(found, defined) == [1, 1]
    reasons = not_compared(found.names, found, [1, 0], 1)
    assert reasons == {"y": "no case has a defined value"}


def test_a_group_without_cases_says_so():
    found = observations([0.9], ["a"], [0], ["there", "absent"])
    assert not_compared(found.names, found, [1, 0], 1) == {"absent": "no cases"}


def test_the_default_is_five():
    assert FEWEST_PATIENTS == StatisticsSettings().min_patients == 5
