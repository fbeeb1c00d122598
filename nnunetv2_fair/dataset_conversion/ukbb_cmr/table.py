"""Attributes of participants from tables in UK Biobank's many spellings.

Tables of UK Biobank hold half a million people and thousands of columns, so they are read row
by row, and only what is needed is kept. Messages name lines, never people.

Source: column spellings of the showcase's converters (``21000-0.0``, ``f.21000.0.0``), ukbtools
(``ethnic_background_f21000_0_0``) and the Research Analysis Platform (``p21000_i0``).
"""

import re
import shlex
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from nnunetv2_fair.dataset_conversion.ukbb_cmr.codes import (
    ETHNICITY,
    FIELDS,
    ID_COLUMNS,
    LASTING,
    PLAIN_COLUMNS,
    ethnicity_of,
    parse_column,
    plain_number,
    sex_of,
)
from nnunetv2_fair.dataset_conversion.ukbb_cmr.ids import without_identifiers
from nnunetv2_fair.dataset_conversion.ukbb_cmr.people import (
    LEVELS,
    People,
    PeopleSettings,
    add_row,
    is_empty,
)
from nnunetv2_fair.errors import ConversionError, TableError, shorten
from nnunetv2_fair.files.tabular import read_rows
from nnunetv2_fair.tables import numbers
from nnunetv2_fair.tables.remedy import escaped, pair_of
from nnunetv2_fair.tables.spellings import one_spelling
from nnunetv2_fair.tables.words import perhaps_unknown

PARTICIPANT = "participant"


def read_people(path: Path, wanted: Iterable[str], settings: PeopleSettings) -> People:
    """Read a table with one row per participant.

    Args:
        path: CSV, TSV or XLSX. A second header line (as ukbb_cardiac expects) is recognised.
        wanted: Participants to keep.
        settings: How to read it.

    Raises:
        ConversionError: If the file is unreadable or a column is absent. Bad values do not raise:
            they are in ``problems``.
    """
    reader = _Reader(path, set(wanted), settings)
    reader.read()
    return reader.people


class _Reader:
    """Reads one table and collects what is wrong with it."""

    def __init__(self, path: Path, wanted: set[str], settings: PeopleSettings) -> None:
        self.path = path
        self.shown = without_identifiers(str(path))
        self.wanted = wanted
        self.settings = settings
        self.people = People(())
        self.columns: dict[str, list[tuple[str, int | None, bool]]] = {}
        self.differing = 0

    def read(self) -> None:
        """Read the file row by row."""
        try:
            self._read(read_rows(self.path, self.settings.reading.sheet))
            return
        except OSError as error:
            problem = f"{self.shown} (--table): {error.strerror}."
        except TableError as error:
            problem = without_identifiers(str(error))
        # raised outside of the handler: the cause may show lines of the file
        raise ConversionError(problem)

    def _read(self, rows: Iterable[tuple[int, list[str]]]) -> None:
        """Find the header in the first two rows, then take what is wanted of all others."""
        header: list[str] | None = None
        above: list[str] | None = None
        wrong = []
        for line, row in rows:
            cells = [cell.strip() for cell in row]
            if header is None:
                if self._id_column(cells) is None and above is None:
                    above = cells
                    continue
                if self._id_column(cells) is None:
                    break
                header = [cell or f"column {i}" for i, cell in enumerate(cells, start=1)]
                identifier = header.index(self._choose_columns(header))
            elif len(cells) != len(header):
                wrong.append(line)
            else:
                self._take(dict(zip(header, cells, strict=True)), cells[identifier], line)
        if header is None:
            self._choose_columns(above or [])  # says what is missing
        if wrong:
            raise ConversionError(
                f"{self.shown}, line {shorten(wrong, 8)}: other numbers of cells than the header's "
                f"{len(header or [])}. Quote cells that contain the delimiter."
            )
        if self.differing:
            self.people.notes.append(
                f"{self.differing} participants gave different answers at different visits; the "
                "first known one is taken"
            )

    def _id_column(self, header: Sequence[str]) -> str | None:
        given = self.settings.reading.columns.get(PARTICIPANT)
        names = (given.casefold(),) if given else ID_COLUMNS
        return next((c for name in names for c in header if c.casefold() == name), None)

    def _choose_columns(self, header: Sequence[str]) -> str:
        """Find the columns of all attributes; return that of the participants."""
        listed = f"Columns found: {shorten(header, 20)}"
        identifier = self._id_column(header)
        if identifier is None:
            given = self.settings.reading.columns.get(PARTICIPANT)
            looked = f"'{given}'" if given else f"any of {', '.join(ID_COLUMNS)}"
            raise ConversionError(
                f"{self.shown} has no column of participants: looked for {looked}. {listed}. Name "
                f"it: --columns {PARTICIPANT}=<column>."
            )
        repeated = [name for name, count in Counter(header).items() if count > 1]
        if repeated:
            raise ConversionError(
                f"{self.shown} has columns of the same name: {shorten(map(repr, repeated))}. Keep "
                "one of each."
            )
        for attribute in FIELDS:
            found = self._columns_of(attribute, header, listed)
            if found:
                self.columns[attribute] = found
        if not self.columns:
            raise ConversionError(
                f"{self.shown} has no column with one of {', '.join(FIELDS)}, such as 21000-0.0, "
                f"f.21000.0.0 or p21000_i0 for {ETHNICITY}. {listed}. Name one: --columns "
                f"{ETHNICITY}=<column>."
            )
        self.people.attributes = tuple(self.columns)
        return identifier

    def _columns_of(
        self, attribute: str, header: Sequence[str], listed: str
    ) -> list[tuple[str, int | None, bool]]:
        """Return (column, instance, whether it holds UK Biobank's codes), in order of use."""
        given = self.settings.reading.columns.get(attribute)
        if given is not None:
            column = next((c for c in header if c.casefold() == given.casefold()), None)
            if column is None:
                raise ConversionError(
                    f"{self.shown} has no column '{given}' (--columns {attribute}). {listed}."
                )
            return [(column, None, parse_column(column) is not None)]
        parsed = {c: u for c in header if (u := parse_column(c)) and u.field == FIELDS[attribute]}
        visits = sorted(parsed, key=lambda c: parsed[c].instance or 0)
        if visits and attribute not in LASTING:
            fitting = [c for c in visits if parsed[c].instance in (self.settings.instance, None)]
            if not fitting:
                self.people.notes.append(
                    f"'{attribute}' is not in the table for visit {self.settings.instance}, only "
                    f"in {shorten(visits)}; it is left out. To take another visit: --instance N"
                )
            return [(c, parsed[c].instance, True) for c in fitting]
        if visits:
            return [(c, parsed[c].instance, True) for c in visits]
        plain = [c for c in header if c.casefold() in PLAIN_COLUMNS[attribute]]
        if len(plain) > 1:
            raise ConversionError(
                f"{self.shown} has several columns for {attribute}: {shorten(plain)}. Name one: "
                f"--columns {attribute}={plain[0]}."
            )
        return [(c, None, False) for c in plain]

    def _take(self, row: Mapping[str, str], identifier: str, line: int) -> None:
        participant = plain_number(identifier)
        if participant not in self.wanted:
            return
        values = {}
        for name, found in self.columns.items():
            cells = [(row[column], coded) for column, _, coded in found]
            values[name] = self._value(name, cells, line)
        add_row(self.people, participant, line, values, self.path.name)

    def _value(self, attribute: str, cells: Sequence[tuple[str, bool]], line: int) -> str:
        """Return the first known value of an attribute in one row."""
        found = []
        for text, coded in cells:
            value = self._cell(attribute, text, coded)
            if value is None:
                self._add_remedy(attribute, text)
                self.people.problems.append(
                    f"{self.path.name}, line {line}: '{without_identifiers(text)}' is not a known "
                    f"{attribute}. {_remedy(attribute, text)}"
                )
            elif value:
                found.append(value)
        if len(set(found)) > 1:
            self.differing += attribute in LASTING
        return found[0] if found else ""

    def _add_remedy(self, attribute: str, text: str) -> None:
        """Note the option that reads a cell, where it is clear."""
        right = one_spelling({text: 1}, LEVELS.get(attribute, ())).get(text)
        if right in LEVELS.get(attribute, ()):
            self.people.remedy.map_levels(attribute, {text: right})
        elif perhaps_unknown(text):
            self.people.remedy.add_unknown(text)
        elif attribute not in LEVELS and numbers.age_in_years(text) is not None:
            self.people.remedy.add_dicom_age(attribute)

    def _cell(self, attribute: str, text: str, coded: bool) -> str | None:
        if is_empty(text, self.settings):
            return ""
        mapping = self.settings.reading.values.get(attribute)
        if mapping is not None and (text in mapping or plain_number(text) in mapping):
            return mapping.get(text) or mapping[plain_number(text)]
        if attribute in LEVELS:
            if not coded and re.fullmatch(r"-?\d+(\.\d*)?", text):
                return None  # whose codes are they?
            return ethnicity_of(text) if attribute == ETHNICITY else sex_of(text)
        if attribute in self.settings.reading.dicom_age:
            text = numbers.age_in_years(text) or text
        number = numbers.plain_number(text)
        if number is None:
            return None
        # negative codes are UK Biobank's "do not know" and "prefer not to answer"
        return "" if coded and number < 0 else plain_number(text)


def _remedy(attribute: str, text: str) -> str:
    unknown = f"--unknown {shlex.quote(escaped(text))}"
    if attribute in LEVELS:
        levels = ", ".join(LEVELS[attribute])
        pair = shlex.quote(f"{pair_of(text, '<level>')}")
        return (
            f"Correct the cell, or say what it means: --values {attribute} {pair} (with one of "
            f"{levels}), or {unknown}"
        )
    if numbers.age_in_years(text) is not None:
        return f"To accept ages like this one: --dicom-age {attribute}"
    return f"Expected a number. If it means unknown: {unknown}"
