"""Which subgroups to show: the ones with the strongest evidence that tell something new."""

import numpy as np
from scipy import sparse

from nnunetv2_fair.evaluation.discovery.permutation import standard_errors
from nnunetv2_fair.evaluation.discovery.rows import Rows

#: A subgroup of which less than this z, and less than half of its own, remains once the subgroups
#: before it are accounted for is redundant.
REDUNDANT = 2.0


def distinct_subgroups(
    rows: Rows, membership: sparse.csr_matrix, z: np.ndarray, lengths: np.ndarray, wanted: int
) -> tuple[list[int], int]:
    """Return the strongest subgroups, without those that stronger ones account for.

    A subgroup that diverges takes others along: those that hold it, those within it, and those
    that share members with it. So the strongest is taken, its members' ranks are brought back to
    the average, and what is left of the others decides whether they are taken, too. The
    strongest one is never dropped in favour of a weaker one.

    Args:
        rows: What was searched.
        membership: (S, n) as :meth:`Rows.membership`.
        z: (S,) of the ranks; NaN: not tested.
        lengths: (S,) items of each subgroup; of equal evidence the shorter comes first.
        wanted: How many at most.

    Returns:
        The subgroups by the size of z, and how many were passed over on the way.
    """
    scale = 1 / (standard_errors(rows, membership, rows.rank_spread) * np.diff(membership.indptr))
    remaining = rows.ranks - rows.ranks.mean()
    left = z
    kept: list[int] = []
    passed = 0
    # rounded, so that subgroups of the same members are equal
    for index in np.lexsort((lengths, -np.abs(np.round(z, 6)))):
        if np.isnan(z[index]) or len(kept) == wanted:
            break
        strength = abs(z[index])
        if kept and np.sign(z[index]) * left[index] < min(REDUNDANT, strength / 2):
            passed += 1
            continue
        kept.append(int(index))
        inside = membership[index].indices
        remaining[inside] -= remaining[inside].mean()
        left = (membership @ remaining) * scale
    return kept, passed
