"""Reading a table of people: roles, attributes, and all that is wrong with them at once."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from nnunetv2_fair.errors import counted, shorten
from nnunetv2_fair.files.tabular import Table
from nnunetv2_fair.tables.attribute_column import AttributeColumn, Cells, Described, read_attribute
from nnunetv2_fair.tables.columns import find_columns
from nnunetv2_fair.tables.numbers import is_shortened
from nnunetv2_fair.tables.remedy import Remedy
from nnunetv2_fair.tables.settings import TableSettings
from nnunetv2_fair.tables.spellings import as_seen, control_signs
from nnunetv2_fair.tables.words import is_spreadsheet_error


@dataclass(frozen=True)
class PeopleTable:
    """What a table says.

    Attributes:
        path: The file.
        key: Role that tells rows apart.
        lines: Line of each row.
        roles: Cells of each role that the table has, such as ``patient``.
        columns: Column of each of these roles.
        attributes: The attributes, in the order to show.
        problems: What is wrong with rows and attributes, in words.
        notes: What was decided.
        remedy: Options that would make the table readable.
    """

    path: Path
    key: str
    lines: list[int]
    roles: Mapping[str, list[str]] = field(repr=False)
    columns: Mapping[str, str]
    attributes: list[AttributeColumn] = field(repr=False)
    problems: list[str]
    notes: list[str]
    remedy: Remedy

    @property
    def cells(self) -> dict[str, list[str]]:
        """Value of each row, by attribute; empty where unknown."""
        return {attribute.name: attribute.values for attribute in self.attributes}

    def where(self, i: int) -> str:
        """Return how messages name a row."""
        return _where(self.path, self.lines[i], self.key, self.roles[self.key][i])


def read_people(
    table: Table,
    path: Path,
    settings: TableSettings,
    described: Mapping[str, Described] | None = None,
) -> PeopleTable:
    """Read the roles and attributes of a table.

    Args:
        table: Its cells.
        path: Its file, for messages.
        settings: How to read it.
        described: What a dictionary says about each attribute; None if there is none.

    Raises:
        TableError: If a column that is needed is absent. Bad cells do not raise: they are in
            ``problems``.
        UsageError: If an option names an attribute that is not used.
    """
    n_rows = len(table.rows)
    table = without_repeated_rows(table)
    found = find_columns(table, path, settings, described)
    places = {name: i for i, name in enumerate(table.header)}
    roles = {role: [row[places[c]] for row in table.rows] for role, c in found.roles.items()}

    def line(i: int) -> int:
        return table.lines[i]

    def where(i: int) -> str:
        return _where(path, line(i), settings.key, roles[settings.key][i])

    problems = [*found.problems, *row_problems(roles, settings.key, path.name, table.lines)]
    notes = list(found.notes)
    if len(table.rows) < n_rows:
        repeated = counted(n_rows - len(table.rows), "row")
        notes.append(f"{repeated} left out that an earlier one repeats in every cell")
    remedy = Remedy(columns=dict(found.guessed))
    attributes = []
    for name, column in found.attributes.items():
        texts = [row[places[column]] for row in table.rows]
        attribute = read_attribute(
            name,
            column,
            Cells(texts, where, line),
            settings,
            remedy,
            None if described is None else described[name],
        )
        attributes.append(attribute)
        problems += attribute.problems
        notes += attribute.notes
    columns = dict(found.roles)
    return PeopleTable(
        path, settings.key, table.lines, roles, columns, attributes, problems, notes, remedy
    )


def without_repeated_rows(table: Table) -> Table:
    """Return a table without rows of which an earlier one holds the same in every cell."""
    first = {tuple(row): i for i, row in reversed(list(enumerate(table.rows)))}
    kept = sorted(first.values())
    if len(kept) == len(table.rows):
        return table
    return Table(table.header, [table.lines[i] for i in kept], [table.rows[i] for i in kept])


def row_problems(
    roles: Mapping[str, Sequence[str]], key: str, file: str, lines: Sequence[int]
) -> list[str]:
    """Return what is wrong with the columns that are not attributes.

    Args:
        roles: Cells of each of them.
        key: The one that tells rows apart.
        file: Name of the file, for messages.
        lines: Line of each row.
    """
    problems = []
    if not lines:
        problems.append(f"{file}: there are no rows below the header")
    seen: dict[str, int] = {}
    patients = roles.get("patient")
    for i, (line, name) in enumerate(zip(lines, roles[key], strict=True)):
        if name == "":
            problems.append(f"{file}, line {line}: the {key} is empty")
            continue
        if is_spreadsheet_error(name) or (patients and is_spreadsheet_error(patients[i])):
            problems.append(
                f"{file}, line {line}: the {key} or the patient is an error of a formula; correct "
                "it in the spreadsheet"
            )
            continue
        where = f"{file}, line {line}, {key} '{name}'"
        if name in seen:
            problems.append(
                f"{file}, line {line}: {key} '{name}' already appears on line {seen[name]}; keep "
                "one of the two rows"
            )
        seen.setdefault(name, line)
        if key != "patient" and patients is not None and patients[i] == "":
            problems.append(
                f"{where}: the patient is empty; give it one (a name of its own will do if it is "
                f"the patient's only {key})"
            )
        synthetic = roles["synthetic"][i] if "synthetic" in roles else ""
        if synthetic not in ("0", "1", ""):
            problems.append(f"{where}: synthetic is '{synthetic}', expected 0 or 1")
        weight = roles["sampling_weight"][i] if "sampling_weight" in roles else ""
        # isdecimal() alone accepts the digits of all scripts, as int() does
        if weight != "" and not (weight.isascii() and weight.isdecimal()):
            problems.append(
                f"{where}: sampling_weight is '{weight}', expected a whole number from 0 on"
            )
        shortened = [n for n in (name, patients[i] if patients else "") if is_shortened(n)]
        if shortened:
            problems.append(
                f"{where}: '{shortened[0]}' is what a spreadsheet makes of a long number, and "
                "others may have become the same. Format the column as text, enter the numbers "
                "again and save the table"
            )
    for role in dict.fromkeys((key, "patient")):
        problems += _alike_names(role, roles.get(role, ()), file, lines)
    return problems


def _alike_names(role: str, names: Sequence[str], file: str, lines: Sequence[int]) -> Iterator[str]:
    """Yield names of which nobody sees that they differ: one patient would count as two."""
    if all(name.isascii() and name.isprintable() for name in names):
        return
    first: dict[str, tuple[str, int]] = {}
    for name, line in dict(zip(reversed(names), reversed(lines), strict=True)).items():
        if signs := control_signs(name):
            yield (
                f"{file}, line {line}: the {role} holds {shorten(dict.fromkeys(signs))}, which is "
                "no letter; remove it"
            )
        other, at = first.setdefault(as_seen(name), (name, line))
        if other != name and not (other.isascii() and name.isascii()):
            one, two = sorted((at, line))
            yield (
                f"{file}, lines {one} and {two}: {role} {name!a} and {other!a} look the "
                "same and differ in signs; write both in one way"
            )


def _where(path: Path, line: int, key: str, name: str) -> str:
    return f"{path.name}, line {line}, {key} '{name}'"
