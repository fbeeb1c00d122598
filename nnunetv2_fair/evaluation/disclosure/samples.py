"""The values behind the numbers of every comparison."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from nnunetv2_fair.evaluation.disclosure.group_profiles import UNKNOWN
from nnunetv2_fair.evaluation.disclosure.precision import Sample

#: Key of all cases of known group together; no group's name is a line break.
EVERYONE = "\n"


def samples_of(
    values: np.ndarray, people: pd.DataFrame, attribute: str, *, by_image: bool
) -> Mapping[str, Sample]:
    """Return the values of every group of an attribute, and of all of them together.

    Args:
        values: (cases,) values; NaN where undefined.
        people: One row per case: ``patient``, and the group in every expression (empty: unknown).
        attribute: The expression.
        by_image: Whether images are counted; otherwise a patient's value is the mean of theirs.

    Returns:
        Group (empty: unknown) -> its values, and :data:`EVERYONE` -> those of all known groups.
        Groups without a value are absent.
    """
    defined = ~np.isnan(values)
    groups = people.loc[defined, attribute].astype(str).to_numpy(dtype=object)
    patients = pd.factorize(people.loc[defined, "patient"])[0]
    known = values[defined]
    found = {}
    for group in pd.unique(groups):
        chosen = groups == group
        found[str(group)] = _sample(known[chosen], patients[chosen], by_image)
    if (chosen := groups != UNKNOWN).any():
        found[EVERYONE] = _sample(known[chosen], patients[chosen], by_image)
    return found


def _sample(values: np.ndarray, patients: np.ndarray, by_image: bool) -> Sample:
    if by_image:
        return Sample(values, patients)
    names, place, counts = np.unique(patients, return_inverse=True, return_counts=True)
    return Sample(np.bincount(place, weights=values) / counts, names)
