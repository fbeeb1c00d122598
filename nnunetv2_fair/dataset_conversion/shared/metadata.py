"""The table of a converter: a row per image or patient, with its part and its attributes."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from nnunetv2_fair.dataset_conversion.writing.log import UNKNOWN
from nnunetv2_fair.errors import ConversionError, TableError
from nnunetv2_fair.files.tabular import read_table
from nnunetv2_fair.subgroups.inferred_schema import inferred_schema
from nnunetv2_fair.subgroups.schema import Schema
from nnunetv2_fair.tables.columns import PARTS, column_of_names
from nnunetv2_fair.tables.reading import PeopleTable, read_people
from nnunetv2_fair.tables.settings import TableSettings


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
        options: What to add to the command so that the table can be read; empty if nothing helps.
    """

    path: Path
    rows: Sequence[Row]
    schema: Schema
    has_synthetic: bool
    problems: Sequence[str]
    notes: Sequence[str]
    options: str = ""

    def groups_of(self, row: Row | None) -> dict[str, str]:
        """Return the group of each attribute of a row, for counts; ``unknown`` without a row."""
        groups = {}
        for attribute in self.schema.attributes.values():
            if attribute.groups:
                value = row.values[attribute.name] if row is not None else ""
                bad = bool(attribute.problem_with(value))
                groups[attribute.name] = (None if bad else attribute.group_of(value)) or UNKNOWN
        return groups


def read_metadata(path: Path, settings: TableSettings, images: Collection[str] = ()) -> Metadata:
    """Read a table and check all its values.

    Args:
        path: CSV, TSV or XLSX.
        settings: How to read it.
        images: Names of the images, which tell the column that holds them where no usual name
            does.

    Raises:
        ConversionError: If the file is unreadable or a column is absent. Bad values do not raise:
            they are in ``problems``, with those of the images.
        UsageError: If an option names an attribute that is not used.
    """
    try:
        table = read_table(path, settings.sheet)
        settings = column_of_names(table, settings, images)
        people = read_people(table, path, settings)
    except TableError as error:
        raise ConversionError(str(error)) from error
    problems = list(people.problems)
    rows = _rows(people, problems)
    return Metadata(
        path,
        rows,
        inferred_schema(people, settings),
        "synthetic" in people.roles,
        problems,
        people.notes,
        people.remedy.options,
    )


def _rows(people: PeopleTable, problems: list[str]) -> list[Row]:
    empty = [""] * len(people.lines)
    images = people.roles.get("image", empty)
    patients = people.roles.get("patient", empty)
    synthetic = people.roles.get("synthetic", empty)
    cells = people.cells
    return [
        Row(
            line,
            images[i],
            patients[i],
            _part(people, i, problems),
            synthetic[i] or "0",
            {name: values[i] for name, values in cells.items()},
        )
        for i, line in enumerate(people.lines)
    ]


def _part(people: PeopleTable, i: int, problems: list[str]) -> Literal["train", "test"] | None:
    if "split" not in people.roles:
        return None
    text = people.roles["split"][i]
    part = PARTS.get(text.casefold())
    if part is None:
        problems.append(
            f"{people.where(i)}: '{people.columns['split']}' is '{text}', expected train or test "
            "(val counts as train)"
        )
        return "train"
    return "train" if part == "train" else "test"
