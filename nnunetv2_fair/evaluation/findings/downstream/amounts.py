"""How measures and their errors are written."""

import math

from nnunetv2_fair.evaluation.findings import numbers
from nnunetv2_fair.evaluation.findings.sentences import Data
from nnunetv2_fair.evaluation.results.tables.per_case import ONLY_LABEL

#: From here on, and below its inverse, a number without decimals that mean something is written as
#: a power of ten.
_LARGE = 1e5


def amount(value: float, unit: str, *, signed: bool = False) -> str:
    """Write a value of a measure with its unit; energies and areas may be very large."""
    if unit == "%":
        return f"{numbers.number(value, unit, signed=signed)}%"
    if not math.isfinite(value) or abs(value) < _LARGE:
        return numbers.with_unit(value, unit, signed=signed)
    digits, _, power = f"{abs(value):.2e}".partition("e")
    sign = numbers.MINUS if value < 0 else "+" if signed else ""
    text = f"{sign}{digits} \N{MULTIPLICATION SIGN} 10^{int(power)}"
    return f"{text} {unit}" if unit else text


def error(value: float, unit: str, *, signed: bool = False) -> str:
    """Write an error: that of a percentage is in percentage points."""
    return amount(value, _unit(unit), signed=signed)


def unit_words(unit: str) -> str:
    """Return the unit of errors in brackets, as a title of an axis ends; empty if there is none."""
    return f" ({_unit(unit)})" if unit else ""


def _unit(unit: str) -> str:
    return "percentage points" if unit == "%" else unit


def of_label(label: str) -> list[str]:
    """Return words for the label that a measure is taken from."""
    return [] if label == ONLY_LABEL else [" of ", Data(label)]
