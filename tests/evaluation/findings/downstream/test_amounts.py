"""How measures and errors are written."""

import pytest

from nnunetv2_fair.evaluation.findings.downstream.amounts import amount, error, unit_words


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (12.345, "ml", "12.3 ml"),
        (0.6123, "", "0.612"),
        (55.04, "%", "55.0%"),
        (1.234e8, "", "1.23 \N{MULTIPLICATION SIGN} 10^8"),
        (-250_000.0, "mm²", "\N{MINUS SIGN}2.50 \N{MULTIPLICATION SIGN} 10^5 mm²"),
        (float("nan"), "ml", "\N{EN DASH}"),
    ],
)
def test_amounts(value, unit, text):
    assert amount(value, unit) == text


def test_errors_of_percentages_are_points():
    assert error(3.21, "%", signed=True) == "+3.21 percentage points"
    assert unit_words("%") == " (percentage points)"
    assert unit_words("") == ""
