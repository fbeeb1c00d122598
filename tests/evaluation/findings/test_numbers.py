import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nnunetv2_fair.evaluation.findings import numbers
from nnunetv2_fair.evaluation.results.values import Interval


@pytest.mark.parametrize(
    ("value", "unit", "signed", "expected"),
    [
        (0.71249, "", False, "0.712"),
        (0.0825, "", True, "+0.083"),
        (-0.0004, "", True, "0.000"),
        (-0.12, "", False, "\N{MINUS SIGN}0.120"),
        (8.456, "mm", False, "8.46"),
        (9.994, "mm", False, "9.99"),
        (9.996, "mm", False, "10.0"),
        (123.456, "mm", False, "123.5"),
        (-5.27, "px", True, "\N{MINUS SIGN}5.27"),
        (math.nan, "mm", True, "\N{EN DASH}"),
        (math.inf, "mm", False, "\N{INFINITY}"),
        (math.inf, "mm", True, "+\N{INFINITY}"),
        (-math.inf, "", False, "\N{MINUS SIGN}\N{INFINITY}"),
    ],
)
def test_number(value, unit, signed, expected):
    assert numbers.number(value, unit, signed=signed) == expected


def test_units_are_written_only_behind_numbers():
    assert numbers.with_unit(8.456, "mm") == "8.46 mm"
    assert numbers.with_unit(0.5) == "0.500"
    assert numbers.with_unit(math.nan, "mm") == "\N{EN DASH}"
    assert numbers.with_unit(math.inf, "mm") == "\N{INFINITY} mm"


def test_intervals():
    assert numbers.interval(Interval(0.0411, 0.172)) == "0.041 to 0.172"
    assert numbers.interval(Interval(-0.02, 0.1), signed=True) == "\N{MINUS SIGN}0.020 to +0.100"
    assert numbers.interval(Interval(1.0, math.inf), "mm") == "1.00 to \N{INFINITY}"
    assert numbers.interval(Interval(math.nan, 1.0)) == "\N{EN DASH}"


def test_an_interval_without_zero_does_not_look_as_if_it_had_zero_as_its_end():
    assert numbers.interval(Interval(-0.0775, -0.000055)) == "\u22120.077 to \u22120.00006"
    assert numbers.interval(Interval(0.0004, 0.2), signed=True) == "+0.0004 to +0.200"
    assert numbers.interval(Interval(0.002, 3.0), "mm") == "0.002 to 3.00"
    assert numbers.interval(Interval(0.0, 0.2)) == "0.000 to 0.200"
    assert numbers.interval(Interval(-0.0001, 0.2)) == "0.000 to 0.200"


@pytest.mark.parametrize(
    ("p", "expected"),
    [(0.0321, "p = 0.032"), (0.00099, "p < 0.001"), (0.001, "p = 0.001"), (math.nan, "p –")],  # noqa: RUF001
)
def test_p_values(p, expected):
    assert numbers.p_value(p) == expected


def test_counts_and_percentages():
    assert numbers.count(1, "patient") == "1 patient"
    assert numbers.count(0, "patient") == "0 patients"
    assert numbers.count(1204, "case") == "1,204 cases"
    assert numbers.percent(0.95) == "95%"
    assert numbers.percent(0.995) == "99.5%"


@given(st.floats(allow_nan=True, allow_infinity=True, width=32), st.sampled_from(["", "mm"]))
def test_terminal_text_is_ascii(value, unit):
    text = numbers.ascii_only(numbers.with_unit(value, unit, signed=True))
    assert text.isascii()
    if math.isfinite(value):
        tolerance = 0.0005 if not unit else 0.05
        assert float(text.split()[0]) == pytest.approx(value, abs=tolerance * 1.01)


@given(st.floats(-20, 20) | st.floats(-0.01, 0.01), st.sampled_from(["", "mm", "px"]))
def test_zero_is_what_is_written_as_zero(value, unit):
    assert numbers.is_zero(value, unit) == (not numbers.number(value, unit).strip("0."))


def test_undefined_and_infinite_values_are_not_zero():
    assert not numbers.is_zero(math.nan)
    assert not numbers.is_zero(math.inf, "mm")
