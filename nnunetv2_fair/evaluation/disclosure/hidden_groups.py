"""What must be hidden about the groups of an evaluation, whichever cases have a value."""

import numpy as np
import pandas as pd

from nnunetv2_fair.errors import EvaluationError
from nnunetv2_fair.evaluation.disclosure.group_profiles import Groups
from nnunetv2_fair.evaluation.disclosure.suppression import FEWEST, Suppression, find_suppression
from nnunetv2_fair.evaluation.results.evaluation import EvaluationResult


def patients_enough_to_share(headline: pd.DataFrame) -> int:
    """Return the number of patients of these rows.

    Raises:
        EvaluationError: If there are fewer than five.
    """
    n_patients = int(headline["patient"].nunique())
    if n_patients < FEWEST:
        raise EvaluationError(
            f"Only {n_patients} patients were evaluated, and a shareable result shows nothing "
            f"about fewer than {FEWEST}. Leave out --shareable or --paper, and do not share the "
            "result."
        )
    return n_patients


class Patterns:
    """What must be hidden about the groups of an evaluation, whichever cases have a value.

    Attributes:
        people: One row per case: ``patient``, and the group in every expression (empty: unknown).
        counts: What must be hidden of the counts of all cases.
    """

    def __init__(self, result: EvaluationResult, headline: pd.DataFrame) -> None:
        """Find what must be hidden about all cases.

        Args:
            result: The evaluation.
            headline: Its evaluated rows of one label, with an index from 0.
        """
        self._groups = {a: _groups_of(result, a) for a in result.attributes}
        self.people = headline[["patient", *result.attributes]].fillna("")
        self.counts = find_suppression(self.people, self._groups)
        self._found: dict[bytes, Suppression | None] = {}

    def of(self, defined: np.ndarray) -> Suppression | None:
        """Return what must be hidden about values that some cases have.

        Args:
            defined: (cases,) whether there is a value.

        Returns:
            None if nothing may be shown, because too few patients have a value.
        """
        if defined.all():
            return self.counts
        key = defined.tobytes()
        if key not in self._found:
            people = self.people[defined]
            self._found[key] = (
                None
                if people["patient"].nunique() < FEWEST
                else self.counts | find_suppression(people, self._groups)
            )
        return self._found[key]


def _groups_of(result: EvaluationResult, attribute: str) -> Groups | None:
    """Return the groups of an expression with their levels; None unless all of them are known."""
    names = next(c.groups for c in result.comparisons if c.attribute == attribute)
    parts = result.parts_of(attribute)
    if parts is None or not all(parts.get(name) for name in names):
        return None
    return {name: parts[name] for name in names}
