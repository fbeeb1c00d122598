"""What is counted: the patients and cases of every profile, and which profiles a group is made of.

A profile is a combination of one level (or "unknown") of each attribute. Every count that is
published is a sum over profiles, so everything that counts reveal about each other follows.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
import pandas as pd

#: The cases of an expression that are in none of its groups, instead of a group's name.
UNKNOWN = ""

#: An expression and one of its groups.
Cell = tuple[str, str]

#: Groups of one expression: name -> level of each of its attributes.
Groups = Mapping[str, tuple[str, ...]]

PLUS = "+"


@dataclass(frozen=True)
class Counts:
    """The true counts of linked expressions, and what readers know already.

    Attributes:
        cells: Every group, and every expression's unknown cases if there are any, -> which
            profiles are in it, (profiles,) bool.
        small: Those of them with too few patients.
        patients: (profiles,) number of patients. A patient whose cases have different profiles
            counts in each of them: readers cannot know that, so their sums are taken over the
            profiles too.
        cases: (profiles,) number of cases.
        never: (profiles,) whether readers know that nobody has the profile.
    """

    cells: Mapping[Cell, np.ndarray]
    small: frozenset[Cell]
    patients: np.ndarray
    cases: np.ndarray
    never: np.ndarray

    @property
    def n_profiles(self) -> int:
        """Number of profiles."""
        return len(self.never)


def count_profiles(groups: Mapping[str, Groups]) -> int:
    """Return how many profiles there are."""
    return math.prod(len(levels) for levels in _levels(groups).values())


def counts_of(
    people: pd.DataFrame,
    groups: Mapping[str, Groups],
    none_unknown: frozenset[str],
    fewest: int,
) -> Counts:
    """Count patients and cases.

    Args:
        people: One row per case: ``patient``, and the group in every expression (empty: unknown).
        groups: Expression -> its groups.
        none_unknown: Expressions with a group for every case.
        fewest: Groups with fewer patients are small.
    """
    levels = _levels(groups)
    profiles = list(product(*levels.values()))
    attributes = list(levels)
    inside = {e: _group_of_each(profiles, attributes, e, names) for e, names in groups.items()}
    never = np.zeros(len(profiles), dtype=bool)
    cells: dict[Cell, np.ndarray] = {}
    for expression, names in groups.items():
        of_profile = inside[expression]
        never |= np.array([group is None for group in of_profile])
        for name in names:
            cells[expression, name] = of_profile == name
        if expression in none_unknown:
            never |= of_profile == UNKNOWN
        else:
            cells[expression, UNKNOWN] = of_profile == UNKNOWN
    patients, cases = _totals(_profile_of_each(people, groups, profiles, attributes), people, never)
    small = frozenset(cell for cell in cells if _n_patients(people, *cell) < fewest)
    return Counts(cells, small, patients, cases, never)


def _levels(groups: Mapping[str, Groups]) -> dict[str, list[str]]:
    """Return every attribute with its levels, the unknown one first."""
    levels: dict[str, dict[str, None]] = {}
    for expression, names in groups.items():
        for attribute in expression.split(PLUS):
            levels.setdefault(attribute, {UNKNOWN: None})
        for parts in names.values():
            for attribute, level in zip(expression.split(PLUS), parts, strict=True):
                levels[attribute][level] = None
    return {attribute: list(found) for attribute, found in levels.items()}


def _group_of_each(
    profiles: Sequence[tuple[str, ...]], attributes: list[str], expression: str, groups: Groups
) -> np.ndarray:
    """Return the name of the group of each profile; None where nobody has that profile."""
    columns = [attributes.index(attribute) for attribute in expression.split(PLUS)]
    names = {parts: name for name, parts in groups.items()}
    found = np.empty(len(profiles), dtype=object)
    for index, profile in enumerate(profiles):
        parts = tuple(profile[column] for column in columns)
        found[index] = UNKNOWN if UNKNOWN in parts else names.get(parts)
    return found


def _profile_of_each(
    people: pd.DataFrame,
    groups: Mapping[str, Groups],
    profiles: Sequence[tuple[str, ...]],
    attributes: list[str],
) -> list[int]:
    """Return the position of each case's profile."""
    found = pd.DataFrame(UNKNOWN, index=people.index, columns=attributes, dtype=object)
    for expression, names in groups.items():
        for name, parts in names.items():
            inside = people[expression] == name
            for attribute, level in zip(expression.split(PLUS), parts, strict=True):
                found.loc[inside, attribute] = level
    position = {profile: index for index, profile in enumerate(profiles)}
    return [position[tuple(row)] for row in found.to_numpy()]


def _totals(
    of_case: list[int], people: pd.DataFrame, never: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return the numbers of patients and of cases of every profile."""
    pairs = {(index, patient) for index, patient in zip(of_case, people["patient"], strict=True)}
    of_patient = [index for index, _ in pairs]
    patients, cases = (
        np.bincount(np.array(found, dtype=int), minlength=len(never)).astype(float)
        for found in (of_patient, of_case)
    )
    return patients, cases


def _n_patients(people: pd.DataFrame, expression: str, group: str) -> int:
    return int(people.loc[people[expression] == group, "patient"].nunique())
