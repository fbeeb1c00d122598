"""Subgroups whose scores diverge from the average, found by DivExplorer.

Source: Pastor, de Alfaro and Baralis, "Looking for trouble: analyzing classifier behavior via
pattern divergence", SIGMOD 2021; the weights: Poeta et al., "Divergence-aware training with
automatic subgroup mitigation for breast tumor segmentation", 2025, Eqs. 1 and 2.
"""

import math
import warnings
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from nnunetv2_fair.errors import DemographicsError
from nnunetv2_fair.subgroups.groups import UnknownPolicy, group_cases, joined
from nnunetv2_fair.subgroups.schema import Attribute
from nnunetv2_fair.subgroups.table import DemographicsTable


@dataclass(frozen=True)
class CaseLabels:
    """The group of every case, attribute by attribute. n cases, A attributes.

    Attributes:
        attributes: ``(A,)`` names.
        groups: For every attribute its groups that occur in the table, in the dictionary's order.
        codes: ``(n, A)`` position of each case's group in ``groups``, -1 where it is unknown.
    """

    attributes: tuple[str, ...]
    groups: tuple[tuple[str, ...], ...]
    # not in repr(): nnU-Net writes the repr of a trainer's attributes into its results folder
    codes: np.ndarray = field(repr=False)
    _rows: Mapping[str, int] = field(repr=False)

    def rows(self, cases: Iterable[str]) -> np.ndarray:
        """Return the rows of the given cases in ``codes``: int, one per case."""
        return np.array([self._rows[case] for case in cases], dtype=int)

    def describe(self, codes: np.ndarray) -> str:
        """Return ``sex=female, age=<50`` for the ``(A,)`` codes of one subgroup."""
        return joined(
            f"{name}={groups[code]}"
            for name, groups, code in zip(self.attributes, self.groups, codes, strict=True)
            if code >= 0
        )


def attributes_with_groups(table: DemographicsTable) -> tuple[Attribute, ...]:
    """Return the attributes that can form groups: all but numeric ones without bins."""
    return tuple(a for a in table.schema.attributes.values() if a.groups)


def label_cases(
    table: DemographicsTable, attributes: tuple[Attribute, ...], unknown: UnknownPolicy = "exclude"
) -> CaseLabels:
    """Turn every attribute's values into groups.

    Args:
        table: The demographics table.
        attributes: Attributes to look at, one at a time.
        unknown: A case without a value is in no group of that attribute (``exclude``), in one
            of its own (``own``), or refused (``error``).

    Raises:
        DemographicsError: As :func:`nnunetv2_fair.subgroups.groups.group_cases`.
    """
    groupings = [group_cases(table, attribute.name, unknown) for attribute in attributes]
    return CaseLabels(
        attributes=tuple(attribute.name for attribute in attributes),
        groups=tuple(grouping.names for grouping in groupings),
        codes=np.array(
            [[grouping.index_of(case) for grouping in groupings] for case in table.cases]
        ),
        _rows={case: row for row, case in enumerate(table.cases)},
    )


@dataclass(frozen=True)
class Divergences:
    """All subgroups that were found. S subgroups, A attributes.

    A subgroup is a conjunction: all cases that have the given group of one attribute, and of
    another, and so on. The one of all cases is not among them.

    Attributes:
        codes: ``(S, A)`` int: position of the required group, -1 where any will do.
        n_cases: ``(S,)`` int: cases in the subgroup.
        divergence: ``(S,)`` mean score of the subgroup minus mean score of all cases.
    """

    codes: np.ndarray
    n_cases: np.ndarray
    divergence: np.ndarray

    def __len__(self) -> int:
        return len(self.divergence)

    def chosen(self, which: np.ndarray) -> "Divergences":
        """Return some of the subgroups: those marked in a ``(S,)`` bool array."""
        return Divergences(self.codes[which], self.n_cases[which], self.divergence[which])


def find_divergences(
    codes: np.ndarray, scores: np.ndarray, min_support: float = 0.001
) -> Divergences:
    """Search every conjunction of groups that enough cases are in.

    Args:
        codes: ``(n, A)`` int, the group of each case by attribute; -1 is unknown and in none.
        scores: ``(n,)`` such as the Dice of each case; cases with NaN are left out.
        min_support: Share of the n cases that a subgroup must hold, above 0 and at most 1; at
            least one case regardless.

    Returns:
        The subgroups, ordered by their codes. Empty if there is no case or none has a group.
    """
    scored = ~np.isnan(scores)
    codes, scores = codes[scored], scores[scored]
    # the limit passed below is half a case lower: DivExplorer would round 0.07 * 100 up to 8
    fewest = max(1, math.ceil(min_support * len(scores) - 1e-9))
    # DivExplorer fails where no group at all has enough cases
    known = [
        i
        for i, column in enumerate(codes.T)
        if np.bincount(column[column >= 0], minlength=1).max() >= fewest
    ]
    if not known:
        nothing = np.zeros((0, codes.shape[1]), dtype=int)
        return Divergences(nothing, np.zeros(0, dtype=int), np.zeros(0))
    from divexplorer import DivergenceExplorer  # imports slowly, and few trainers need it

    # numbers instead of names, so that no name can look like DivExplorer's `attribute=value`
    columns: dict[str, object] = {
        str(i): [str(code) if code >= 0 else None for code in codes[:, i]] for i in known
    }
    away = np.asarray(scores, dtype=float) - scores.mean()
    frame = pd.DataFrame({**columns, "away": away})
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        # about future changes in pandas, and t-values of single cases, which are not used
        warnings.simplefilter("ignore")
        result = DivergenceExplorer(frame).get_pattern_divergence(
            min_support=(fewest - 0.5) / len(frame), quantitative_outcomes=["away"]
        )
    result = result[result["length"] > 0]
    found = np.full((len(result), codes.shape[1]), -1)
    for row, itemset in enumerate(result["itemset"]):
        for item in itemset:
            attribute, code = item.split("=")
            found[row, int(attribute)] = int(code)
    order = np.lexsort(found.T[::-1])
    return Divergences(
        codes=found[order],
        n_cases=result["support_count"].to_numpy().astype(int)[order],
        divergence=result["away_div"].to_numpy().astype(float)[order],
    )


def divergence_weights(
    codes: np.ndarray, subgroups: np.ndarray, divergence: np.ndarray
) -> np.ndarray:
    """Return the largest absolute divergence among the subgroups that each case is in.

    A subgroup that was not found, because no scored case or too few are in it, plays no part:
    its cases get their weight from the larger subgroups that they are in as well.

    Args:
        codes: ``(n, A)`` int, the group of each case by attribute; -1 is unknown.
        subgroups: ``(S, A)`` codes of the subgroups that :func:`find_divergences` found.
        divergence: ``(S,)`` their divergences.

    Returns:
        ``(n,)`` from 0; NaN for cases that are in none of the subgroups.

    Raises:
        DemographicsError: If the attributes have too many combinations to be numbered.
    """
    weights = np.full(len(codes), np.nan)
    if not len(subgroups) or not len(codes):
        return weights
    # every subgroup and every case becomes one number per set of attributes
    sizes = np.maximum(codes.max(0), subgroups.max(0)) + 2
    if math.prod(int(size) for size in sizes) >= 2**62:
        raise DemographicsError(
            f"{codes.shape[1]} attributes have too many combinations of groups to search. Name "
            "those that matter in the trainer's name, such as sex+age."
        )
    places = np.cumprod([1, *sizes[:-1]])
    used = subgroups >= 0
    for mask in np.unique(used, axis=0):
        rows = np.flatnonzero((used == mask).all(1))
        numbers = (subgroups[rows][:, mask] * places[mask]).sum(1)
        order = np.argsort(numbers)
        numbers, strength = numbers[order], np.abs(divergence[rows][order])
        wanted = (codes[:, mask] * places[mask]).sum(1)
        position = np.minimum(np.searchsorted(numbers, wanted), len(numbers) - 1)
        inside = (codes[:, mask] >= 0).all(1) & (numbers[position] == wanted)
        weights[inside] = np.fmax(weights[inside], strength[position[inside]])
    return weights


def fill_and_scale(weights: np.ndarray, *, mean_one: bool) -> np.ndarray:
    """Give cases without a weight the mean of the others, so that they count as the average.

    Args:
        weights: ``(n,)`` as :func:`divergence_weights` returns them.
        mean_one: Scale the weights to mean 1; if all are 0, they all become 1.

    Returns:
        ``(n,)`` without NaN; all 1 if no case has a weight.
    """
    known = weights[~np.isnan(weights)]
    if not len(known):
        return np.ones_like(weights)
    mean = known.mean()
    filled = np.where(np.isnan(weights), mean, weights)
    if not mean_one:
        return filled
    return filled / mean if mean > 0 else np.ones_like(filled)
