"""How numbers are written, in pages and in the terminal.

Scores without unit have three decimals; millimetres and pixels two below ten and one above.
An undefined value (NaN) is an en dash, an infinite one the symbol, a minus sign a real one.
"""

import math

from nnunetv2_fair.evaluation.results.values import Interval, MetricInfo

UNDEFINED = "\N{EN DASH}"
INFINITE = "\N{INFINITY}"
HIDDEN = "hidden"
MINUS = "\N{MINUS SIGN}"

#: Fairness measures that are ratios: no unit, even if the metric has one.
RATIOS = frozenset({"ser", "skew"})

_LEAST_P = 0.001


def number(value: float, unit: str = "", *, signed: bool = False) -> str:
    """Write a value without its unit.

    Args:
        value: Any float.
        unit: ``""``, ``mm`` or ``px``; decides the decimals.
        signed: Put a plus sign before positive values.
    """
    if math.isnan(value):
        return UNDEFINED
    size = INFINITE if math.isinf(value) else f"{abs(value):.{decimals(value, unit)}f}"
    if is_zero(value, unit):
        return size
    if value < 0:
        return MINUS + size
    return "+" + size if signed else size


def is_zero(value: float, unit: str = "") -> bool:
    """Return whether a value is written as zero, which it need not be; NaN is not."""
    return round(abs(value), decimals(value, unit)) == 0


def decimals(value: float, unit: str) -> int:
    """Return how many decimals a value of that unit is written with."""
    if not unit:
        return 3
    # 9.996 would round to 10.00: one digit more than 10.0
    return 2 if abs(value) < 9.995 else 1


def with_unit(value: float, unit: str = "", *, signed: bool = False) -> str:
    """Write a value with its unit; an undefined value has none."""
    text = number(value, unit, signed=signed)
    return f"{text} {unit}" if unit and not math.isnan(value) else text


def or_hidden(value: float, unit: str = "", *, signed: bool = False) -> str:
    """Write a value of a finding, which is undefined only where a shareable result hides it."""
    return HIDDEN if math.isnan(value) else with_unit(value, unit, signed=signed)


def interval(limits: Interval, unit: str = "", *, signed: bool = False) -> str:
    """Write ``0.041 to 0.172``; one en dash if it could not be computed."""
    if math.isnan(limits.low) or math.isnan(limits.high):
        return UNDEFINED
    if excludes_zero(limits):
        low, high = (
            _apart_from_zero(end, unit, signed=signed) for end in (limits.low, limits.high)
        )
        return f"{low} to {high}"
    low = number(limits.low, unit, signed=signed)
    return f"{low} to {number(limits.high, unit, signed=signed)}"


def _apart_from_zero(value: float, unit: str, *, signed: bool) -> str:
    """Write an end of an interval without zero with as many decimals as it takes to see that."""
    if not is_zero(value, unit):
        return number(value, unit, signed=signed)
    sign = MINUS if value < 0 else "+" if signed else ""
    return f"{sign}{abs(value):.{-math.floor(math.log10(abs(value)))}f}"


def p_value(value: float) -> str:
    """Write ``p = 0.032`` or ``p < 0.001``."""
    if math.isnan(value):
        return f"p {UNDEFINED}"
    return f"p < {_LEAST_P}" if value < _LEAST_P else f"p = {value:.3f}"


def count(number_of: int | None, one: str, many: str | None = None) -> str:
    """Write ``1 patient``, ``12 patients`` or ``1,204 patients``.

    A number that a shareable result hides (None) is written as hidden.
    """
    if number_of is None:
        return f"number of {many or one + 's'} {HIDDEN}"
    return f"{number_of:,} {one if number_of == 1 else many or one + 's'}"


def whole(number_of: int | None) -> str:
    """Write a whole number; None is hidden in a shareable result."""
    return HIDDEN if number_of is None else f"{number_of:,}"


def percent(fraction: float) -> str:
    """Write a confidence level: ``95%`` or ``99.5%``."""
    return f"{fraction * 100:g}%"


def measure_unit(measure: str, metric: MetricInfo) -> str:
    """Return the unit of a fairness measure of a metric."""
    return "" if measure.split(":")[0] in RATIOS else metric.unit


def ascii_only(text: str) -> str:
    """Replace the typographic signs above for terminals that may not have them."""
    for sign, plain in ((MINUS, "-"), (INFINITE, "inf"), (UNDEFINED, "-"), ("\u2009", " ")):
        text = text.replace(sign, plain)
    return text


def excludes_zero(interval: Interval) -> bool:
    """Return whether both ends are on the same side of zero; False if not computed."""
    return interval.low > 0 or interval.high < 0
