"""Results as JSON files: written whole or not at all, checked field by field when read."""

import dataclasses
import json
import math
from collections.abc import Collection, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from nnunetv2_fair.errors import EvaluationError, shorten
from nnunetv2_fair.files.atomic import write_text
from nnunetv2_fair.files.json_files import read_json_object

if TYPE_CHECKING:
    from pydantic import TypeAdapter, ValidationError
    from pydantic_core import ErrorDetails

T = TypeVar("T")

#: What pydantic calls by Python's names.
_IN_WORDS = {
    "a valid tuple": "a list",
    "a valid dictionary": "an object with fields",
    "an instance of Mapping": "an object with fields",
}
#: At most this many damaged fields are listed.
_MOST_LISTED = 3
#: Longest part of a wrong value that is shown.
_LONGEST_VALUE = 40


@dataclasses.dataclass(frozen=True)
class JsonFormat:
    """How one kind of result is kept.

    Attributes:
        number: Number of the format; stored in the file as ``format``.
        command: Command that makes such files.
        again: What to do about a file that cannot be used, such as ``Evaluate again``.
        left_out: Fields of the result that are not in the file.
    """

    number: int
    command: str
    again: str
    left_out: Collection[str] = ()

    def write(self, result: Any, path: Path) -> None:
        """Write a result (a dataclass) to a file; it appears whole or not at all."""
        content = {name: to_json(getattr(result, name)) for name in self._fields_of(result)}
        content["format"] = self.number
        text = json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False)
        write_text(path, text + "\n")

    def read(self, kind: type[T], path: Path, **left_out: Any) -> T:
        """Read what :meth:`write` wrote.

        Args:
            kind: Class of the result.
            path: The file.
            **left_out: Values of the fields that are not in the file.

        Raises:
            EvaluationError: If the file is missing, damaged or of another format.
        """
        require(path, self.command)
        content = read_json_object(path, EvaluationError, f"{self.again}.")
        if content.get("format") != self.number:
            raise EvaluationError(
                f"{path} has format {content.get('format')!r}, expected {self.number}. "
                f"{self.again} with this version of nnunetv2_fair."
            )
        fields = set(self._fields_of(kind))
        # a missing field would otherwise silently take its default
        if missing := sorted(fields - set(content)):
            raise self._damaged(path, f"{shorten(missing)} missing")
        found = {name: value for name, value in content.items() if name in fields}
        result: T = self._checked(kind, {**found, **left_out}, path)
        return result

    def _checked(self, kind: Any, content: Any, path: Path) -> Any:
        from pydantic import ValidationError  # loading it takes longer than reading most files

        try:
            return _adapter(kind).validate_python(content)
        except ValidationError as error:
            raise self._damaged(path, _problems(error)) from error

    def _fields_of(self, kind: Any) -> list[str]:
        names = (field.name for field in dataclasses.fields(kind))
        return [name for name in names if name not in self.left_out]

    def _damaged(self, path: Path, problem: str) -> EvaluationError:
        return EvaluationError(f"{path} is damaged: {problem}. {self.again}.")


def require(path: Path, command: str) -> None:
    """Raise an EvaluationError unless a file of a command's output folder exists."""
    if not path.is_file():
        raise EvaluationError(
            f"{path.parent} has no {path.name}: it is not an output folder of {command}. "
            f"Run {command} first and pass its -o folder."
        )


def to_json(value: Any) -> Any:
    """Return a value that JSON can hold; NaN and infinities become words."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: to_json(getattr(value, f.name)) for f in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(key): to_json(entry) for key, entry in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [to_json(entry) for entry in value]
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        # JSON has no NaN and no infinity; these words are read as numbers again
        return str(value)
    if isinstance(value, Path):
        return str(value)
    return value


@cache
def _adapter(kind: Any) -> "TypeAdapter[Any]":
    from pydantic import TypeAdapter

    return TypeAdapter(kind)


def _problems(error: "ValidationError") -> str:
    found = error.errors(include_url=False)
    listed = "; ".join(map(_problem, found[:_MOST_LISTED]))
    more = len(found) - _MOST_LISTED
    return f"{listed}; and {more} more" if more > 0 else listed


def _problem(problem: "ErrorDetails") -> str:
    place = ""
    for part in problem["loc"]:
        place += f"[{part}]" if isinstance(part, int) else f".{part}" if place else part
    if problem["type"] == "missing":
        return f"{place} is missing"
    expected = problem["msg"].removeprefix("Input should be ").partition(", ")[0]
    expected = _IN_WORDS.get(expected, expected)
    return f"{place} is {_shown(problem['input'])}, expected {expected}"


def _shown(value: Any) -> str:
    if isinstance(value, dict):
        return "an object with fields"
    if isinstance(value, list):
        return f"a list of {len(value)}"
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _LONGEST_VALUE else f"{text[:_LONGEST_VALUE]}..."
