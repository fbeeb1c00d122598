"""Limits of metrics and measures as people give them: ``dice=0.1``, ``lesion:volume=2.5``."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from nnunetv2_fair.errors import UsageError, shorten_lines


@dataclass(frozen=True)
class LimitOption:
    """An option that takes limits.

    Attributes:
        name: The option, such as ``--failure``.
        quantity: What a limit is of, in capitals: ``METRIC``.
        example: Such as ``dice=0.1``.
        several: Whether one quantity may have several limits.
    """

    name: str
    quantity: str
    example: str
    several: bool = False


def parse_limits(texts: Sequence[str], option: LimitOption) -> tuple[tuple[str, str, float], ...]:
    """Return label, name and number of limits that are given as text.

    Args:
        texts: Each ``name=number`` or ``label:name=number``.
        option: What they are given to.

    Returns:
        In the order given; the label is empty where there is none.

    Raises:
        UsageError: If a text is malformed, or two are about the same; all problems at once.
    """
    found: dict[tuple[str, str, float | None], tuple[str, str, float]] = {}
    problems = []
    form = (
        f"expected {option.quantity}=NUMBER or LABEL:{option.quantity}=NUMBER, such as "
        f"{option.example}"
    )
    for text in texts:
        left, separator, right = text.rpartition("=")
        label, colon, name = (part.strip() for part in left.rpartition(":"))
        if not separator or not name or (colon and not label):
            problems.append(f"{option.name} {text}: {form}")
            continue
        number = _number(right)
        if not math.isfinite(number):
            problems.append(f"{option.name} {text}: '{right.strip()}' is not a number; {form}")
            continue
        key = (label, name, number if option.several else None)
        if key in found:
            twice = text.strip() if option.several else left.strip()
            problems.append(f"{option.name} {text}: {twice} is given twice; give it once")
            continue
        found[key] = (label, name, number)
    if problems:
        raise UsageError(in_one(problems, f"Some values of {option.name} cannot be used"))
    return tuple(found.values())


def in_one(problems: Sequence[str], several: str) -> str:
    """Return one message.

    Args:
        problems: What is wrong, without a full stop.
        several: What to say first if they are several.
    """
    if len(problems) == 1:
        return f"{problems[0]}."
    return f"{several}:\n{shorten_lines(problems)}"


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan
