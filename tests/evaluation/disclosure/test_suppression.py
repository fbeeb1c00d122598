"""Which counts are hidden, in cases small enough to follow."""

import pandas as pd
import pytest

from nnunetv2_fair.evaluation.disclosure.suppression import find_suppression


def people_of(**counts: int) -> pd.DataFrame:
    """One case per patient; ``f_young=3`` are three young women, ``unknown=2`` two without sex."""
    rows = []
    for name, count in counts.items():
        sex, _, age = name.partition("_")
        for _ in range(count):
            known = "" if sex == "unknown" else sex
            joint = f"{known}, {age}" if known and age else ""
            rows.append({"patient": f"p{len(rows)}", "sex": known, "age": age, "sex+age": joint})
    return pd.DataFrame(rows)


SEX = {"f": ("f",), "m": ("m",)}
AGE = {"old": ("old",), "young": ("young",)}
JOINT = {f"{s}, {a}": (s, a) for s in SEX for a in AGE}


@pytest.mark.parametrize(("women", "small"), [(3, True), (4, True), (5, False)])
def test_groups_of_fewer_than_five_patients_are_small(women, small):
    found = find_suppression(people_of(f=women, m=20), {"sex": SEX})
    assert found.tells_nothing_of("sex", "f") is small
    assert found.tells_counts_of("sex", "f") is not small


def test_a_patient_with_many_cases_is_one_patient():
    people = people_of(f=12, m=12)
    people.loc[people["sex"] == "f", "patient"] = "the same"
    assert find_suppression(people, {"sex": SEX}).tells_nothing_of("sex", "f")


def test_what_the_total_leaves_of_a_small_group_is_hidden():
    found = find_suppression(people_of(f=3, m=20), {"sex": SEX})
    # with everybody's number told, that of the men would tell that of the women
    assert not found.tells_counts_of("sex", "m")
    assert not found.tells_nothing_of("sex", "m")
    assert found.tells_total_of("sex")


def test_few_unknown_cases_hide_the_total_of_the_known_ones():
    found = find_suppression(people_of(f=20, m=20, unknown=2), {"sex": SEX})
    assert not found.tells_total_of("sex")
    assert find_suppression(people_of(f=20, m=20, unknown=9), {"sex": SEX}).tells_total_of("sex")


def test_an_intersection_is_hidden_before_a_group():
    people = people_of(f_old=3, f_young=20, m_old=20, m_young=40)
    found = find_suppression(people, {"sex": SEX, "age": AGE, "sex+age": JOINT})
    assert all(found.tells_counts_of("sex", name) for name in SEX)
    assert all(found.tells_counts_of("age", name) for name in AGE)
    assert found.tells_nothing_of("sex+age", "f, old")
    assert not any(found.tells_counts_of("sex+age", name) for name in JOINT)


@pytest.mark.parametrize(
    ("f", "m", "told"),
    [(20, 40, {"m"}), (40, 20, {"f"}), (33, 33, set()), (33, 36, set()), (33, 37, {"m"})],
)
def test_which_group_is_hidden_with_a_small_one_tells_nothing_of_it(f, m, told):
    """The smaller of two groups is hidden: it is not larger than the one whose number is told.

    Of 33 and 33 and 3 patients, the first hidden, a reader knew that it has at most 33, and, where
    it is the reference of all gaps, at least 33: of the 36 that are left, 3 are the small group.
    """
    groups = {"f": ("f",), "m": ("m",), "x": ("x",)}
    found = find_suppression(people_of(f=f, m=m, x=3), {"sex": groups})
    assert {name for name in ("f", "m") if found.tells_counts_of("sex", name)} == told
    assert found.tells_nothing_of("sex", "x")
    assert not found.closed


def test_groups_whose_levels_nobody_knows_are_closed():
    people = people_of(f_old=9, f_young=9, m_old=9, m_young=9)
    found = find_suppression(people, {"sex": SEX, "sex+age": None})
    assert found.closed == {"sex+age"}
    assert all(found.tells_counts_of("sex", name) for name in SEX)


def test_an_attribute_with_more_levels_than_can_be_checked_is_closed():
    """Every level of ``site`` is one patient; none of them may be told."""
    sites = [f"site {number}" for number in range(2001)]
    people = pd.DataFrame({"patient": sites, "site": sites, "sex": ["f", "m", "m"] * 667})
    people["sex+site"] = people["sex"] + ", " + people["site"]
    groups = {
        "site": {site: (site,) for site in sites},
        "sex": SEX,
        "sex+site": {
            name: (sex, site)
            for name, sex, site in zip(people["sex+site"], people["sex"], sites, strict=True)
        },
    }
    found = find_suppression(people, groups)
    assert found.closed == {"site", "sex+site"}
    assert all(found.tells_nothing_of("site", site) for site in sites)
    assert all(found.tells_counts_of("sex", name) for name in SEX)


def test_two_suppressions_together_hide_what_either_hides():
    few_women = find_suppression(people_of(f=3, m=20), {"sex": SEX})
    some_unknown = find_suppression(people_of(f=20, m=20, unknown=2), {"sex": SEX})
    both = few_women | some_unknown
    assert both.tells_nothing_of("sex", "f")
    assert not both.tells_total_of("sex")
    assert both.hidden >= few_women.hidden | some_unknown.hidden


def test_readers_see_that_some_cases_are_unknown():
    # women and unknown are four together: as some are unknown, there are at most three women
    found = find_suppression(people_of(f=2, m=20, unknown=2), {"sex": SEX})
    assert not found.tells_counts_of("sex", "m")
