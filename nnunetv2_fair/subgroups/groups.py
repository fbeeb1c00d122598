"""From cases to groups: one fixed vocabulary per dataset and attribute expression."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import product
from typing import Literal

import pandas as pd

from nnunetv2_fair.errors import DemographicsError, counted, shorten
from nnunetv2_fair.subgroups.schema import INTERSECTION, Attribute
from nnunetv2_fair.subgroups.table import DemographicsTable

#: What to do with a case whose group is unknown (see :func:`group_cases`).
UnknownPolicy = Literal["exclude", "own", "error"]

#: Name of the group that the policy ``own`` puts unknown cases into.
UNKNOWN_GROUP = "unknown"

_JOINER = ", "
_QUOTE = '"'


def joined(parts: Iterable[str]) -> str:
    """Return several levels as one text for people; different levels give different texts.

    The text is never parsed: code that needs the levels keeps them.

    Args:
        parts: Such as ``female`` and ``<50``, which give ``female, <50``. A part that contains the
            joiner or begins with a quotation mark is quoted, its quotation marks doubled:
            ``a, b`` and ``c`` give ``"a, b", c``.
    """
    return _JOINER.join(
        _QUOTE + part.replace(_QUOTE, 2 * _QUOTE) + _QUOTE
        if _JOINER in part or part.startswith(_QUOTE)
        else part
        for part in parts
    )


@dataclass(frozen=True)
class Group:
    """One group of an attribute expression.

    Attributes:
        parts: Level of each attribute of the expression; empty for the group of all cases of which
            one is unknown.
    """

    parts: tuple[str, ...]

    @property
    def name(self) -> str:
        """The name shown to people, unique among the groups of its expression."""
        if not self.parts:
            return UNKNOWN_GROUP
        # a single level needs no quotation marks: nothing is joined to it
        return self.parts[0] if len(self.parts) == 1 else joined(self.parts)


@dataclass(frozen=True)
class Grouping:
    """Which group every case of a table is in.

    Attributes:
        expression: Attribute expression, such as ``sex+age``.
        groups: All groups that occur in the table, in the dictionary's order. The order and
            number never depend on a batch, a fold or a subset.
        group_of: Name of the group of each case; None where it is unknown.
        reference: Group that signed gaps are measured from: the dictionary's choice, or None.
    """

    # not in repr(): models are shared, and what is written beside them
    expression: str
    groups: tuple[Group, ...] = field(repr=False)
    group_of: Mapping[str, str | None] = field(repr=False)
    reference: str | None = field(default=None, repr=False)

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Names of all groups, each different."""
        return tuple(group.name for group in self.groups)

    @property
    def parts(self) -> dict[str, tuple[str, ...]]:
        """Level of each attribute of the expression, by the group's name."""
        return {group.name: group.parts for group in self.groups}

    def index_of(self, case: str) -> int:
        """Return the position of the case's group in ``names``; -1 if it is unknown."""
        name = self.group_of[case]
        return -1 if name is None else self.names.index(name)

    def members(self, cases: Iterable[str]) -> dict[str, list[str]]:
        """Return the given cases of each group, every group named even if empty."""
        result: dict[str, list[str]] = {name: [] for name in self.names}
        for case in cases:
            name = self.group_of[case]
            if name is not None:
                result[name].append(case)
        return result

    def counts(self, cases: Iterable[str]) -> dict[str, int]:
        """Return how many of the given cases each group has."""
        counted = Counter(self.group_of[case] for case in cases)
        return {name: counted.get(name, 0) for name in self.names}

    def unknown(self, cases: Iterable[str]) -> list[str]:
        """Return the given cases that are in no group."""
        return [case for case in cases if self.group_of[case] is None]


def group_cases(
    table: DemographicsTable, expression: str | None = None, unknown: UnknownPolicy = "exclude"
) -> Grouping:
    """Turn every case's attribute values into one group.

    Args:
        table: The demographics table.
        expression: ``sex``, ``sex+age``; None takes the dataset's default attribute.
        unknown: Cases that lack a value of any of the attributes are in no group (``exclude``),
            in a group of their own (``own``), or refused (``error``).

    Raises:
        DemographicsError: If the expression is wrong, a numeric attribute has no bins, or
            ``unknown`` is ``error`` and a value is missing.
    """
    attributes = table.schema.parse_expression(expression)
    text = INTERSECTION.join(attribute.name for attribute in attributes)
    columns = []
    for attribute in attributes:
        # a plain array: going through a column of pandas is slow, and tables may be huge
        values = table.frame[attribute.name].to_numpy(dtype=object)
        labels = {value: attribute.group_of(value) for value in pd.unique(values)}
        columns.append([labels[value] for value in values])

    own = _own_group(attributes) if unknown == "own" else None
    of_parts: dict[tuple[str | None, ...], Group | None] = {}
    found: dict[str, Group | None] = {}
    missing = []
    for case, parts in zip(table.cases, zip(*columns, strict=True), strict=True):
        if parts not in of_parts:
            known = tuple(part for part in parts if part is not None)
            of_parts[parts] = Group(known) if len(known) == len(parts) else None
        group = of_parts[parts]
        if group is None:
            missing.append(case)
            group = own
        found[case] = group
    if missing and unknown == "error":
        raise DemographicsError(
            f"{table.source}: {counted(len(missing), 'case has', 'cases have')} no value of "
            f"'{text}': {shorten(missing)}. "
            "Fill the cells, or allow unknown values (the default leaves such cases in no group)."
        )

    present = set(found.values())
    ordered = [Group(parts) for parts in product(*(a.groups for a in attributes))]
    groups = [group for group in ordered if group in present]
    if missing and own is not None and own not in groups:
        groups.append(own)
    reference = None
    if all(attribute.reference for attribute in attributes):
        wanted = Group(tuple(str(attribute.reference) for attribute in attributes))
        reference = wanted.name if wanted in groups else None
    names = {case: None if group is None else group.name for case, group in found.items()}
    return Grouping(text, tuple(groups), names, reference)


def _own_group(attributes: Sequence[Attribute]) -> Group:
    """Return the group that unknown cases share: the level of that name where there is one."""
    if len(attributes) == 1 and UNKNOWN_GROUP in attributes[0].groups:
        return Group((UNKNOWN_GROUP,))
    return Group(())
