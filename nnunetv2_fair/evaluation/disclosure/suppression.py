"""Which counts must be hidden, so that nobody can work out how few patients a small group has.

Hiding the counts of small groups is not enough: the total minus all others is the hidden
one. So further counts are hidden until every small group could, given all that is published, have
nobody in it or as many as a small group may have. That is checked by linear and integer programs
over every combination of attributes that a person could have, with all the knowledge that a reader
has.

Source: Fischetti and Salazar (2001), Solving the cell suppression problem on tabular data with
linear constraints, Management Science 47(7), for the readers' side (the attacker's two linear
programs per cell); which further counts to hide is chosen greedily, the smallest first.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from nnunetv2_fair.evaluation.disclosure.group_profiles import (
    PLUS,
    UNKNOWN,
    Cell,
    Counts,
    Groups,
    count_profiles,
    counts_of,
)
from nnunetv2_fair.evaluation.disclosure.reader_knowledge import Knowledge

#: Groups with fewer patients are small.
FEWEST = 5

# beyond, the programs take too long: intersections are then not shown at all, nor is an attribute
# with more levels
_MOST_PROFILES = 2000


@dataclass(frozen=True)
class Suppression:
    """What must be hidden.

    Attributes:
        small: Groups with too few patients: readers learn that they are small, nothing else.
        hidden: Further groups whose counts, sums and means are hidden.
        closed: Expressions of whose groups nothing at all is shown, not even which are small.
        none_unknown: Expressions with a group for every case: their total is the total.
    """

    small: frozenset[Cell]
    hidden: frozenset[Cell]
    closed: frozenset[str]
    none_unknown: frozenset[str]

    def tells_nothing_of(self, expression: str, group: str) -> bool:
        """Return whether neither counts nor values of a group may be shown."""
        return expression in self.closed or (expression, group) in self.small

    def tells_counts_of(self, expression: str, group: str) -> bool:
        """Return whether counts, sums and means of a group may be shown."""
        hidden = (expression, group) in self.hidden
        return not hidden and not self.tells_nothing_of(expression, group)

    def tells_total_of(self, expression: str) -> bool:
        """Return whether counts, sums and means over all groups together may be shown."""
        known = expression in self.none_unknown
        return known or self.tells_counts_of(expression, UNKNOWN)

    def __or__(self, other: "Suppression") -> "Suppression":
        """Return what hides everything that either of the two hides."""
        return Suppression(
            self.small | other.small,
            self.hidden | other.hidden,
            self.closed | other.closed,
            self.none_unknown & other.none_unknown,
        )


def find_suppression(
    people: pd.DataFrame, groups: Mapping[str, Groups | None], fewest: int = FEWEST
) -> Suppression:
    """Return what must be hidden of the counts of these groups.

    Readers are taken to know the total numbers of cases and patients, all counts that stay, which
    groups there are, and which of them are small.

    Args:
        people: One row per case: ``patient``, and the group in every expression (empty: unknown).
        groups: Expression, such as ``sex+age``, -> its groups with their levels; None if nobody
            knows which levels they are made of, and so what they reveal about others.
        fewest: Groups with fewer patients are small.
    """
    none_unknown = frozenset(e for e in groups if not (people[e] == UNKNOWN).any())
    known = {e: found for e, found in groups.items() if found is not None}
    small: set[Cell] = set()
    hidden: set[Cell] = set()
    closed = set(groups) - set(known)
    for expressions in _linked(list(known)):
        parts, too_many = _manageable({e: known[e] for e in expressions})
        closed |= too_many
        for part in parts:
            protection = _Protection(counts_of(people, part, none_unknown, fewest), fewest - 1)
            protection.protect()
            small |= protection.counts.small
            hidden |= protection.hidden
            closed |= protection.closed
    return Suppression(frozenset(small), frozenset(hidden), frozenset(closed), none_unknown)


def _manageable(linked: Mapping[str, Groups]) -> tuple[list[Mapping[str, Groups]], set[str]]:
    """Return linked expressions in parts that can be checked, and those that cannot be.

    Without its intersections every attribute is a separate part.
    """
    if count_profiles(linked) <= _MOST_PROFILES:
        return [linked], set()
    single: list[Mapping[str, Groups]] = [
        {e: groups} for e, groups in linked.items() if PLUS not in e
    ]
    parts = [part for part in single if count_profiles(part) <= _MOST_PROFILES]
    return parts, set(linked) - {e for part in parts for e in part}


def _linked(expressions: Sequence[str]) -> list[list[str]]:
    """Return sets of expressions that share attributes, as only those inform about each other."""
    sets: list[tuple[set[str], list[str]]] = []
    for expression in expressions:
        attributes, members = set(expression.split(PLUS)), [expression]
        apart = []
        for others, theirs in sets:
            if others & attributes:
                attributes |= others
                members = theirs + members
            else:
                apart.append((others, theirs))
        sets = [*apart, (attributes, members)]
    return [members for _, members in sets]


class _Protection:
    """Hides counts, one after the other, until no small group can be worked out.

    Attributes:
        counts: The true counts.
        hidden: Groups whose counts are hidden although they are not small.
        closed: Expressions of which nothing is shown.
    """

    def __init__(self, counts: Counts, most: int) -> None:
        """Hide nothing yet.

        Args:
            counts: The true counts.
            most: Patients that a small group has at most.
        """
        self.counts = counts
        self.hidden: set[Cell] = set()
        self.closed: set[str] = set()
        self._most = most

    def protect(self) -> None:
        """Hide counts until no small group can be worked out."""
        cells, small = self.counts.cells, sorted(self.counts.small)
        while exposed := [cell for cell in small if self._is_exposed(cell)]:
            if self._hide_for(exposed[0]):
                continue
            expression = exposed[0][0]
            still_open = {e for e, _ in cells} - self.closed
            if not still_open:
                return  # only the total is still shown
            self.closed |= {expression} if expression in still_open else still_open

    def _hide_for(self, cell: Cell) -> bool:
        """Hide as little as protects a group; return whether that is possible."""
        told = [c for c in self.counts.cells if self._tells(c)]
        # the least useful come first: unknowns, then intersections, then small groups
        told.sort(key=lambda c: (c[1] != UNKNOWN, -c[0].count(PLUS), self._size(c), c))
        added = []
        for candidate in told:
            self.hidden.add(candidate)
            added.append(candidate)
            if not self._is_exposed(cell):
                break
        else:
            self.hidden.difference_update(added)
            return False
        last = added[-1]
        n_small = sum(c[0] == last[0] for c in self.counts.small)
        for candidate in reversed(added[:-1]):
            # were a slightly smaller one told, readers would know why it had to be the larger one
            near = self._size(last) - self._size(candidate) <= self._most * n_small
            if near and candidate[0] == last[0] and candidate[1] != UNKNOWN:
                continue
            self.hidden.remove(candidate)
            if self._is_exposed(cell):
                self.hidden.add(candidate)
        return True

    def _tells(self, cell: Cell) -> bool:
        hidden = cell in self.counts.small or cell in self.hidden
        return not hidden and cell[0] not in self.closed

    def _is_exposed(self, cell: Cell) -> bool:
        """Return whether readers can infer more than that the group is small."""
        fewest = 1 if cell[1] == UNKNOWN else 0  # readers see that some are unknown
        inside = self.counts.cells[cell].astype(float)
        nothing = np.zeros(self.counts.n_profiles)
        known = self._knowledge()
        # few cases are as few patients, and many patients are as many cases
        could_be_few = known.allows(np.r_[nothing, inside], fewest)
        return not (could_be_few and known.allows(np.r_[-inside, nothing], -self._most))

    def _knowledge(self) -> Knowledge:
        """Return what readers know from the counts as they are shown now."""
        counts = self.counts
        nothing, everyone = np.zeros(counts.n_profiles), np.ones(counts.n_profiles)
        equal = [np.r_[everyone, nothing], np.r_[nothing, everyone]]
        equal_to = [counts.patients.sum(), counts.cases.sum()]
        at_most, limits = [], []
        for cell, members in counts.cells.items():
            inside = members.astype(float)
            if cell[0] in self.closed:
                continue
            if cell in counts.small:
                at_most.append(np.r_[inside, nothing])
                # a patient in several profiles counts more than once: the truth must fit
                limits.append(max(float(self._most), counts.patients[members].sum()))
                if cell[1] == UNKNOWN:
                    at_most.append(np.r_[-inside, nothing])
                    limits.append(-1.0)
            elif cell in self.hidden:
                at_most.append(np.r_[-inside, nothing])
                limits.append(-(self._most + 1.0))
            else:
                equal += [np.r_[inside, nothing], np.r_[nothing, inside]]
                equal_to += [counts.patients[members].sum(), counts.cases[members].sum()]
        for inside, limit in self._order():
            at_most.append(np.r_[inside, nothing])
            limits.append(limit)
        return Knowledge(
            np.array(equal),
            np.array(equal_to),
            np.array(at_most).reshape(-1, 2 * counts.n_profiles),
            np.array(limits),
            counts.never,
        )

    def _order(self) -> Iterator[tuple[np.ndarray, float]]:
        """Yield what readers know of the order of hidden groups: which sums are at most what.

        Which further group is hidden tells that it is no larger than those whose numbers are told,
        and that one is the reference of all gaps, that it is the largest.
        """
        groups = [c for c in self.counts.cells if c[1] != UNKNOWN and c not in self.counts.small]
        for expression in dict.fromkeys(e for e, _ in groups if e not in self.closed):
            inside = [c for c in groups if c[0] == expression]
            told = [c for c in inside if c not in self.hidden]
            for cell in (c for c in inside if c in self.hidden):
                members = self.counts.cells[cell].astype(float)
                smaller = [c for c in told if (self._size(c), c) < (self._size(cell), cell)]
                # of equal ones the first is hidden
                most = min(
                    (self._size(c) - (c < cell) for c in told if c not in smaller), default=0
                )
                least = max((self._size(c) + (cell < c) for c in smaller), default=0)
                if len(smaller) < len(told):
                    yield members, most
                if smaller:
                    yield -members, -least
            largest = max(inside, key=self._size)  # the first of equal ones
            for place, cell in enumerate(inside):
                if cell != largest and {cell, largest} & self.hidden:
                    apart = self.counts.cells[cell].astype(float) - self.counts.cells[largest]
                    yield apart, -float(place < inside.index(largest))

    def _size(self, cell: Cell) -> float:
        return float(self.counts.patients[self.counts.cells[cell]].sum())
