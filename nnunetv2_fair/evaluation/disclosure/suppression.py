"""Which counts must stay unsaid, so that nobody can work out how few a small group are.

Hiding the counts of small groups is not enough: what all others leave of the total is the hidden
one. So further counts are hidden until every small group could, for all that is published, have
nobody in it or as many as a small group may have. That is checked by linear and integer programs
over every combination of attributes that a person could have, with all the knowledge that a reader
has.

Source: Fischetti and Salazar (2001), Solving the cell suppression problem on tabular data with
linear constraints, Management Science 47(7), for the readers' side (the attacker's two linear
programs per cell); which further counts to hide is chosen greedily, the smallest first.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
import pandas as pd

from nnunetv2_fair.evaluation.disclosure.reader_knowledge import Knowledge

#: Groups with fewer patients are small.
FEWEST = 5

#: The cases of an expression that are in none of its groups, in place of a group's name.
UNKNOWN = ""

#: An expression and one of its groups.
Cell = tuple[str, str]

#: Groups of one expression: name -> level of each of its attributes.
Groups = Mapping[str, tuple[str, ...]]

_PLUS = "+"

# beyond, the programs take too long: intersections are then not told at all
_MOST_PROFILES = 2000


@dataclass(frozen=True)
class Suppression:
    """What must not be told.

    Attributes:
        small: Groups with too few patients: readers learn that they are small, nothing else.
        hidden: Further groups whose counts, sums and means are hidden.
        closed: Expressions of whose groups nothing at all is told, not even which are small.
        none_unknown: Expressions with a group for every case: their total is the total.
    """

    small: frozenset[Cell]
    hidden: frozenset[Cell]
    closed: frozenset[str]
    none_unknown: frozenset[str]

    def tells_nothing_of(self, expression: str, group: str) -> bool:
        """Return whether neither counts nor values of a group may be told."""
        return expression in self.closed or (expression, group) in self.small

    def tells_counts_of(self, expression: str, group: str) -> bool:
        """Return whether counts, sums and means of a group may be told."""
        hidden = (expression, group) in self.hidden
        return not hidden and not self.tells_nothing_of(expression, group)

    def tells_total_of(self, expression: str) -> bool:
        """Return whether counts, sums and means over all groups together may be told."""
        known = expression in self.none_unknown
        return known or self.tells_counts_of(expression, UNKNOWN)

    def __or__(self, other: "Suppression") -> "Suppression":
        """Return what hides whatever one of the two hides."""
        return Suppression(
            self.small | other.small,
            self.hidden | other.hidden,
            self.closed | other.closed,
            self.none_unknown & other.none_unknown,
        )


def find_suppression(
    people: pd.DataFrame, groups: Mapping[str, Groups | None], fewest: int = FEWEST
) -> Suppression:
    """Return what must not be told of the counts of these groups.

    Readers are taken to know the total numbers of cases and patients, all counts that stay, which
    groups there are, and which of them are small.

    Args:
        people: One row per case: ``patient``, and the group in every expression (empty: unknown).
        groups: Expression, such as ``sex+age``, -> its groups with their levels; None if nobody
            knows which levels they are made of, and so what they tell of others.
        fewest: Groups with fewer patients are small.
    """
    none_unknown = frozenset(e for e in groups if not (people[e] == UNKNOWN).any())
    known = {e: found for e, found in groups.items() if found is not None}
    closed = set(groups) - set(known)
    small: set[Cell] = set()
    hidden: set[Cell] = set()
    for expressions in _linked(list(known)):
        system = _System(people, {e: known[e] for e in expressions}, none_unknown, fewest)
        if system.n_profiles > _MOST_PROFILES:
            joint = [e for e in expressions if _PLUS in e]
            closed.update(joint)
            parts = [[e] for e in expressions if e not in joint]
        else:
            parts = [list(expressions)]
        for part in parts:
            system = _System(people, {e: known[e] for e in part}, none_unknown, fewest)
            system.protect()
            small |= system.small
            hidden |= system.hidden
            closed |= system.closed
    return Suppression(frozenset(small), frozenset(hidden), frozenset(closed), none_unknown)


def _linked(expressions: Sequence[str]) -> list[list[str]]:
    """Return the expressions in sets that share no attribute: only those inform of each other."""
    sets: list[tuple[set[str], list[str]]] = []
    for expression in expressions:
        attributes, members = set(expression.split(_PLUS)), [expression]
        apart = []
        for others, theirs in sets:
            if others & attributes:
                attributes |= others
                members = theirs + members
            else:
                apart.append((others, theirs))
        sets = [*apart, (attributes, members)]
    return [members for _, members in sets]


class _System:
    """What is published about linked expressions, and what follows from it.

    The unknowns are the patients and the cases of every profile, that is of every combination of
    the attributes' groups (and "unknown"); what is published are sums of them.
    """

    def __init__(
        self,
        people: pd.DataFrame,
        groups: Mapping[str, Groups],
        none_unknown: frozenset[str],
        fewest: int,
    ) -> None:
        self._most = fewest - 1
        self.small: set[Cell] = set()
        self.hidden: set[Cell] = set()
        self.closed: set[str] = set()
        self._attributes = list(dict.fromkeys(a for e in groups for a in e.split(_PLUS)))
        levels = {attribute: {UNKNOWN: None} for attribute in self._attributes}
        for expression, names in groups.items():
            for parts in names.values():
                for attribute, level in zip(expression.split(_PLUS), parts, strict=True):
                    levels[attribute][level] = None
        self.n_profiles = int(np.prod([len(found) for found in levels.values()], dtype=float))
        if self.n_profiles > _MOST_PROFILES:
            return
        profiles = list(product(*levels.values()))
        self._inside = {
            expression: self._groups_of(profiles, expression, names)
            for expression, names in groups.items()
        }
        self._never = np.zeros(len(profiles), dtype=bool)
        for expression in groups:
            self._never |= np.array([group is None for group in self._inside[expression]])
            if expression in none_unknown:
                self._never |= self._inside[expression] == UNKNOWN
        self._count(people, groups, profiles)
        self._cells: dict[Cell, np.ndarray] = {}
        for expression, names in groups.items():
            for name in names:
                self._cells[expression, name] = self._inside[expression] == name
                if people.loc[people[expression] == name, "patient"].nunique() < fewest:
                    self.small.add((expression, name))
            if expression not in none_unknown:
                self._cells[expression, UNKNOWN] = self._inside[expression] == UNKNOWN
                unknown = people.loc[people[expression] == UNKNOWN, "patient"].nunique()
                if unknown < fewest:
                    self.small.add((expression, UNKNOWN))

    def _groups_of(
        self, profiles: Sequence[Sequence[str]], expression: str, groups: Groups
    ) -> np.ndarray:
        """Return the name of the group of each profile; None where nobody has that profile."""
        columns = [self._attributes.index(attribute) for attribute in expression.split(_PLUS)]
        names = {parts: name for name, parts in groups.items()}
        found = np.empty(len(profiles), dtype=object)
        for index, profile in enumerate(profiles):
            parts = tuple(profile[column] for column in columns)
            found[index] = UNKNOWN if UNKNOWN in parts else names.get(parts)
        return found

    def _count(
        self, people: pd.DataFrame, groups: Mapping[str, Groups], profiles: list[tuple]
    ) -> None:
        """Count the patients and cases of every profile.

        A patient whose cases have different profiles counts in each of them: readers cannot know
        that, so their sums are taken over the profiles too.
        """
        found = pd.DataFrame(UNKNOWN, index=people.index, columns=self._attributes, dtype=object)
        for expression in groups:
            for name, parts in groups[expression].items():
                inside = people[expression] == name
                for attribute, level in zip(expression.split(_PLUS), parts, strict=True):
                    found.loc[inside, attribute] = level
        position = {profile: index for index, profile in enumerate(profiles)}
        of_case = [position[tuple(row)] for row in found.to_numpy()]
        self._n_cases = np.bincount(of_case, minlength=len(profiles)).astype(float)
        pairs = {(index, p) for index, p in zip(of_case, people["patient"], strict=True)}
        self._n_patients = np.zeros(len(profiles))
        for index, _ in pairs:
            self._n_patients[index] += 1

    def protect(self) -> None:
        """Hide counts until no small group can be worked out."""
        while exposed := [cell for cell in sorted(self.small) if self._is_exposed(cell)]:
            if self._hide_for(exposed[0]):
                continue
            expression = exposed[0][0]
            still_open = {e for e, _ in self._cells} - self.closed
            if not still_open:
                return  # nothing is told any more but the total
            self.closed |= {expression} if expression in still_open else still_open

    def _hide_for(self, cell: Cell) -> bool:
        """Hide as little as protects a group; return whether that is possible."""
        told = [
            c
            for c in self._cells
            if c not in self.small and c not in self.hidden and c[0] not in self.closed
        ]
        size = {c: self._n_patients[self._cells[c]].sum() for c in told}
        # what is missed least comes first: unknowns, then intersections, then small groups
        told.sort(key=lambda c: (c[1] != UNKNOWN, -c[0].count(_PLUS), size[c], c))
        added = []
        for candidate in told:
            self.hidden.add(candidate)
            added.append(candidate)
            if not self._is_exposed(cell):
                break
        else:
            self.hidden.difference_update(added)
            return False
        for candidate in reversed(added[:-1]):
            self.hidden.remove(candidate)
            if self._is_exposed(cell):
                self.hidden.add(candidate)
        return True

    def _is_exposed(self, cell: Cell) -> bool:
        """Return whether readers can tell more than that the group is small."""
        fewest = 1 if cell[1] == UNKNOWN else 0  # that some are unknown shows
        inside = self._cells[cell].astype(float)
        nothing = np.zeros(self.n_profiles)
        known = self._knowledge()
        # few cases are as few patients, and many patients are as many cases
        could_be_few = known.allows(np.r_[nothing, inside], fewest)
        return not (could_be_few and known.allows(np.r_[-inside, nothing], -self._most))

    def _knowledge(self) -> Knowledge:
        """Return what readers know of the counts as they are told now."""
        nothing = np.zeros(self.n_profiles)
        everyone = np.ones(self.n_profiles)
        equal = [np.r_[everyone, nothing], np.r_[nothing, everyone]]
        equal_to = [self._n_patients.sum(), self._n_cases.sum()]
        at_most, limits = [], []
        for cell, members in self._cells.items():
            inside = members.astype(float)
            if cell[0] in self.closed:
                continue
            if cell in self.small:
                at_most.append(np.r_[inside, nothing])
                # a patient in several profiles counts more than once: the truth must fit
                limits.append(max(float(self._most), self._n_patients[members].sum()))
                if cell[1] == UNKNOWN:
                    at_most.append(np.r_[-inside, nothing])
                    limits.append(-1.0)
            elif cell in self.hidden:
                at_most.append(np.r_[-inside, nothing])
                limits.append(-(self._most + 1.0))
            else:
                equal += [np.r_[inside, nothing], np.r_[nothing, inside]]
                equal_to += [self._n_patients[members].sum(), self._n_cases[members].sum()]
        return Knowledge(
            np.array(equal),
            np.array(equal_to),
            np.array(at_most).reshape(-1, 2 * self.n_profiles),
            np.array(limits),
            self._never,
        )
