import json

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from nnunetv2_fair.errors import DemographicsError
from nnunetv2_fair.subgroups.groups import Group, group_cases
from nnunetv2_fair.subgroups.table import read_table
from tests.conftest import SEX_AND_AGE

TABLE = """case,patient,sex,age
a,a,female,34
b,b,male,70
c,c,male,
d,d,,50
e,e,male,64
"""


@pytest.fixture
def table(write_demographics):
    return read_table(write_demographics(TABLE))


def test_one_attribute(table):
    grouping = group_cases(table)
    assert grouping.expression == "sex"
    assert grouping.names == ("female", "male")
    assert grouping.reference == "male"
    assert [grouping.index_of(case) for case in "abcde"] == [0, 1, 1, -1, 1]
    assert grouping.counts("abcde") == {"female": 1, "male": 3}
    assert grouping.unknown("abcde") == ["d"]


def test_intersection_keeps_the_dictionary_order_and_only_groups_that_occur(table):
    grouping = group_cases(table, "sex+age")
    assert grouping.names == ("female, <50", "male, 50-64", "male, >=65")
    assert grouping.unknown("abcde") == ["c", "d"]
    # the vocabulary does not depend on which cases are asked about
    assert grouping.counts("a") == {"female, <50": 1, "male, 50-64": 0, "male, >=65": 0}
    assert grouping.members("ae") == {
        "female, <50": ["a"],
        "male, 50-64": ["e"],
        "male, >=65": [],
    }


def test_unknown_policies(table):
    own = group_cases(table, "sex", unknown="own")
    assert own.names == ("female", "male", "unknown")
    assert own.index_of("d") == 2
    with pytest.raises(DemographicsError, match="1 case has no value of 'sex': d"):
        group_cases(table, "sex", unknown="error")


def test_repr_shows_no_person(table):
    assert "group_of" not in repr(group_cases(table))


LEVELS = st.text(alphabet=', "a', min_size=1, max_size=6)


@given(st.sets(st.tuples(LEVELS, LEVELS), min_size=2, max_size=8))
@example({("a", "b, c"), ("a, b", "c")})
@example({('"a, b"', "c"), ("a, b", "c")})
@example({('"a', 'b", c'), ("a, b", "c")})
@example({("a,", "b"), ("a", ", b")})
@example({('a, x", "b, y', "c, d"), ("a, x", 'b, y", "c, d')})
@example({('a"', '"b'), ('a"", ""', "b")})
def test_groups_never_share_a_name(parts):
    assert len({Group(p).name for p in parts}) == len(parts)


@example({('"a', 'b"', "c"), ("a, b", "c")})
@given(st.sets(st.lists(LEVELS, min_size=2, max_size=4).map(tuple), min_size=2, max_size=8))
def test_names_differ_whatever_the_number_of_attributes(parts):
    names = {Group(p).name for p in parts} | {Group(()).name}
    assert len(names) == len(parts) + 1


def test_a_level_by_itself_is_its_own_name():
    for level in ("a, b", '"a"', "female"):
        assert Group((level,)).name == level
    assert Group(("female", "<50")).name == "female, <50"
    assert Group(('5" or more', "x")).name == '5" or more, x'


def test_the_level_unknown_takes_in_those_who_are_unknown(write_demographics):
    schema = {"attributes": {"x": {"type": "categorical", "levels": ["unknown", "a"]}}}
    table = read_table(write_demographics("case,patient,x\n1,1,unknown\n2,2,\n3,3,a\n", schema))
    own = group_cases(table, "x", unknown="own")
    assert own.names == ("unknown", "a")
    assert own.counts("123") == {"unknown": 2, "a": 1}
    assert group_cases(table, "x").unknown("123") == ["2"]
    joint = {**schema["attributes"], "y": {"type": "categorical", "levels": ["b"]}}
    rows = "case,patient,x,y\n1,1,unknown,b\n2,2,,b\n"
    table = read_table(write_demographics(rows, {"attributes": joint}))
    own = group_cases(table, "x+y", unknown="own")
    assert own.parts == {"unknown, b": ("unknown", "b"), "unknown": ()}
    assert own.counts("12") == {"unknown, b": 1, "unknown": 1}


def test_a_reference_that_nobody_is_in_is_none(write_demographics):
    table = read_table(write_demographics("case,patient,sex,age\na,a,female,34\n"))
    assert group_cases(table, "sex").reference is None


def test_a_joint_reference_needs_a_reference_of_every_attribute(write_demographics):
    text = "case,patient,sex,age\n1,1,male,60\n2,2,female,60\n3,3,male,70\n"
    schema = json.loads(json.dumps(SEX_AND_AGE))
    alone = read_table(write_demographics(text, schema))
    assert group_cases(alone, "sex").reference == "male"
    assert group_cases(alone, "sex+age").reference is None
    # one without reference, whose text for "nothing" is the name of a group
    schema["attributes"]["age"]["bins"]["labels"][1] = "None"
    named = read_table(write_demographics(text, schema))
    assert group_cases(named, "sex+age").reference is None
    schema["attributes"]["age"]["reference"] = "None"
    both = read_table(write_demographics(text, schema))
    assert group_cases(both, "sex+age").reference == "male, None"
