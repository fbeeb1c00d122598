"""Which further numbers must be hidden, so that those that are hidden do not follow from them.

The mean of all patients minus the means of the other groups, each multiplied by its number of
patients, is the mean of a group. Rounding blurs that, but not where values are few and known,
such as 0 and 1.
"""

from collections.abc import Collection, Mapping

import numpy as np
import pandas as pd

from nnunetv2_fair.evaluation.disclosure.group_profiles import PLUS, UNKNOWN, Cell
from nnunetv2_fair.evaluation.disclosure.precision import Sample
from nnunetv2_fair.evaluation.disclosure.samples import EVERYONE
from nnunetv2_fair.evaluation.disclosure.suppression import Suppression

_TOLERANCE = 1e-8


def secret_means(
    people: pd.DataFrame,
    samples: Mapping[str, Mapping[str, Sample]],
    pattern: Suppression | None,
) -> frozenset[Cell]:
    """Return the groups, or all of an expression together, whose means must be hidden.

    Besides those that the counts hide: means that would tell of fewer than five patients, and
    further ones from which they follow.

    Args:
        people: One row per case with a value: the group in every expression (empty: unknown).
        samples: Expression -> its groups' values.
        pattern: What the counts hide of values; None: everything.
    """
    if pattern is None:
        return frozenset()
    cells = {(e, group): found for e, groups in samples.items() for group, found in groups.items()}
    secret = [cell for cell, found in cells.items() if not found.tells_mean]
    told = [
        (expression, group)
        for expression, group in cells
        if (
            pattern.tells_total_of(expression)
            if group == EVERYONE
            else group != UNKNOWN and pattern.tells_counts_of(expression, group)
        )
        and (expression, group) not in secret
    ]
    return means_to_hide(people, told, secret)


def means_to_hide(
    people: pd.DataFrame, told: Collection[Cell], secret: Collection[Cell]
) -> frozenset[Cell]:
    """Return the secret means and those that must be hidden with them.

    Args:
        people: One row per case with a value: the group in every expression (empty: unknown).
        told: Groups, and every expression's :data:`EVERYONE`, whose means could be shown.
        secret: Those of which means must not be shown.
    """
    if not secret:
        return frozenset()
    expressions = sorted({expression for expression, _ in (*told, *secret)})
    kinds = people[expressions].drop_duplicates()
    inside = {cell: _members(kinds, cell) for cell in (*told, *secret)}
    n_people = {cell: _members(people, cell).sum() for cell in inside}
    hidden = set(secret)
    for cell in secret:
        while used := _sum_of(inside, [c for c in told if c not in hidden], inside[cell]):
            # totals are missed least, then intersections, then small groups
            hidden.add(
                min(used, key=lambda c: (c[1] != EVERYONE, -c[0].count(PLUS), n_people[c], c))
            )
    return frozenset(hidden)


def blended_cells(people: pd.DataFrame, pattern: Suppression | None) -> frozenset[Cell]:
    """Return the groups, and :data:`EVERYONE` of the expressions, that contain hidden patients.

    Quantiles do not add up, but those of a whole and of all its parts but a small one narrow what
    the small one can be. A group is a whole to all groups of expressions that divide it further;
    all patients of an expression are one to the groups of every expression.

    Args:
        people: One row per case with a value: the group in every expression (empty: unknown).
        pattern: What the counts hide of values; None: everything.
    """
    if pattern is None:
        return frozenset()
    found: set[Cell] = set()
    for small in pattern.small:
        inside = people[_members(people, small) > 0]
        for expression in people.columns:
            known = set(inside[expression].astype(str)) - {UNKNOWN}
            if known:
                found.add((expression, EVERYONE))
            if set(expression.split(PLUS)) < set(small[0].split(PLUS)):
                found |= {(expression, group) for group in known}
    return frozenset(found)


def _members(people: pd.DataFrame, cell: Cell) -> np.ndarray:
    expression, group = cell
    column = people[expression].astype(str).to_numpy()
    return np.asarray(column != UNKNOWN if group == EVERYONE else column == group, dtype=float)


def _sum_of(inside: Mapping[Cell, np.ndarray], told: list[Cell], secret: np.ndarray) -> list[Cell]:
    """Return the groups whose sums add up to a secret one; empty if none do."""
    if not told:
        return []
    known = np.array([inside[cell] for cell in told]).T
    weights, *_ = np.linalg.lstsq(known, secret, rcond=None)
    if np.abs(known @ weights - secret).max() > _TOLERANCE:
        return []
    return [cell for cell, weight in zip(told, weights, strict=True) if abs(weight) > _TOLERANCE]
