"""Which groups are too small to compare: fewer patients than a threshold have a value."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

#: Groups with fewer patients are shown, but excluded from gaps and tests by default.
FEWEST_PATIENTS = 5


@dataclass(frozen=True)
class Observations:
    """One metric of one label: one entry per case of known group.

    Attributes:
        values: Values per case; NaN where undefined.
        replaced: Whether an infinite distance was replaced.
        patients: Patient of each case, by name or number.
        groups: Index of each case's group.
        names: Names of all groups, also of those without cases.
    """

    values: np.ndarray
    replaced: np.ndarray
    patients: np.ndarray
    groups: np.ndarray
    names: tuple[str, ...]


def n_different(names: np.ndarray) -> int:
    """Return how many different ones there are."""
    return len(pd.unique(names))


def group_sizes(patients: np.ndarray, groups: np.ndarray, n_groups: int) -> list[int]:
    """Return how many patients each group has.

    Args:
        patients: (cases,) patient of each case.
        groups: (cases,) index of its group; NaN if it is in none.
        n_groups: Number of groups.
    """
    return [n_different(patients[groups == index]) for index in range(n_groups)]


def patients_per_group(observations: Observations, defined: np.ndarray) -> list[int]:
    """Return how many patients of each group have a defined value."""
    return group_sizes(
        observations.patients[defined], observations.groups[defined], len(observations.names)
    )


def too_small(
    names: Sequence[str], observations: Observations, patients: Sequence[int], min_patients: int
) -> dict[str, str]:
    """Return the groups that are excluded from gaps and tests, with the reason."""
    reasons = {}
    for index, (name, count) in enumerate(zip(names, patients, strict=True)):
        if not (observations.groups == index).any():
            reasons[name] = "no cases"
        elif count == 0:
            reasons[name] = "no case has a defined value"
        elif count < min_patients:
            word = "patient" if count == 1 else "patients"
            reasons[name] = f"{count} {word} with a value, fewer than {min_patients}"
    return reasons
