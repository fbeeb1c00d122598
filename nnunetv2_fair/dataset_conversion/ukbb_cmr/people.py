"""Attributes of participants, and the small files that name participants.

Messages name lines, never people.
"""

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from nnunetv2_fair.dataset_conversion.ukbb_cmr.codes import (
    EMPTY_CELLS,
    ETHNICITIES,
    ETHNICITY,
    ID_COLUMNS,
    SEX,
    SEXES,
    plain_number,
)
from nnunetv2_fair.dataset_conversion.ukbb_cmr.ids import without_identifiers
from nnunetv2_fair.errors import ConversionError, TableError, shorten
from nnunetv2_fair.files.tabular import Row, read_rows
from nnunetv2_fair.subgroups.inferred_schema import quartile_bins
from nnunetv2_fair.subgroups.schema import Attribute, Bins, Schema
from nnunetv2_fair.tables.remedy import Remedy
from nnunetv2_fair.tables.settings import TableSettings

#: Values of each categorical attribute.
LEVELS: Mapping[str, tuple[str, ...]] = {ETHNICITY: ETHNICITIES, SEX: SEXES}
#: Group that signed gaps are measured from.
_REFERENCES = {ETHNICITY: "White", SEX: "male"}
#: Meaning, unit, lowest and highest plausible number.
_NUMBERS = {
    "age": ("age at imaging", "years", 0, 120),
    "bmi": ("body mass index", "kg/m2", 10, 90),
    "height": ("standing height", "cm", 80, 250),
    "weight": ("weight", "kg", 20, 400),
}
#: Cuts where none are given: age as in the walk-through, BMI as the WHO has it.
_CUTS: Mapping[str, tuple[float, ...]] = {"age": (50, 65), "bmi": (18.5, 25, 30)}
_CASE = re.compile(r"(?P<participant>.+?)_sa_(?:ED|ES)(?:\.nii(?:\.gz)?)?")


@dataclass(frozen=True)
class PeopleSettings:
    """How tables of participants are to be read.

    Attributes:
        reading: What the user says about the table: column of ``participant`` and of attributes
            that have other names; levels of contents that are not a code or text of UK Biobank, or
            mean something else; contents that mean unknown.
        instance: Visit whose age, BMI, height and weight are taken.
    """

    reading: TableSettings = field(default_factory=TableSettings)
    instance: int = 2

    def with_values(self, values: Mapping[str, Mapping[str, str]]) -> "PeopleSettings":
        """Return the same with other meanings of cell contents."""
        return replace(self, reading=replace(self.reading, values=values))


@dataclass
class People:
    """Attributes of the requested participants.

    Attributes:
        attributes: Names of the attributes that the table has.
        values: Value of each attribute by participant; empty where unknown.
        lines: Line of each participant.
        problems: What is wrong, in words.
        notes: What was decided automatically.
        remedy: Options that would make cells readable.
    """

    attributes: tuple[str, ...]
    values: dict[str, dict[str, str]] = field(default_factory=dict, repr=False)
    lines: dict[str, int] = field(default_factory=dict, repr=False)
    problems: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    remedy: Remedy = field(default_factory=Remedy)


def read_case_labels(path: Path, wanted: Iterable[str], settings: PeopleSettings) -> People:
    """Read the ``labels.csv`` of Lee et al.: case name and numeric ethnicity, with header or not.

    Args:
        path: The file.
        wanted: Participants to keep.
        settings: ``values`` says what the numbers mean; the file does not.

    Raises:
        ConversionError: If the file is unreadable or the meaning of a number is not given.
    """
    shown = without_identifiers(str(path))
    rows = _rows(path, shown)
    wrong = [line for line, row in rows if len(row) != 2]
    if wrong or not rows:
        where = f"line {shorten(wrong)}" if wrong else "no lines"
        raise ConversionError(
            f"{shown}: {where}: expected two columns, the case and a number (--labels-csv)."
        )
    header = 0 if re.fullmatch(r"-?\d+(\.0*)?", rows[0].cells[1].strip()) else 1
    numbers = Counter(plain_number(row.cells[1]) for row in rows[header:])
    meaning = settings.reading.values.get(ETHNICITY, {})
    unnamed = [n for n in numbers if n not in meaning and not is_empty(n, settings)]
    if unnamed:
        counted = ", ".join(f"{number or 'nothing'} ({numbers[number]} rows)" for number in unnamed)
        pairs = " ".join(f"{number}=White" for number in unnamed if number)
        raise ConversionError(
            f"{shown} (--labels-csv) holds {counted}, and does not say what that means. Add: "
            f"--values {ETHNICITY} {pairs} (each with its own of {', '.join(ETHNICITIES)}), or "
            "--unknown if it stands for unknown."
        )
    people = People((ETHNICITY,))
    keep = set(wanted)
    for line, (case, number) in rows[header:]:
        match = _CASE.fullmatch(case.strip())
        participant = match["participant"] if match else case.strip()
        if participant in keep:
            value = meaning.get(plain_number(number), "")
            add_row(people, participant, line, {ETHNICITY: value}, path.name)
    return people


def merge_people(first: People, second: People, second_name: str) -> People:
    """Return both tables in one; where both know a value, they must agree.

    Args:
        first: One table.
        second: Another; it fills what the first does not know.
        second_name: File of the second, for messages.
    """
    attributes = (*first.attributes, *(a for a in second.attributes if a not in first.attributes))
    merged = People(attributes, lines={**second.lines, **first.lines})
    merged.problems = [*first.problems, *second.problems]
    merged.notes = [*first.notes, *second.notes]
    merged.remedy = first.remedy
    differing = []
    for participant in {**first.values, **second.values}:
        values = dict.fromkeys(attributes, "")
        values |= first.values.get(participant, {})
        for name, value in second.values.get(participant, {}).items():
            if value and values[name] and value != values[name]:
                differing.append(second.lines[participant])
            values[name] = values[name] or value
        merged.values[participant] = values
    if differing:
        merged.problems.append(
            f"{second_name}, line {shorten(sorted(differing), 8)}: the ethnicity differs from the "
            "table's (--table). Is the meaning of its numbers right (--values ethnicity)?"
        )
    return merged


def schema_of(people: People, bins: Mapping[str, tuple[float, ...]]) -> tuple[Schema, list[str]]:
    """Return what the attributes mean, and notes on those that are left out.

    Args:
        people: Checked values.
        bins: Where to cut numeric attributes; others get usual cuts, or quartiles.
    """
    attributes: dict[str, Attribute] = {}
    notes = []
    for name in people.attributes:
        known = [values[name] for values in people.values.values() if values[name]]
        if not known:
            notes.append(f"'{name}' is unknown for all participants")
        if name in LEVELS:
            attributes[name] = Attribute(
                name,
                "categorical",
                f"self-reported {name}" if name == ETHNICITY else f"recorded {name}",
                levels=LEVELS[name],
                reference=_REFERENCES[name],
            )
            continue
        meaning, unit, low, high = _NUMBERS[name]
        cuts = bins.get(name) or _CUTS.get(name)
        chosen = Bins.from_cuts(cuts) if cuts else None
        if chosen is None and known:
            chosen = quartile_bins(float(value) for value in known)
        attributes[name] = Attribute(
            name, "numeric", meaning, unit, bins=chosen, minimum=low, maximum=high
        )
    default = ETHNICITY if ETHNICITY in attributes else next(iter(attributes), None)
    return Schema(attributes, default), notes


def read_list(path: Path, flag: str) -> set[str]:
    """Return the participants of a list: a column ``eid``, or a file without header.

    Args:
        path: CSV, such as ``bad_eid_sa.csv`` or a list of withdrawn participants.
        flag: Option that named it, for messages.

    Raises:
        ConversionError: If it cannot be read or is empty.
    """
    shown = without_identifiers(str(path))
    rows = [row.cells for row in _rows(path, shown)]
    header = [cell.strip().casefold() for cell in rows[0]] if rows else []
    column = next((header.index(name) for name in ID_COLUMNS if name in header), None)
    body = rows if column is None else rows[1:]
    if column is None and len(header) > 1:
        raise ConversionError(
            f"{shown} ({flag}) has several columns and none is called eid. Keep one column."
        )
    found = {plain_number(row[column or 0]) for row in body if len(row) > (column or 0)} - {""}
    if not found:
        raise ConversionError(f"{shown} ({flag}) names no participant.")
    return found


def is_empty(text: str, settings: PeopleSettings) -> bool:
    """Return whether a cell means unknown."""
    return text.casefold() in EMPTY_CELLS or text in settings.reading.unknown


def _rows(path: Path, shown: str) -> list[Row]:
    try:
        return list(read_rows(path, delimiter=","))
    except OSError as error:
        problem = f"{shown}: {error.strerror}."
    except TableError as error:
        problem = without_identifiers(str(error))
    # raised outside of the handler: the cause may show lines of the file
    raise ConversionError(problem)


def add_row(people: People, participant: str, line: int, values: dict[str, str], name: str) -> None:
    """Note the values of a row; two rows of one participant must agree.

    Args:
        people: What is known so far.
        participant: Whose row it is.
        line: Line of the row.
        values: Its values.
        name: File, for messages.
    """
    known = people.values.get(participant)
    if known is None:
        people.values[participant] = values
        people.lines[participant] = line
    elif known != values:
        what = [a for a in values if known[a] != values[a]]
        people.problems.append(
            f"{name}, lines {people.lines[participant]} and {line} are the same participant but "
            f"differ in {', '.join(what)}; keep one"
        )
