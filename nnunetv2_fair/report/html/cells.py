"""Cells of tables: numbers, and why there is none."""

import math

from nnunetv2_fair.evaluation.results.groups import GroupStatistics
from nnunetv2_fair.report.html import numbers
from nnunetv2_fair.report.html.markup import Html, element, join

#: Why a shareable result does not tell a value.
WHY_HIDDEN = "hidden: it would tell of a group with too few patients"


def undefined(reason: str) -> Html:
    """Return the en dash of a value that does not exist; hovering says why."""
    return element("span", numbers.UNDEFINED, class_="undefined", title=reason)


def value(amount: float, unit: str, reason: str) -> Html:
    """Return a number; an undefined or infinite one explains itself."""
    if math.isnan(amount):
        return undefined(reason)
    text = numbers.number(amount, unit)
    if math.isinf(amount):
        return element("span", text, title="infinite: a prediction or reference is empty")
    return join([text])


def why_undefined(group: GroupStatistics) -> str:
    """Say why a group has no value."""
    if group.n_cases is None or group.n_undefined is None:
        return WHY_HIDDEN
    if not group.n_cases:
        return "no cases"
    if group.n_undefined >= group.n_cases:
        return "undefined in every case (reference and prediction empty)"
    return "not computable"
