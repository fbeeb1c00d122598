"""From a table as people keep it to checked attribute values.

Nothing is guessed about a person: a value is used as it is, mapped as the user said, or
reported. What "unknown" looks like must be specified too, so that it never becomes a group.
"""

import re
import shlex
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import pandas as pd

from nnunetv2_fair.dataset_conversion.writing.log import UNKNOWN
from nnunetv2_fair.errors import ConversionError, DemographicsError, shorten
from nnunetv2_fair.subgroups.inferred_schema import quartile_bins
from nnunetv2_fair.subgroups.schema import INTERSECTION, RESERVED_COLUMNS, Attribute, Bins, Schema
from nnunetv2_fair.subgroups.table import read_delimited

#: Roles that a column can have besides being an attribute.
ROLES = ("image", "patient", "split", "synthetic")

_IMAGE_COLUMNS = ("image", "filename", "file_name", "file", "image_id", "case")
_PATIENT_COLUMNS = ("patient", "patient_id", "subject", "subject_id")
_UNKNOWN_WORDS = {
    "?", "-", "--", ".", "na", "n/a", "nan", "none", "null", "unknown", "unk", "missing",
    "not available", "not reported", "not specified", "unspecified",
}  # fmt: skip
_PARTS = {
    **dict.fromkeys(("train", "training", "tr", "val", "valid", "validation"), "train"),
    **dict.fromkeys(("test", "testing", "ts", "te"), "test"),
}
#: More levels than this and a column that nobody asked for is left out.
_MOST_LEVELS = 12
#: As in :func:`~nnunetv2_fair.subgroups.inferred_schema.infer_schema`.
_MOST_NUMERIC_LEVELS = 8
_DICOM_AGE = re.compile(r"0*(\d+)\s*([YMWD])", re.IGNORECASE)
_PER_YEAR = {"Y": 1.0, "M": 12.0, "W": 365.25 / 7, "D": 365.25}
_AGE_RANGE = (0, 120)


@dataclass(frozen=True)
class TableSettings:
    """How a table is to be read.

    Attributes:
        columns: Column of each role (``image``, ``patient``, ``split``, ``synthetic``) or
            attribute. Roles that are not given are looked for under their usual names.
        attributes: Attributes to take; None: every column with few levels or with numbers.
        unknown: Cell contents that mean unknown, besides the empty cell.
        values: Level that each cell content means, by attribute. Others are then refused.
        bins: Where to cut a numeric attribute into groups.
        ranges: Lowest and highest plausible number; 0 to 120 by default for ages.
        dicom_age: Attributes whose cells may look like ``045Y``.
        default: The dataset's default attribute; None: the first one.
        per: ``image``: a row describes one image. ``patient``: all images of a patient.
        sheet: Sheet of an XLSX file; None: the first.
        none_is_level: Attributes of which "none" is a finding; elsewhere it is refused, because it
            may mean unknown.
    """

    columns: Mapping[str, str] = field(default_factory=dict)
    attributes: tuple[str, ...] | None = None
    unknown: tuple[str, ...] = ()
    values: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    bins: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    ranges: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    dicom_age: tuple[str, ...] = ()
    default: str | None = None
    per: Literal["image", "patient"] = "image"
    sheet: str | None = None
    none_is_level: tuple[str, ...] = ()


@dataclass(frozen=True)
class Row:
    """One row of the table.

    Attributes:
        line: Line in the file.
        image: Content of the image column; empty in a table per patient.
        patient: Content of the patient column; empty if there is none.
        part: ``train``, ``test``, or None where the table does not say.
        synthetic: ``0`` or ``1``.
        values: Value of each attribute, empty where unknown.
    """

    line: int
    image: str
    patient: str
    part: Literal["train", "test"] | None
    synthetic: str
    values: Mapping[str, str]


@dataclass(frozen=True)
class Metadata:
    """A table that was read.

    Attributes:
        path: The file.
        rows: Its rows.
        schema: What the attributes mean.
        has_synthetic: Whether there is a column that marks synthetic images.
        problems: What is wrong, in words.
        notes: What was decided automatically.
    """

    path: Path
    rows: Sequence[Row]
    schema: Schema
    has_synthetic: bool
    problems: Sequence[str]
    notes: Sequence[str]

    def groups_of(self, row: Row | None) -> dict[str, str]:
        """Return the group of each attribute of a row, for counts; ``unknown`` without a row."""
        groups = {}
        for attribute in self.schema.attributes.values():
            if attribute.groups:
                value = row.values[attribute.name] if row is not None else ""
                bad = bool(attribute.problem_with(value))
                groups[attribute.name] = (None if bad else attribute.group_of(value)) or UNKNOWN
        return groups


def read_metadata(path: Path, settings: TableSettings) -> Metadata:
    """Read a table and check all its values.

    Args:
        path: CSV, TSV or XLSX.
        settings: How to read it.

    Raises:
        ConversionError: If the file is unreadable or a column is absent. Bad values do not raise:
            they are in ``problems``, with those of the images.
    """
    try:
        frame = read_delimited(path, settings.sheet)
    except DemographicsError as error:
        raise ConversionError(str(error)) from error
    roles = _find_roles(frame, path, settings)
    attributes, notes = _find_attributes(frame, path, settings, roles)
    reader = _Reader(path, frame, settings, roles)
    values = {name: reader.values(name, column) for name, column in attributes.items()}
    described = {name: reader.describe(name, attributes[name], v) for name, v in values.items()}
    default = settings.default
    if default is None:
        default = next((a.name for a in described.values() if a.groups), None)
    elif default not in described:
        raise ConversionError(
            f"{path}: the default attribute '{default}' (--default) is not among those used: "
            f"{shorten(described, 12) or 'none'}. Add it with -a {default}."
        )
    rows = reader.rows(values)
    return Metadata(
        path,
        rows,
        Schema(described, default),
        "synthetic" in roles,
        reader.problems,
        notes,
    )


def _column(frame: pd.DataFrame, name: str) -> str | None:
    """Return the column of that name, or the only one that differs in case alone."""
    if name in frame.columns:
        return name
    alike = [column for column in frame.columns if column.casefold() == name.casefold()]
    return alike[0] if len(alike) == 1 else None


def _find_roles(frame: pd.DataFrame, path: Path, settings: TableSettings) -> dict[str, str]:
    roles: dict[str, str] = {}
    listed = f"Columns found: {shorten(frame.columns, 30)}"
    for role in ROLES:
        if role in settings.columns:
            column = _column(frame, settings.columns[role])
            if column is None:
                flag = "--split-column" if role == "split" else f"--columns {role}"
                raise ConversionError(
                    f"{path} has no column '{settings.columns[role]}' ({flag}). {listed}."
                )
            roles[role] = column
    usual = {"patient": _PATIENT_COLUMNS, "synthetic": ("synthetic",)}
    if settings.per == "image":
        usual["image"] = _IMAGE_COLUMNS
    for role, names in usual.items():
        found = next((c for name in names if (c := _column(frame, name)) is not None), None)
        if role not in roles and found is not None and found not in roles.values():
            roles[role] = found
    needed = "image" if settings.per == "image" else "patient"
    if needed not in roles:
        what = "which image a row describes" if needed == "image" else "which patient it is"
        raise ConversionError(
            f"{path} has no column that says {what}. {listed}. Name it: "
            f"--columns {needed}=<column>."
        )
    return roles


def _find_attributes(
    frame: pd.DataFrame, path: Path, settings: TableSettings, roles: Mapping[str, str]
) -> tuple[dict[str, str], list[str]]:
    """Return the column of each attribute, and notes on columns that are left out."""
    attributes = _named_attributes(frame, path, settings)
    notes: list[str] = []
    if settings.attributes is None:
        fitting, notes = _fitting_columns(frame, settings, attributes, roles)
        attributes |= fitting
    _check_options(path, settings, attributes)
    if not attributes:
        raise ConversionError(
            f"{path} has no column that could be an attribute such as sex or age. "
            f"Columns found: {shorten(frame.columns, 30)}. Name them: -a <column>."
        )
    return attributes, notes


def _named_attributes(frame: pd.DataFrame, path: Path, settings: TableSettings) -> dict[str, str]:
    """Return the column of each attribute that the user named."""
    mapped = {name: c for name, c in settings.columns.items() if name not in ROLES}
    attributes: dict[str, str] = {}
    for name in mapped if settings.attributes is None else settings.attributes:
        column = _column(frame, mapped.get(name, name))
        if column is None:
            raise ConversionError(
                f"{path} has no column '{mapped.get(name, name)}' for the attribute '{name}'. "
                f"Columns found: {shorten(frame.columns, 30)}. Name it: "
                f"--columns {name}=<column>."
            )
        attributes[name] = column
    return attributes


def _fitting_columns(
    frame: pd.DataFrame,
    settings: TableSettings,
    named: Mapping[str, str],
    roles: Mapping[str, str],
) -> tuple[dict[str, str], list[str]]:
    """Return other columns that can be attributes, by name, and notes on those that cannot."""
    taken = {*named.values(), *roles.values()}
    fitting: dict[str, str] = {}
    notes = []
    for column in frame.columns:
        if column in taken:
            continue
        name = re.sub(r"[^\w.-]+", "_", column.replace(INTERSECTION, "_")).strip("_")
        used = name in named or name in fitting
        known = [v for v in frame[column] if v != "" and v not in settings.unknown]
        reason = _why_not(column, name, known, settings, used=used)
        if reason is None:
            fitting[name] = column
        else:
            notes.append(f"column '{column}' is not used: {reason}")
    return fitting, notes


def _why_not(
    column: str, name: str, known: Sequence[str], settings: TableSettings, *, used: bool
) -> str | None:
    """Return why a column that nobody asked for cannot be an attribute; None if it can."""
    if not name or name in RESERVED_COLUMNS or used:
        return "its name is reserved or in use"
    if not known:
        return "it has no values"
    if {value.casefold() for value in known} <= set(_PARTS):
        return (
            "it seems to name the training and test part; to use it: --split-column "
            f"{shlex.quote(column)}"
        )
    if _is_numeric(name, known, settings) or _has_few_levels(known):
        return None
    return f"{len(set(known))} different values; take it with -a {shlex.quote(column)}"


def _check_options(path: Path, settings: TableSettings, attributes: Mapping[str, str]) -> None:
    """Raise if an option names an attribute that is not used."""
    for option, names in (
        ("--bins", settings.bins), ("--range", settings.ranges), ("--values", settings.values),
        ("--dicom-age", settings.dicom_age),
    ):  # fmt: skip
        for name in names:
            if name not in attributes:
                raise ConversionError(
                    f"{path}: {option} names the attribute '{name}', which is not used. "
                    f"Attributes: {shorten(attributes, 12) or 'none'}. Add it with -a {name}."
                )


def _has_few_levels(known: Sequence[str]) -> bool:
    levels = len(set(known))
    return levels <= _MOST_LEVELS and not (levels == len(known) and levels > 5)


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def _is_numeric(name: str, known: Sequence[str], settings: TableSettings) -> bool:
    """Return whether a column holds numbers, even if some cells are wrong."""
    if name in settings.values:
        return False
    if name in settings.bins or name in settings.dicom_age or name in settings.ranges:
        return True
    numbers = [value for value in known if _number(value) is not None]
    if _is_age(name) and numbers:
        return True
    return len(set(numbers)) > _MOST_NUMERIC_LEVELS and 2 * len(numbers) > len(known)


def _whole(number: float | None) -> float | None:
    """Return 0 for 0.0: people read it in messages and in demographics.json."""
    return int(number) if number is not None and float(number).is_integer() else number


def _is_age(name: str) -> bool:
    return name.casefold() == "age"


@dataclass
class _Reader:
    """Reads cells and collects what is wrong with them."""

    path: Path
    frame: pd.DataFrame
    settings: TableSettings
    roles: Mapping[str, str]
    problems: list[str] = field(default_factory=list)

    def line(self, i: int) -> int:
        """Return the line of the file that row ``i`` begins in."""
        return int(self.frame.index[i])

    def where(self, i: int) -> str:
        role = "image" if self.settings.per == "image" else "patient"
        key = self.frame[self.roles[role]].iloc[i]
        return f"{self.path.name}, line {self.line(i)}, {role} '{key}'"

    def values(self, name: str, column: str) -> list[str]:
        """Return the column with unknown cells emptied and contents mapped to levels."""
        mapping = self.settings.values.get(name, {})
        result = []
        for text in self.frame[column]:
            if text in self.settings.unknown:
                text = ""
            elif name in self.settings.dicom_age and (match := _DICOM_AGE.fullmatch(text)):
                text = f"{float(match[1]) / _PER_YEAR[match[2].upper()]:.4g}"
            result.append(mapping.get(text, text))
        return result

    def describe(self, name: str, column: str, values: Sequence[str]) -> Attribute:
        """Return what the attribute means; report values that it does not allow."""
        known = [value for value in values if value != ""]
        meaning = f"column '{column}' of {self.path.name}"
        if _is_numeric(name, known, self.settings):
            attribute = self._numeric(name, meaning, known)
        elif name in self.settings.values:
            levels = tuple(dict.fromkeys(self.settings.values[name].values()))
            attribute = Attribute(name, "categorical", meaning, levels=levels)
        else:
            attribute = Attribute(name, "categorical", meaning, levels=tuple(sorted(set(known))))
            self._doubtful_levels(attribute, known)
        verdicts = {value: attribute.problem_with(value) for value in set(values)}
        for i, value in enumerate(values):
            if verdicts[value]:
                self.problems.append(f"{self.where(i)}: {self._remedy(attribute, value)}")
        return attribute

    def _numeric(self, name: str, meaning: str, known: Sequence[str]) -> Attribute:
        age = _is_age(name) or name in self.settings.dicom_age
        low, high = self.settings.ranges.get(name, _AGE_RANGE if age else (None, None))
        low, high = _whole(low), _whole(high)
        numbers = [
            number
            for value in known
            if (number := _number(value)) is not None
            and (low is None or high is None or low <= number <= high)
        ]
        bins = None
        if name in self.settings.bins:
            bins = Bins.from_cuts(self.settings.bins[name])
        elif numbers:
            bins = quartile_bins(numbers)
        return Attribute(
            name,
            "numeric",
            meaning,
            "years" if age else "",
            bins=bins,
            minimum=low,
            maximum=high,
        )

    def _doubtful_levels(self, attribute: Attribute, known: Sequence[str]) -> None:
        counted = Counter(known)
        doubtful = _UNKNOWN_WORDS
        if attribute.name in self.settings.none_is_level:
            doubtful = doubtful - {"none"}
        for level in attribute.levels:
            if level.casefold() in doubtful:
                self.problems.append(
                    f"{self.path.name}: '{attribute.name}' is '{level}' in {counted[level]} rows. "
                    f"If that means unknown: --unknown {shlex.quote(level)}. If it is a group of "
                    f"its own, say so for all levels: --values {attribute.name} "
                    f"{' '.join(shlex.quote(f'{v}={v}') for v in attribute.levels)}"
                )
        spellings: dict[str, list[str]] = {}
        for level in attribute.levels:
            spellings.setdefault(level.casefold(), []).append(level)
        for alike in spellings.values():
            if len(alike) > 1:
                right = max(alike, key=lambda level: counted[level])
                mapping = {v: right if v in alike else v for v in attribute.levels}
                self.problems.append(
                    f"{self.path.name}: '{attribute.name}' has levels that differ only in upper "
                    f"and lower case: {shorten(map(repr, alike))}. Make them one: --values "
                    f"{attribute.name} "
                    + " ".join(shlex.quote(f"{old}={new}") for old, new in mapping.items())
                )

    def _remedy(self, attribute: Attribute, value: str) -> str:
        if attribute.type == "categorical":
            return (
                f"'{value}' is not a level of '{attribute.name}' "
                f"(levels: {shorten(attribute.levels, 12)}). Correct the cell, add "
                f"{shlex.quote(f'{value}=<level>')} to --values {attribute.name}, or if it means "
                f"unknown: --unknown {shlex.quote(value)}"
            )
        problem = str(attribute.problem_with(value))
        if _DICOM_AGE.fullmatch(value):
            return f"{problem}; to accept ages like this one: --dicom-age {attribute.name}"
        return f"{problem}. If '{value}' always means unknown: --unknown {shlex.quote(value)}"

    def rows(self, values: Mapping[str, Sequence[str]]) -> list[Row]:
        """Return all rows, and report empty, repeated and unreadable cells of the roles."""
        key_role = "image" if self.settings.per == "image" else "patient"
        seen: dict[str, int] = {}
        rows = []
        for i in range(len(self.frame)):
            cells = {role: str(self.frame[c].iloc[i]) for role, c in self.roles.items()}
            key = cells[key_role]
            line = f"{self.path.name}, line {self.line(i)}"
            if key == "":
                self.problems.append(f"{line}: the {key_role} is empty")
            elif key in seen:
                self.problems.append(
                    f"{line}: {key_role} '{key}' already appears on line "
                    f"{seen[key]}; keep one of the two rows"
                )
            elif cells.get("patient") == "":
                self.problems.append(
                    f"{self.where(i)}: the patient is empty; every image needs one (a name of its "
                    "own will do if it is the patient's only image)"
                )
            seen.setdefault(key, self.line(i))
            synthetic = cells.get("synthetic", "0") or "0"
            if synthetic not in ("0", "1"):
                self.problems.append(
                    f"{self.where(i)}: '{self.roles['synthetic']}' is '{synthetic}', expected 0 "
                    "or 1"
                )
            rows.append(
                Row(
                    self.line(i),
                    cells.get("image", ""),
                    cells.get("patient", ""),
                    self._part(i, cells),
                    synthetic,
                    {name: column[i] for name, column in values.items()},
                )
            )
        if not rows:
            self.problems.append(f"{self.path.name} has no rows below the header")
        return rows

    def _part(self, i: int, cells: Mapping[str, str]) -> Literal["train", "test"] | None:
        if "split" not in cells:
            return None
        part = _PARTS.get(cells["split"].casefold())
        if part is None:
            self.problems.append(
                f"{self.where(i)}: '{self.roles['split']}' is '{cells['split']}', expected train "
                "or test (val counts as train)"
            )
            return "train"
        return "train" if part == "train" else "test"
