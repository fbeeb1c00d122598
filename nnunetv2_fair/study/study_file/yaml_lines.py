"""Reading YAML so that every value keeps its line, and text stays text.

YAML 1.1, which PyYAML implements, reads ``042`` as 34, ``48:00:00`` as 172800 and ``no`` as false.
Here only ``true``, ``false``, ``null`` and numbers without leading zero are not text.
"""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nnunetv2_fair.errors import StudyError
from nnunetv2_fair.study.study_file.problems import Problem

if TYPE_CHECKING:
    from yaml.nodes import Node

#: Where a value is: keys of mappings and positions in lists, from the outside in.
Place = tuple[str | int, ...]

#: More entries than this are no study: a few aliases (*...) of aliases stand for millions.
_MOST_ENTRIES = 100_000

_WORDS = {"true": True, "false": False, "null": None, "~": None, "": None}
_WHOLE = re.compile(r"[-+]?(0|[1-9][0-9]*)")
_DECIMAL = re.compile(r"[-+]?([0-9]+\.[0-9]*|\.[0-9]+|[0-9]+(?=[eE]))([eE][-+]?[0-9]+)?")


@dataclass(frozen=True)
class Document:
    """A YAML file.

    Attributes:
        path: The file.
        data: Its content: dictionaries, lists, text, numbers, booleans, None.
        lines: Line of every entry: of a mapping's key, of a list's item. From 1.
        problems: Duplicate keys, keys that are not text, entries that contain themselves.
    """

    path: Path
    data: Any
    lines: Mapping[Place, int]
    problems: tuple[Problem, ...]

    def line(self, *place: str | int) -> int:
        """Return the line of an entry, or of the nearest entry that contains it."""
        return self.lines.get(self.nearest(place), 1)

    def nearest(self, place: Place) -> Place:
        """Return a place, or that around it where one value stands for a whole mapping."""
        while place and place not in self.lines:
            place = place[:-1]
        return place

    def value(self, *place: str | int) -> Any:
        """Return what is at a place, or around it where one value stands for a whole mapping.

        Raises:
            LookupError: If nothing is there.
        """
        value = self.data
        for step in place:
            if type(value) not in (dict, list):
                return value
            value = value[step]
        return value

    def without(self, places: Collection[Place]) -> "Document":
        """Return the document without some entries.

        What follows in a list moves up, and keeps its line.

        Args:
            places: Of the entries; ``()`` is everything.
        """
        lines: dict[Place, int] = {}

        def kept(value: Any, before: Place, now: Place) -> Any:
            lines[now] = self.line(*before)
            if isinstance(value, dict):
                lines.update({(*now, key): self.line(*before, key) for key in value})
                return {
                    key: kept(item, (*before, key), (*now, key))
                    for key, item in value.items()
                    if (*before, key) not in places
                }
            if isinstance(value, list):
                left = [i for i in range(len(value)) if (*before, i) not in places]
                return [kept(value[i], (*before, i), (*now, n)) for n, i in enumerate(left)]
            return value

        data = {} if () in places else kept(self.data, (), ())
        return replace(self, data=data, lines=lines)


def import_yaml() -> Any:
    """Return PyYAML.

    Raises:
        StudyError: If the extra that provides it is not installed.
    """
    try:
        import yaml
    except ImportError as error:
        raise StudyError(needs_extra("PyYAML")) from error
    return yaml


def needs_extra(package: str) -> str:
    """Return the message for a package that is not installed."""
    return (
        f"Studies need {package}, which is not installed here. Install it, and everything else "
        'that studies need, into this environment: pip install "nnunetv2_fair[cluster]"'
    )


def read_yaml(path: Path) -> Document:
    """Read one YAML file.

    Raises:
        StudyError: If it is missing, not UTF-8, or not YAML, nested too deeply, or far too long.
    """
    yaml = import_yaml()
    try:
        text = path.read_text(encoding="utf-8-sig")
        root = yaml.compose(text, Loader=yaml.BaseLoader)
    except (FileNotFoundError, IsADirectoryError) as error:
        raise StudyError(
            f"{path} does not exist or is not a file. Pass the study's file, or write an example "
            f"to start from: nnUNetv2_fair_study {path} --init"
        ) from error
    except UnicodeDecodeError as error:
        raise StudyError(f"{path} is not UTF-8: {error.reason}. Save it as UTF-8.") from error
    except RecursionError as error:
        raise _too_deep(path) from error
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f", line {mark.line + 1}" if mark is not None else ""
        reason = getattr(error, "problem", None) or str(error)
        raise StudyError(
            f"{path}{where}: this is not YAML: {reason}. Look for a missing colon or quote, a tab, "
            "or lines that do not begin in the same column."
        ) from error
    if root is None:
        return Document(path, None, {}, ())
    reader = _Reader(yaml)
    try:
        data = reader.value(root, (), ())
    except RecursionError as error:
        raise _too_deep(path) from error
    except _TooLongError as error:
        raise StudyError(
            f"{path} holds more than {_MOST_ENTRIES} entries, counting each alias (*...) as what "
            "it stands for. Write the study out, without aliases of aliases."
        ) from error
    return Document(path, data, reader.lines, tuple(reader.problems))


def _too_deep(path: Path) -> StudyError:
    return StudyError(f"{path} is nested too deeply to be a study. Write it with fewer levels.")


class _TooLongError(Exception):
    """A document has more entries than any study."""


class _Reader:
    def __init__(self, yaml: Any) -> None:
        self.lines: dict[Place, int] = {}
        self.problems: list[Problem] = []
        self._entries = 0
        self._scalar = yaml.ScalarNode
        self._sequence = yaml.SequenceNode

    def value(self, node: "Node", place: Place, around: tuple[int, ...]) -> Any:
        self._entries += 1
        if self._entries > _MOST_ENTRIES:
            raise _TooLongError
        line = node.start_mark.line + 1
        self.lines.setdefault(place, line)
        if isinstance(node, self._scalar):
            return plain_value(node.value) if node.style is None else node.value
        if id(node) in around:
            self.problems.append(
                Problem(
                    line, "an entry contains itself (*...): write it out, or leave the alias out"
                )
            )
            return None
        around = (*around, id(node))
        if isinstance(node, self._sequence):
            return [self.value(item, (*place, i), around) for i, item in enumerate(node.value)]
        content: dict[str, Any] = {}
        for key, item in node.value:
            line = key.start_mark.line + 1
            if not isinstance(key, self._scalar):
                self.problems.append(Problem(line, "a key must be one word, not a list"))
                continue
            if key.value in content:
                first = self.lines[(*place, key.value)]
                self.problems.append(
                    Problem(line, f"'{key.value}' is listed twice, first on line {first}; "
                            "keep one of them")
                )  # fmt: skip
                continue
            self.lines[(*place, key.value)] = line
            content[key.value] = self.value(item, (*place, key.value), around)
        return content


def plain_value(text: str) -> Any:
    """Return what unquoted text stands for."""
    if text in _WORDS:
        return _WORDS[text]
    if _WHOLE.fullmatch(text):
        return int(text)
    if _DECIMAL.fullmatch(text):
        return float(text)
    return text
