"""What individual values of a study's file mean: time limits, amounts of memory, paths."""

import re
from pathlib import Path

_MINUTES = {"d": 24 * 60, "h": 60, "m": 1}
_MEGABYTES = {"M": 1, "G": 1000, "T": 1000 * 1000}


def absolute(text: str, beside: Path) -> Path:
    """Return a path of the file; relative ones start at the file's folder.

    Args:
        text: The path as written; ``~`` is the user's home.
        beside: The file's folder.
    """
    return (beside.resolve() / Path(text).expanduser()).absolute()


def minutes(text: str) -> int:
    """Return the minutes of a time limit such as ``1d12h``."""
    return sum(int(n) * _MINUTES[unit] for n, unit in re.findall(r"(\d+)([dhm])", text))


def megabytes(text: str) -> int:
    """Return the megabytes of ``32G`` or ``500M``."""
    return int(text.rstrip("MGTB ")) * _MEGABYTES[text.rstrip("B")[-1]]
