"""Patients and cases of every combination of levels."""

import pandas as pd

from nnunetv2_fair.evaluation.disclosure.group_profiles import UNKNOWN, count_profiles, counts_of

SEX = {"f": ("f",), "m": ("m",)}
JOINT = {"f, old": ("f", "old"), "m, old": ("m", "old"), "m, young": ("m", "young")}


def test_patients_and_cases_of_every_profile():
    people = pd.DataFrame(
        [("p1", "f", "f, old"), ("p1", "f", "f, old"), ("p2", "m", "m, old"), ("p2", "m", ""),
         ("p3", UNKNOWN, UNKNOWN)],
        columns=["patient", "sex", "sex+age"],
    )  # fmt: skip
    groups = {"sex": SEX, "sex+age": JOINT}
    assert count_profiles(groups) == 9
    counts = counts_of(people, groups, frozenset(), fewest=2)
    assert counts.n_profiles == 9
    assert (counts.patients.sum(), counts.cases.sum()) == (4, 5)  # p2 is in two profiles
    women = counts.cells["sex", "f"]
    assert (counts.patients[women].sum(), counts.cases[women].sum()) == (1, 2)
    unknown = counts.cells["sex+age", UNKNOWN]
    assert (counts.patients[unknown].sum(), counts.cases[unknown].sum()) == (2, 2)
    assert counts.small == {*(("sex", g) for g in ("f", "m", UNKNOWN)),
                            *(("sex+age", g) for g in JOINT)}  # fmt: skip
    # nobody is a young woman, as readers see from the list of groups
    assert counts.never.sum() == 1
    assert not counts.patients[counts.never].any()


def test_readers_know_that_nobody_is_unknown():
    people = pd.DataFrame({"patient": ["p1", "p2"], "sex": ["f", "m"]})
    counts = counts_of(people, {"sex": SEX}, frozenset({"sex"}), fewest=5)
    assert list(counts.cells) == [("sex", "f"), ("sex", "m")]
    assert counts.never.tolist() == [True, False, False]
