"""From cases to groups: one fixed vocabulary per dataset and attribute expression."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import product
from typing import Literal

from nnunetv2_fair.errors import DemographicsError, shorten
from nnunetv2_fair.subgroups.schema import INTERSECTION
from nnunetv2_fair.subgroups.table import DemographicsTable

#: What to do with a case whose group is unknown (see :func:`group_cases`).
UnknownPolicy = Literal["exclude", "own", "error"]

#: Name of the group that the policy ``own`` puts unknown cases into.
UNKNOWN_GROUP = "unknown"

#: Joins the parts of an intersection's name: ``female, <50``.
_JOINER = ", "


@dataclass(frozen=True)
class Grouping:
    """Which group every case of a table is in.

    Attributes:
        expression: Attribute expression, such as ``sex+age``.
        names: All groups that occur in the table, in the dictionary's order. The order and
            number never depend on a batch, a fold or a subset.
        group_of: Group name of each case; None where it is unknown.
        reference: Group that signed gaps are measured from: the dictionary's choice, or None.
    """

    expression: str
    names: tuple[str, ...]
    # not in repr(): nnU-Net writes the repr of a trainer's attributes into its results folder
    group_of: Mapping[str, str | None] = field(repr=False)
    reference: str | None = None

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
        values = table.frame[attribute.name]
        labels = {value: attribute.group_of(value) for value in values.unique()}
        columns.append([labels[value] for value in values])

    group_of: dict[str, str | None] = {}
    missing = []
    for case, parts in zip(table.cases, zip(*columns, strict=True), strict=True):
        known = [part for part in parts if part is not None]
        if len(known) == len(parts):
            group_of[case] = _JOINER.join(known)
        else:
            missing.append(case)
            group_of[case] = UNKNOWN_GROUP if unknown == "own" else None
    if missing and unknown == "error":
        raise DemographicsError(
            f"{table.source}: {len(missing)} cases have no value of '{text}': {shorten(missing)}. "
            "Fill the cells, or allow unknown values (the default leaves such cases in no group)."
        )

    present = set(group_of.values())
    ordered = [_JOINER.join(parts) for parts in product(*(a.groups for a in attributes))]
    names = [name for name in ordered if name in present]
    if missing and unknown == "own" and UNKNOWN_GROUP not in names:
        names.append(UNKNOWN_GROUP)
    reference = None
    if all(attribute.reference for attribute in attributes):
        wanted = _JOINER.join(str(attribute.reference) for attribute in attributes)
        reference = wanted if wanted in names else None
    return Grouping(text, tuple(names), group_of, reference)
