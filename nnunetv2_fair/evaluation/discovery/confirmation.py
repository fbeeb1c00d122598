"""Whether subgroups found in one half of the patients diverge in the other half, too."""

from collections.abc import Sequence

import numpy as np

from nnunetv2_fair.evaluation.discovery.permutation import permuted_z, rank_z
from nnunetv2_fair.evaluation.discovery.rows import Rows
from nnunetv2_fair.evaluation.results.discovery import Confirmation
from nnunetv2_fair.evaluation.statistics.corrections import holm


def held_out_patients(
    codes: np.ndarray, patients: np.ndarray, generator: np.random.Generator
) -> np.ndarray:
    """Draw half of the patients, balanced over the combinations of groups.

    Patients are ordered by their groups, at random where these are equal, and of each two
    neighbours one is drawn.

    Args:
        codes: (cases, A) groups of each case.
        patients: (cases,) number of the patient, 0 to P - 1.
        generator: Source of randomness.

    Returns:
        (P,) whether the patient is held out.
    """
    _, first = np.unique(patients, return_index=True)
    order = np.lexsort((generator.random(len(first)), *codes[first].T[::-1]))
    held_out = np.zeros(len(first), dtype=bool)
    second_of_pair = generator.integers(0, 2, (len(first) + 1) // 2)
    chosen = 2 * np.arange(len(second_of_pair)) + second_of_pair
    held_out[order[chosen[chosen < len(first)]]] = True
    return held_out


def confirmations(
    rows: Rows,
    subgroups: np.ndarray,
    found: Sequence[float],
    min_patients: int,
    permutations: int,
    generator: np.random.Generator,
) -> list[Confirmation]:
    """Test subgroups in patients in whom they were not searched for.

    Args:
        rows: The held-out half.
        subgroups: (S, A) codes.
        found: z of each in the half that was searched; a test looks in that direction alone.
        min_patients: Subgroups with fewer patients are not tested.
        permutations: How many.
        generator: Source of randomness.
    """
    membership = rows.membership(subgroups)
    inside = [membership[index].indices for index in range(len(subgroups))]
    n_patients = np.array([len(np.unique(rows.patients[members])) for members in inside])
    z = np.where(n_patients >= min_patients, rank_z(rows, membership), np.nan)
    tested = np.flatnonzero(~np.isnan(z))
    p_values = np.full(len(z), np.nan)
    if len(tested):
        sign = np.sign(np.asarray(found))[tested]
        reached = np.zeros(len(tested), dtype=int)
        least = sign * z[tested] - 1e-5
        for drawn in permuted_z(rows, membership[tested], permutations, generator):
            for part, values in drawn:
                reached[part] += (values * sign[part][:, None] >= least[part][:, None]).sum(axis=1)
        p_values[tested] = (1 + reached) / (permutations + 1)
    corrected = holm(p_values)
    overall = rows.values.mean() if len(rows) else np.nan
    means = [rows.values[members].mean() if len(members) else np.nan for members in inside]
    return [
        Confirmation(
            n_cases=int(rows.n_cases[inside[index]].sum()),
            n_patients=int(n_patients[index]),
            mean=float(means[index]),
            divergence=float(means[index] - overall),
            z=float(z[index]),
            p_value=float(p_values[index]),
            corrected_p=float(corrected[index]),
        )
        for index in range(len(subgroups))
    ]
