import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nnunetv2_fair.errors import DemographicsError
from nnunetv2_fair.subgroups.tokens import group_named, group_token


@pytest.mark.parametrize(
    ("group", "token"),
    [
        ("female", "female"),
        ("<50", "lt50"),
        ("<=50", "le50"),
        (">=65", "ge65"),
        (">65", "gt65"),
        ("50-64", "50-64"),
        ("50-<65", "50-lt65"),
        ("female, <50", "female+lt50"),
        ("post_menopausal", "post-menopausal"),
        ("a b/c:d", "a-b-c-d"),
        ("1.5+", "1.5+"),
        ("女", "女"),
    ],
)
def test_how_groups_are_written(group, token):
    assert group_token(group) == token


@given(st.text(max_size=30))
def test_tokens_are_valid_in_names_and_stay_as_they_are(group):
    token = group_token(group)
    assert not re.search(r'[_\s/\\:*?"<>|=\'$!&;()`,]', token)
    assert group_token(token) == token


def test_every_group_is_found_by_its_token():
    groups = ("<50", "50-64", ">=65")
    for group in groups:
        assert group_named(group_token(group), groups, "age") == group


def test_unknown_group_lists_the_groups_as_written():
    with pytest.raises(DemographicsError) as error:
        group_named("old", ("<50", "50-64"), "age")
    assert str(error.value) == (
        "'age' has no group 'old'. Its groups, as written in names: lt50 (for <50), 50-64."
    )


@pytest.mark.parametrize("groups", [("a b", "a-b"), ("Old", "old")])
def test_groups_that_file_systems_may_confuse_are_refused(groups):
    with pytest.raises(DemographicsError) as error:
        group_named(group_token(groups[0]), groups, "x")
    assert f"'{groups[0]}', '{groups[1]}'" in str(error.value)
    assert "demographics.json" in str(error.value)


def test_capitals_must_be_right():
    with pytest.raises(DemographicsError, match="has no group 'FEMALE'"):
        group_named("FEMALE", ("female", "male"), "sex")
