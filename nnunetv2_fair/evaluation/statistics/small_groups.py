"""Which groups are not compared: others were chosen, or too few of their patients have a value."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from nnunetv2_fair.evaluation.results.groups import NOT_CHOSEN

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

    def of(self, groups: Sequence[int]) -> "Observations":
        """Return the cases of some groups; the others have none."""
        chosen = np.isin(self.groups, groups)
        return Observations(
            self.values[chosen],
            self.replaced[chosen],
            self.patients[chosen],
            self.groups[chosen],
            self.names,
        )


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


def not_compared(
    names: Sequence[str],
    observations: Observations,
    patients: Sequence[int],
    min_patients: int,
    chosen: Collection[str] | None = None,
) -> dict[str, str]:
    """Return the groups that are excluded from gaps and tests, with the reason.

    Args:
        names: All groups.
        observations: The values.
        patients: Patients with a defined value of each group.
        min_patients: Groups with fewer patients are not compared.
        chosen: Groups to compare; all if None.
    """
    reasons = {}
    for index, (name, count) in enumerate(zip(names, patients, strict=True)):
        if chosen is not None and name not in chosen:
            reasons[name] = NOT_CHOSEN
        elif not (observations.groups == index).any():
            reasons[name] = "no cases"
        elif count == 0:
            reasons[name] = "no case has a defined value"
        elif count < min_patients:
            word = "patient" if count == 1 else "patients"
            reasons[name] = f"{count} {word} with a value, fewer than {min_patients}"
    return reasons
