"""Mistakes in a study's file: collected, each with its line, and reported all at once."""

from dataclasses import dataclass
from pathlib import Path

from nnunetv2_fair.errors import StudyError, counted, shorten_lines

#: If a study has more mistakes than this, most of them have one cause.
_MOST_SHOWN = 60


@dataclass(frozen=True, order=True)
class Problem:
    """One mistake.

    Attributes:
        line: Line of the study's file, from 1; 0 if it belongs to no line.
        text: What was found, what was expected, how to fix it.
    """

    line: int
    text: str

    def __str__(self) -> str:
        return f"line {self.line}: {self.text}" if self.line else self.text


def refuse(path: Path, problems: list[Problem]) -> None:
    """Raise if there are mistakes.

    Args:
        path: The study's file.
        problems: Mistakes, in any order; repeated ones are reported once.

    Raises:
        StudyError: With all of them, by line.
    """
    found = sorted(set(problems))
    if found:
        raise StudyError(
            f"{path}: {counted(len(found), 'mistake')}, nothing was done.\n"
            f"{shorten_lines(found, _MOST_SHOWN)}"
        )
