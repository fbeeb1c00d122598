import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nnunetv2_fair.dataset_conversion.mama_mia.codes import AGE_BINS, COLUMNS, UnknownCodeError


@given(st.one_of(st.integers(1, 100), st.floats(0.5, 100).map(lambda age: round(age, 3))))
def test_age_groups_are_those_of_the_challenge(age: float) -> None:
    edges, labels = [0, 40, 50, 60, 70, 100], ["0-40", "41-50", "51-60", "61-70", "71+"]
    expected = pd.cut(pd.Series([age]), bins=edges, labels=labels)[0]
    assert AGE_BINS.label(float(COLUMNS["age"].read(str(age)))) == expected


@pytest.mark.parametrize(
    ("age", "group"), [(40, "0-40"), (40.5, "41-50"), (50, "41-50"), (70, "61-70"), (70.1, "71+")]
)
def test_ages_at_the_edges(age: float, group: str) -> None:
    assert AGE_BINS.label(age) == group


@pytest.mark.parametrize(
    ("text", "level"),
    [
        ("pre", "pre"),
        ("Post", "post"),
        ("peri (6-12 months since last menstrual period)", "pre"),
        ("pre (<6 months since LMP AND no prior bilateral ovariectomy)", "pre"),
        ("post (prior bilateral ovariectomy OR >12 mo since LMP)", "post"),
        ("premenopausal", "pre"),
        ("post, formerly pre", "post"),
    ],
)
def test_menopausal_status_is_mapped_as_in_the_challenge(text: str, level: str) -> None:
    assert COLUMNS["menopausal_status"].read(text) == level


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("field_strength", "3.0", "3"),
        ("field_strength", "1.5T", "1.5"),
        ("breast_density", "C", "c"),
        ("ethnicity", "African American", "african american"),
        ("age", "51.0", "51"),
        ("age", "40.0001", "40.0001"),
    ],
)
def test_cells(name: str, text: str, value: str) -> None:
    assert COLUMNS[name].read(text) == value


@pytest.mark.parametrize(
    ("name", "text"),
    [("age", "-1"), ("age", "inf"), ("age", "old"), ("breast_density", "5"),
     ("menopausal_status", "yes"), ("field_strength", "x")],
)  # fmt: skip
def test_unknown_codes(name: str, text: str) -> None:
    with pytest.raises(UnknownCodeError):
        COLUMNS[name].read(text)
