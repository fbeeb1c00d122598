"""What MAMA-MIA says about its patients: the Excel table, the json files, the official lists.

Source: ``notebooks/display_clinical_data.ipynb`` of LidiaGarrucho/MAMA-MIA (table); the challenge's
sample submission (json keys).
"""

import re
import shlex
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from nnunetv2_fair.cropping.box import Box
from nnunetv2_fair.cropping.boxes import box_of_coordinates
from nnunetv2_fair.dataset_conversion.mama_mia.codes import (
    AGE_BINS,
    COLUMNS,
    UNKNOWN_WORDS,
    UnknownCodeError,
)
from nnunetv2_fair.dataset_conversion.writing.log import UNKNOWN
from nnunetv2_fair.errors import ConversionError, DemographicsError, counted, shorten
from nnunetv2_fair.files.json_files import read_json_object
from nnunetv2_fair.files.privacy import note_source
from nnunetv2_fair.subgroups.schema import Attribute, Bins, Schema
from nnunetv2_fair.subgroups.table import read_delimited
from nnunetv2_fair.tables.numbers import age_in_years
from nnunetv2_fair.tables.remedy import Remedy, escaped, pair_of
from nnunetv2_fair.tables.settings import TableSettings
from nnunetv2_fair.tables.words import perhaps_unknown

_SHEET = "dataset_info"
_PATIENT = "patient_id"
_PHASES = "num_phases"
_AS_IT_IS = TableSettings()


@dataclass
class Clinical:
    """What is known of every patient (name in upper case).

    Attributes:
        values: Value of each attribute, empty where unknown.
        n_phases: Number of phases of the examination, where the table says.
        boxes: Box around the breast, on the grid of the original files.
        problems: What is wrong, in words.
        notes: What was decided automatically.
        unknown_words: Cell contents that mean unknown, in lower case.
        reading: What the user says about the table.
        remedy: Options that would make cells readable.
    """

    values: dict[str, dict[str, str]] = field(default_factory=dict)
    n_phases: dict[str, int] = field(default_factory=dict)
    boxes: dict[str, Box] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    unknown_words: Collection[str] = frozenset(UNKNOWN_WORDS)
    reading: TableSettings = field(default_factory=TableSettings)
    remedy: Remedy = field(default_factory=Remedy)

    @property
    def age_bins(self) -> Bins:
        """Groups of ages: the challenge's, unless the user cuts otherwise."""
        cuts = self.reading.bins.get("age")
        return Bins.from_cuts(cuts) if cuts else AGE_BINS

    def groups_of(self, patient: str) -> dict[str, str]:
        """Return the patient's group of each attribute, for counts."""
        values = self.values.get(patient, {})
        groups = {}
        for name in COLUMNS:
            value = values.get(name, "")
            group = self.age_bins.label(float(value)) if value and name == "age" else value
            groups[name] = group or UNKNOWN
        return groups

    def schema(self, patients: Iterable[str]) -> Schema:
        """Describe the attributes that are known of at least one of the patients."""
        known = {
            name: {self.values[patient][name] for patient in patients} - {""} for name in COLUMNS
        }
        attributes = {}
        for name, column in COLUMNS.items():
            if name == "age" and known[name]:
                attributes[name] = Attribute(
                    name,
                    "numeric",
                    column.meaning,
                    "years",
                    bins=self.age_bins,
                    minimum=0,
                    maximum=120,
                )
            elif known[name]:
                levels = column.levels or tuple(sorted(known[name]))
                attributes[name] = Attribute(name, "categorical", column.meaning, levels=levels)
        return Schema(attributes, next(iter(attributes), None))


def read_clinical(
    table: Path | None, infos: Mapping[str, Path], reading: TableSettings = _AS_IT_IS
) -> Clinical:
    """Read the table and the json files; where both give a value, the table's is used.

    Args:
        table: XLSX or CSV; None if there is none.
        infos: Json file of each patient.
        reading: What the user says about the table, besides what is known of MAMA-MIA's.

    Raises:
        ConversionError: If the table is unreadable or has no column of patients. Bad cells do not
            raise: they are in ``problems``.
    """
    told = {_plain(text).lower() for text in reading.unknown}
    clinical = Clinical(unknown_words=UNKNOWN_WORDS | told, reading=reading)
    if table is not None:
        _read_table(table, clinical)
    differing: Counter[str] = Counter()
    for patient, path in infos.items():
        note_source(path)
        try:
            content = read_json_object(path, ConversionError, "Download it again")
        except ConversionError as error:
            clinical.problems.append(str(error))
            continue
        sections = [content, *(v for v in content.values() if isinstance(v, Mapping))]
        where = f"{path.parent.name}/{path.name}"
        cells = {str(k).strip().lower(): v for section in sections for k, v in section.items()}
        found = _read_cells(cells, where, clinical)
        known = clinical.values.setdefault(patient, dict.fromkeys(COLUMNS, ""))
        for name, value in found.items():
            if known[name] and value and known[name] != value:
                differing[name] += 1
            known[name] = known[name] or value
        _read_box(cells.get("breast_coordinates"), patient, where, clinical)
    if differing and table is not None:
        each = sorted(differing.items())
        listed = ", ".join(f"{name} of {counted(n, 'patient')}" for name, n in each)
        clinical.notes.append(
            f"{table.name} and the json files disagree: {listed}; the table's values are kept"
        )
    for patient, values in clinical.values.items():
        values["dataset"] = values["dataset"] or patient.partition("_")[0]
    for name in COLUMNS:
        if clinical.values and not any(values[name] for values in clinical.values.values()):
            clinical.notes.append(f"'{name}' is not used: this release has no values for it")
    return clinical


def _read_table(path: Path, clinical: Clinical) -> None:
    try:
        try:
            usual = _SHEET if path.suffix.lower() == ".xlsx" else None
            frame = read_delimited(path, clinical.reading.sheet or usual)
        except DemographicsError as error:
            if "has no sheet" not in str(error) or clinical.reading.sheet:
                raise
            frame = read_delimited(path)
    except DemographicsError as error:
        raise ConversionError(str(error)) from error
    columns = [_key(str(column)) for column in frame.columns]
    named = {_key(column): role for role, column in clinical.reading.columns.items()}
    strange = set(named) - set(columns)
    if strange:
        raise ConversionError(
            f"{path} has no column {shorten(map(repr, sorted(strange)))} (--columns). Columns "
            f"found: {shorten(frame.columns, 30)}."
        )
    # a column that the user names counts as if it were called so
    columns = [
        _PATIENT if named.get(column) == "patient" else named.get(column, column)
        for column in columns
    ]
    if _PATIENT not in columns:
        raise ConversionError(
            f"{path} has no column '{_PATIENT}'. Columns found: {shorten(frame.columns, 30)}. "
            "Is this the table of the download? If it has another name: --columns "
            "patient=<column>."
        )
    first: dict[str, tuple[int, dict[str, str]]] = {}
    repeated = 0
    for line, *row in frame.itertuples(name=None):
        cells = dict(zip(columns, row, strict=True))
        patient = cells[_PATIENT].upper()
        if not patient:
            clinical.problems.append(f"{path.name}, line {line}: {_PATIENT} is empty; fill it")
            continue
        where = f"{path.name}, line {line}, patient '{patient}'"
        if patient in first:
            other_line, other = first[patient]
            names = [name for name in columns if cells[name] != other[name] and name != _PATIENT]
            if names:
                clinical.problems.append(
                    f"{where}: line {other_line} says otherwise about the same patient "
                    f"({shorten(names)}); keep one of the two rows"
                )
            repeated += not names
            continue
        first[patient] = line, cells
        clinical.values[patient] = dict.fromkeys(COLUMNS, "")
        clinical.values[patient].update(_read_cells(cells, where, clinical))
        phases = cells.get(_PHASES, "")
        if re.fullmatch(r"\d+(\.0*)?", phases):  # empty cells make decimals of the others
            clinical.n_phases[patient] = int(float(phases))
    if repeated:
        clinical.notes.append(f"{path.name}: {counted(repeated, 'row')} listed twice, used once")


def _read_cells(cells: Mapping[str, Any], where: str, clinical: Clinical) -> dict[str, str]:
    """Return the known attributes; report cells that cannot be read."""
    found = {}
    for name, column in COLUMNS.items():
        meanings = clinical.reading.values.get(name, {})
        texts = [_plain(cells.get(key, "")) for key in dict.fromkeys((name, *column.names))]
        texts = [meanings.get(text, text) for text in texts]
        text = next((text for text in texts if text.lower() not in clinical.unknown_words), "")
        if not text:
            continue
        if name in clinical.reading.dicom_age:
            text = age_in_years(text) or text
        try:
            found[name] = column.read(text)
        except UnknownCodeError as error:
            if name == "age" and age_in_years(text) is not None:
                clinical.remedy.add_dicom_age(name)
            elif perhaps_unknown(text):
                clinical.remedy.add_unknown(text)
            clinical.problems.append(
                f"{where}: {name} is '{text}', expected {error}; correct it, or empty it if it is "
                f"unknown. If this text always means unknown: --unknown "
                f"{shlex.quote(escaped(text))}{_other_way(name, text)}"
            )
    return found


def _other_way(name: str, text: str) -> str:
    """Return the option that reads a cell as a value, if it is known which one."""
    if name == "age" and age_in_years(text) is not None:
        return ". To accept ages like this one: --dicom-age age"
    return f". If it means something else: --values {name} {shlex.quote(pair_of(text, '<value>'))}"


def _key(column: str) -> str:
    return re.sub(r"\s+", "_", column.strip()).lower()


def _plain(cell: Any) -> str:
    return re.sub(r"\s+", " ", str(cell)).strip()


def _read_box(coordinates: Any, patient: str, where: str, clinical: Clinical) -> None:
    if isinstance(coordinates, Mapping):  # keys without values count as absent
        coordinates = coordinates if any(v is not None for v in coordinates.values()) else None
    if coordinates is None:
        return
    try:
        if not isinstance(coordinates, Mapping):
            raise ConversionError("breast_coordinates is not an object with x_min to z_max.")
        clinical.boxes[patient] = box_of_coordinates(coordinates)
    except ConversionError as error:
        clinical.problems.append(
            f"{where}: {error} Download the file again, or remove breast_coordinates to do without"
        )


def read_official_parts(path: Path) -> dict[str, Literal["train", "test"]]:
    """Return the part of every patient of the official lists.

    The two columns are of unequal length: empty cells are padding, not patients.

    Raises:
        ConversionError: If a column is absent or a patient is in both.
    """
    try:
        frame = read_delimited(path)
    except DemographicsError as error:
        raise ConversionError(str(error)) from error
    columns = {str(column).lower(): column for column in frame.columns}
    parts: dict[str, Literal["train", "test"]] = {}
    both = []
    names: Sequence[tuple[str, Literal["train", "test"]]] = (
        ("train_split", "train"),
        ("test_split", "test"),
    )
    for name, part in names:
        if name not in columns:
            raise ConversionError(
                f"{path} has no column '{name}'. Columns found: {shorten(frame.columns, 12)}. To "
                "draw your own test part: --test-ratio 0.2"
            )
        for cell in frame[columns[name]]:
            if cell.lower() not in UNKNOWN_WORDS:
                both += [cell.upper()] if parts.get(cell.upper(), part) != part else []
                parts[cell.upper()] = part
    if both:
        raise ConversionError(
            f"{path}: {counted(len(both), 'patient is', 'patients are')} in both lists: "
            f"{shorten(both)}. Remove them from one of the two columns."
        )
    return parts
