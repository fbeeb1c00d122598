"""What FairSeg's numbers say about a person, number by number."""

import pytest

from nnunetv2_fair.dataset_conversion.fairseg.codes import (
    RACE_SCHEMES,
    ages_in_years,
    decide_race_scheme,
    level_of,
)


def test_race_2_alone_decides_nothing() -> None:
    codes, problems = decide_race_scheme({"a": 2, "b": 2, "c": -1}, None)
    assert codes == {}
    assert "Say which: --race-codes 012 or --race-codes 237" in problems[0]
    assert decide_race_scheme({"a": 2}, "237") == (RACE_SCHEMES["237"], [])
    assert decide_race_scheme({"a": 2, "b": 7}, None) == (RACE_SCHEMES["237"], [])
    assert decide_race_scheme({"a": 2, "b": 0}, None) == (RACE_SCHEMES["012"], [])


@pytest.mark.parametrize("value", [-1, "-1", -1.0, float("nan"), "", "Unknown"])
def test_only_minus_one_and_words_mean_unknown(value: str | float) -> None:
    assert level_of("gender", value, {}) == ("", None)


@pytest.mark.parametrize("value", [-2, -9, 2, 0.5, "divers"])
def test_other_codes_are_reported(value: str | float) -> None:
    level, problem = level_of("gender", value, {})
    assert level == ""
    assert problem is not None
    assert "expected 0 female, 1 male or -1 (unknown)" in problem


def test_an_age_of_0_is_an_age() -> None:
    years, in_days, problems = ages_in_years({"a": 0, "b": 40, "c": -1, "d": "unknown"})
    assert years == {"a": "0", "b": "40", "c": "", "d": ""}
    assert not in_days
    assert problems == []
