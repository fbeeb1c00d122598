"""Which of an attribute's groups are compared, where some were chosen; the others are shown."""

import shlex
from collections.abc import Mapping, Sequence

from nnunetv2_fair.errors import UsageError, did_you_mean, shorten
from nnunetv2_fair.subgroups.groups import Grouping
from nnunetv2_fair.tables.remedy import list_of
from nnunetv2_fair.tables.spellings import folded


def group_named(name: str, names: Sequence[str]) -> str | None:
    """Return the group of that name, or the only one that differs from it in spelling; else None.

    Args:
        name: As somebody wrote it.
        names: All groups.
    """
    if name in names:
        return name
    alike = [known for known in names if folded(known) == folded(name)]
    return alike[0] if len(alike) == 1 else None


def find_group(option: str, name: str, expression: str, names: Sequence[str]) -> str:
    """Return the group that an option names.

    Args:
        option: The option as it was given, for the message.
        name: The group in it.
        expression: Attribute expression.
        names: All of its groups.

    Raises:
        UsageError: If there is no such group.
    """
    found = group_named(name, names)
    if found is None:
        raise UsageError(
            f"{option}: there is no group '{name}'.{did_you_mean(name, names)} Groups of "
            f"'{expression}': {'; '.join(names)}."
        )
    return found


def find_grouping(option: str, expression: str, groupings: Sequence[Grouping]) -> Grouping:
    """Return the groups of the attribute expression that an option names.

    Args:
        option: The option as it was given, for the message.
        expression: The attribute expression in it.
        groupings: Groups of each attribute expression that is evaluated.

    Raises:
        UsageError: If it is not evaluated.
    """
    by_expression = {grouping.expression: grouping for grouping in groupings}
    if expression not in by_expression:
        raise UsageError(
            f"{option}: '{expression}' is not evaluated (evaluated: "
            f"{shorten(by_expression, 12)}).{did_you_mean(expression, by_expression)} Add "
            f"-a {expression} or correct the name."
        )
    return by_expression[expression]


def chosen_groups(
    asked: Mapping[str, Sequence[str]],
    groupings: Sequence[Grouping],
    cases: Sequence[str],
    patients: Mapping[str, str],
    min_patients: int,
) -> dict[str, tuple[str, ...]]:
    """Return the groups that are compared, of the attributes of which some were chosen.

    Args:
        asked: Attribute expression -> groups, spelt as somebody wrote them.
        groupings: Groups of each attribute expression.
        cases: Cases that are evaluated, with and without a prediction.
        patients: Case -> patient.
        min_patients: Groups with fewer patients are not compared.

    Returns:
        Attribute expression -> its chosen groups, in the order of all.

    Raises:
        UsageError: If there is no such attribute or group, a group is named twice, fewer than two
            are, or one has too few patients to be compared.
    """
    found = {}
    for expression, names in asked.items():
        option = f"--groups {shlex.quote(list_of(expression, names))}"
        grouping = find_grouping(option, expression, groupings)
        chosen = [_find(option, name, grouping) for name in names]
        twice = [name for place, name in enumerate(chosen) if name in chosen[:place]]
        if twice:
            raise UsageError(f"{option}: '{twice[0]}' is named twice; name each group once.")
        if len(chosen) < 2:
            raise UsageError(
                f"{option}: one group cannot be compared. Name two or more of the groups of "
                f"'{expression}': {'; '.join(grouping.names)}."
            )
        members = grouping.members(cases)
        few = [n for n in chosen if len({patients[c] for c in members[n]}) < min_patients]
        if few:
            raise UsageError(
                f"{option}: '{few[0]}' has fewer than {min_patients} patients, too few to be "
                "compared (--min-patients). Name groups that have more, or leave out "
                f"--groups {expression}=..."
            )
        found[expression] = tuple(name for name in grouping.names if name in chosen)
    return found


def _find(option: str, name: str, grouping: Grouping) -> str:
    commas = [known for known in grouping.names if "," in known]
    try:
        return find_group(option, name, grouping.expression, grouping.names)
    except UsageError as error:
        if not commas:
            raise
        written = shlex.quote(list_of(grouping.expression, commas))
        raise UsageError(
            f"{error} A comma inside a name has a backslash before it: --groups {written}."
        ) from error
