"""Braces in trainers' names: ``nnUNetTrainerAPPLE_{attribute}_beta{0.1,1}`` means several names."""

import re
from collections.abc import Sequence
from itertools import product

from nnunetv2_fair.errors import StudyError

#: The wildcard that stands for each of the study's attributes.
ATTRIBUTE = "attribute"

_BRACES = re.compile(r"\{([^{}]*)\}")


def expand(text: str, attributes: Sequence[str]) -> list[str]:
    """Return the names that a text with braces means, the last brace changing fastest.

    Args:
        text: ``{attribute}`` is replaced by each attribute, ``{a,b}`` for ``a`` and for ``b``.
        attributes: What ``{attribute}`` is replaced by.

    Raises:
        StudyError: If braces do not close, are inside one another, hold one word that is not
            ``attribute``, or an empty part.
    """
    parts = _BRACES.split(text)
    choices: list[Sequence[str]] = []
    for number, part in enumerate(parts):
        if number % 2 == 0:
            if "{" in part or "}" in part:
                raise StudyError(
                    f"'{text}': braces must close, and cannot be inside one another. Write "
                    "{attribute}, or a list such as {0.1,1,10}"
                )
            choices.append([part])
        elif part.strip() == ATTRIBUTE:
            if not attributes:
                raise StudyError(
                    f"'{text}': {{{ATTRIBUTE}}} means the study's attributes, but there are "
                    "none. Add a key attributes, such as attributes: [sex, age]"
                )
            choices.append(attributes)
        else:
            choices.append(_listed(text, part))
    return ["".join(chosen) for chosen in product(*choices)]


def _listed(text: str, part: str) -> list[str]:
    words = [word.strip() for word in part.split(",")]
    if "" in words:
        raise StudyError(f"'{text}': {{{part}}} has an empty part; leave the comma out")
    if len(words) == 1:
        raise StudyError(
            f"'{text}': {{{part}}} is not a wildcard. Known: {{{ATTRIBUTE}}}; or list what to try, "
            "such as {0.1,1,10}"
        )
    return words
