"""Groups in names of trainers and folders: short, and valid on every file system."""

import re
from collections.abc import Iterable

from nnunetv2_fair.errors import DemographicsError, did_you_mean

#: Signs that bins use, in words; the longer ones first.
_WORDS = (("<=", "le"), (">=", "ge"), ("<", "lt"), (">", "gt"))

#: The parts of a joint group: `female, <50` becomes `female+lt50`, as in `sex+age`.
_JOINT = re.compile(r",\s*")
_OTHER = re.compile(r"[^\w.+-]|_")


def group_token(group: str) -> str:
    """Return how a group is written in names.

    Comparison signs become ``lt``, ``le``, ``gt``, ``ge``, the comma of a joint group ``+``, and
    everything except letters, digits, points, plus signs and hyphens a hyphen.

    Args:
        group: Such as ``female, <50``.

    Returns:
        Such as ``female+lt50``.
    """
    for sign, word in _WORDS:
        group = group.replace(sign, word)
    return _OTHER.sub("-", _JOINT.sub("+", group))


def attribute_token(expression: str) -> str:
    """Return how an attribute expression is written in names: without spaces and slashes."""
    return re.sub(r"[^\w.+-]", "-", expression)


def group_named(token: str, groups: Iterable[str], attribute: str) -> str:
    """Return the group that is written ``token`` in names.

    Args:
        token: The group as written in the name.
        groups: All groups of the attribute.
        attribute: Attribute expression, for messages.

    Raises:
        DemographicsError: If no group is written so, or several are (file systems may not tell
            upper from lower case).
    """
    groups = list(groups)
    alike = [name for name in groups if group_token(name).casefold() == token.casefold()]
    if len(alike) == 1 and group_token(alike[0]) == token:
        return alike[0]
    listed = ", ".join(
        name if group_token(name) == name else f"{group_token(name)} (for {name})"
        for name in groups
    )
    if len(alike) > 1:
        raise DemographicsError(
            f"The groups {', '.join(map(repr, alike))} of '{attribute}' are all written "
            f"'{token}' in names. Give them levels or bin labels in demographics.json that differ "
            "in more than signs and letter case."
        )
    raise DemographicsError(
        f"'{attribute}' has no group '{token}'.{did_you_mean(token, map(group_token, groups))} "
        f"Its groups, as written in names: {listed}."
    )
