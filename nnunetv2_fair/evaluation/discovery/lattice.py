"""Subgroups and the parts that they are made of."""

import itertools
import math
from collections.abc import Sequence

import numpy as np

from nnunetv2_fair.errors import EvaluationError, shorten
from nnunetv2_fair.subgroups.divergence import Divergences


class Lattice:
    """Looks up the divergence of the parts of a subgroup; every part of one was found, too."""

    def __init__(self, found: Divergences, groups: Sequence[Sequence[str]]) -> None:
        """Number all subgroups.

        Args:
            found: The subgroups.
            groups: Groups of each attribute.

        Raises:
            EvaluationError: If there are more combinations than can be numbered.
        """
        sizes = [len(names) + 1 for names in groups]
        if math.prod(sizes) >= 2**62:
            raise EvaluationError(
                f"{len(sizes)} attributes have too many combinations of groups to search. Remove "
                "columns from the table, or bin numeric ones into fewer groups: "
                f"{shorten(sizes, 20)} groups each."
            )
        self._places = np.cumprod([1, *sizes[:-1]])
        keys = (found.codes + 1) @ self._places if len(found) else np.zeros(0, dtype=int)
        order = np.argsort(keys)
        # the divergence of all units together is 0
        self._sorted = np.concatenate([[0], keys[order]])
        self._divergence = np.concatenate([[0.0], found.divergence[order]])

    def contributions(self, codes: np.ndarray) -> dict[int, float]:
        """Return the Shapley contribution of each attribute's item to a subgroup's divergence.

        Args:
            codes: (attributes,) of one of the subgroups.
        """
        from divexplorer.shapley_value import compute_shapley_value

        used = [int(a) for a in np.flatnonzero(codes >= 0)]
        digits = {a: int((codes[a] + 1) * self._places[a]) for a in used}
        scores = {
            length: {
                frozenset(part): float(self._of(np.array([sum(digits[a] for a in part)]))[0])
                for part in itertools.combinations(used, length)
            }
            for length in range(len(used) + 1)
        }
        found = compute_shapley_value(frozenset(used), scores)
        return {a: float(found[frozenset([a])]) for a in used}

    def _of(self, keys: np.ndarray) -> np.ndarray:
        return np.asarray(self._divergence[np.searchsorted(self._sorted, keys)])
