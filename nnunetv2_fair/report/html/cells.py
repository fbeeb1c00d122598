"""How many of a group have a value, and why a cell of a table has none."""

from nnunetv2_fair.evaluation.findings import numbers
from nnunetv2_fair.evaluation.results.groups import GroupStatistics

#: Why a shareable result hides a value.
WHY_HIDDEN = "hidden: it would tell something about too few patients"


def why_undefined(group: GroupStatistics) -> str:
    """Say why a group has no median."""
    if group.n_cases is None or group.n_undefined is None:
        return WHY_HIDDEN
    if not group.n_cases:
        return "no cases"
    if group.n_undefined >= group.n_cases:
        return "undefined in every case (reference and prediction empty)"
    return WHY_HIDDEN


def having_value(group: GroupStatistics, *, by_case: bool) -> str:
    """Say how many patients (or cases) of a group have a value: ``22 of 100 patients``."""
    everyone = group.n_cases if by_case else group.n_patients
    told = numbers.count(everyone, "case" if by_case else "patient")
    if everyone is None or group.n_units == everyone:
        return told
    if group.n_units is None:
        return f"{told}, perhaps some without a value"
    return f"{group.n_units:,} of {told}"
