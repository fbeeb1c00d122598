"""Why a cell of a table has no value."""

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
