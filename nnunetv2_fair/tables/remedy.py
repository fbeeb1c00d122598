"""The options that make a table readable, in a form that can be pasted behind the command."""

import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from nnunetv2_fair.tables.settings import TableSettings

# these argparse takes for values, other texts that begin with a hyphen for options
_NEGATIVE = re.compile(r"-|-\d+|-\d*\.\d+")


def escaped(text: str) -> str:
    """Return a text as options take it: a backslash before a hyphen and before ``=``."""
    text = text.replace("\\", "\\\\").replace("=", "\\=")
    return f"\\{text}" if text.startswith("-") and not _NEGATIVE.fullmatch(text) else text


def pair_of(old: str, new: str) -> str:
    """Return ``old=new`` as :func:`split_pair` takes it."""
    pair = f"{escaped(old)}={escaped(new)}"
    return f"\\{pair}" if pair.startswith("-") else pair


def list_of(name: str, items: Sequence[str]) -> str:
    """Return ``name=one,other`` as :func:`split_list` takes it."""
    listed = ",".join(re.sub(r"([\\,])", r"\\\1", item) for item in items)
    text = f"{escaped(name)}={listed}"
    return f"\\{text}" if text.startswith("-") else text


def unescaped(text: str) -> str:
    """Return the text that :func:`escaped` was given."""
    return re.sub(r"\\([\\=,-])", r"\1", text)


def split_pair(text: str) -> tuple[str, str] | None:
    """Return ``a`` and ``b`` of ``a=b``, which an escaped ``=`` does not split; None if neither."""
    match = re.fullmatch(r"((?:[^\\=]|\\.)+)=(.+)", text, re.DOTALL)
    return (unescaped(match[1]), unescaped(match[2])) if match else None


def split_list(text: str) -> tuple[str, list[str]] | None:
    """Return ``name`` and the items of ``name=one,other``, without the gaps around them.

    A backslash takes the meaning from a comma and from ``=``. None if there is no name, or an item
    is empty.
    """
    match = re.fullmatch(r"((?:[^\\=]|\\.)+)=(.+)", text, re.DOTALL)
    if match is None:
        return None
    items = re.findall(r"((?:[^\\,]|\\.)*),", f"{match[2]},", re.DOTALL)
    found = [unescaped(item).strip() for item in items]
    return (unescaped(match[1]).strip(), found) if found and all(found) else None


def options_of(settings: TableSettings) -> str:
    """Return the options of a command that say what the settings say, quoted for a shell."""
    parts: list[str] = []
    if settings.columns:
        parts += ["--columns", *(pair_of(name, c) for name, c in settings.columns.items())]
    for attribute, mapping in settings.values.items():
        parts += ["--values", attribute, *(pair_of(old, new) for old, new in mapping.items())]
    if settings.unknown:
        parts += ["--unknown", *map(escaped, settings.unknown)]
    if settings.dicom_age:
        parts += ["--dicom-age", *settings.dicom_age]
    for option, lists in (("--bins", settings.bins), ("--range", settings.ranges)):
        if lists:
            numbers = {name: ",".join(f"{n:.12g}" for n in found) for name, found in lists.items()}
            parts += [option, *(pair_of(name, text) for name, text in numbers.items())]
    if settings.sheet is not None:
        parts += ["--sheet", settings.sheet]
    return " ".join(map(shlex.quote, parts))


@dataclass
class Remedy:
    """What to add to a command so that it reads a table.

    Attributes:
        values: Level that each cell content means, by attribute.
        unknown: Cell contents that mean unknown.
        dicom_age: Attributes that are ages with a unit.
        columns: Columns of roles and attributes that are called otherwise.
    """

    values: dict[str, dict[str, str]] = field(default_factory=dict)
    unknown: list[str] = field(default_factory=list)
    dicom_age: list[str] = field(default_factory=list)
    columns: dict[str, str] = field(default_factory=dict)

    def map_levels(self, attribute: str, mapping: Mapping[str, str]) -> None:
        """Add meanings of an attribute's cells."""
        self.values.setdefault(attribute, {}).update(mapping)

    def add_unknown(self, text: str) -> None:
        """Add a cell content that means unknown."""
        if text not in self.unknown:
            self.unknown.append(text)

    def add_dicom_age(self, attribute: str) -> None:
        """Add an attribute that is an age with a unit."""
        if attribute not in self.dicom_age:
            self.dicom_age.append(attribute)

    @property
    def last_line(self) -> str:
        """The sentence on a line of its own, to be put behind a list of problems."""
        return f"\n{self.sentence}" if self.options else ""

    @property
    def options(self) -> str:
        """The options, quoted for a shell; empty if none are needed."""
        told = TableSettings(
            columns=self.columns,
            values=self.values,
            unknown=tuple(self.unknown),
            dicom_age=tuple(self.dicom_age),
        )
        return options_of(told)

    @property
    def sentence(self) -> str:
        """A line that says what to add to the command; empty if nothing helps."""
        return f"To read the table so, add to the command: {self.options}" if self.options else ""
