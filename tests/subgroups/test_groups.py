import pytest

from nnunetv2_fair.errors import DemographicsError
from nnunetv2_fair.subgroups.groups import group_cases
from nnunetv2_fair.subgroups.table import read_table

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
    with pytest.raises(DemographicsError, match="1 cases have no value of 'sex': d"):
        group_cases(table, "sex", unknown="error")


def test_repr_shows_no_person(table):
    assert "group_of" not in repr(group_cases(table))
