import pytest
from hypothesis import given
from hypothesis import strategies as st

from nnunetv2_fair.dataset_conversion.ukbb_cmr.codes import (
    FIELDS,
    UkbbColumn,
    ethnicity_of,
    parse_column,
    sex_of,
)
from tests.dataset_conversion.factories.ukbb_cmr import SPELLINGS

#: Data coding 1001 as the showcase prints it: code, meaning, top level.
TREE = [
    (1, "White", "White"),
    (1001, "British", "White"),
    (1002, "Irish", "White"),
    (1003, "Any other white background", "White"),
    (2, "Mixed", "Mixed"),
    (2001, "White and Black Caribbean", "Mixed"),
    (2002, "White and Black African", "Mixed"),
    (2003, "White and Asian", "Mixed"),
    (2004, "Any other mixed background", "Mixed"),
    (3, "Asian or Asian British", "Asian"),
    (3001, "Indian", "Asian"),
    (3002, "Pakistani", "Asian"),
    (3003, "Bangladeshi", "Asian"),
    (3004, "Any other Asian background", "Asian"),
    (4, "Black or Black British", "Black"),
    (4001, "Caribbean", "Black"),
    (4002, "African", "Black"),
    (4003, "Any other Black background", "Black"),
    (5, "Chinese", "Chinese"),
    (6, "Other ethnic group", "Other"),
    (-1, "Do not know", ""),
    (-3, "Prefer not to answer", ""),
]


@pytest.mark.parametrize(("code", "meaning", "group"), TREE, ids=lambda value: str(value))
def test_the_whole_tree_as_code_decimal_and_text(code: int, meaning: str, group: str) -> None:
    for text in (str(code), f"{code}.0", f" {code} ", meaning, meaning.upper()):
        assert ethnicity_of(text) == group


@given(st.integers(-10_000, 10_000))
def test_codes_that_do_not_exist_have_no_group(code: int) -> None:
    expected = "" if code < 0 else {number: group for number, _, group in TREE}.get(code)
    assert ethnicity_of(str(code)) == expected


@pytest.mark.parametrize("text", ["", " ", "NA", "nan", "NaN", "<NA>"])
def test_empty_cells_are_unknown(text: str) -> None:
    assert ethnicity_of(text) == ""
    assert sex_of(text) == ""


@pytest.mark.parametrize(
    ("text", "group"),
    [("0", "female"), ("1.0", "male"), ("Female", "female"), ("MALE", "male"), ("2", None),
     ("f", None), ("-3", ""), ("-9.0", "")],
)  # fmt: skip
def test_sex(text: str, group: str | None) -> None:
    assert sex_of(text) == group


@pytest.mark.parametrize("spelling", SPELLINGS)
@pytest.mark.parametrize("visit", [0, 2])
@pytest.mark.parametrize("field", FIELDS.values())
def test_every_spelling_of_a_column(spelling: str, visit: int, field: int) -> None:
    name = SPELLINGS[spelling][1](field, visit)
    bare = field == 31 and spelling in ("rap", "rap long")
    assert parse_column(name) == UkbbColumn(field, None if bare else visit)


@pytest.mark.parametrize("name", ["eid", "sex", "21000", "p", "f.eid", "21000-x.0", "ap21000_i0"])
def test_other_columns_are_no_fields(name: str) -> None:
    assert parse_column(name) is None


def test_only_codes_of_the_tree_mean_something() -> None:
    known = {code for code in range(10_000) if ethnicity_of(str(code)) is not None}
    assert known == {number for number, _, _ in TREE if number > 0}
    assert {code for code in range(100) if sex_of(str(code)) is not None} == {0, 1}
