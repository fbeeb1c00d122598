"""Reading, checking and writing the demographics table."""

import json
import logging
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import pandas as pd

from nnunetv2_fair.errors import DemographicsError, TableError, counted, shorten, shorten_lines
from nnunetv2_fair.files import tabular
from nnunetv2_fair.files.atomic import filled_together
from nnunetv2_fair.files.fingerprints import text_hash
from nnunetv2_fair.paths import DEMOGRAPHICS_CSV, DEMOGRAPHICS_JSON
from nnunetv2_fair.subgroups.inferred_schema import inferred_schema
from nnunetv2_fair.subgroups.schema import (
    CASE,
    PATIENT,
    RESERVED_COLUMNS,
    SAMPLING_WEIGHT,
    SYNTHETIC,
    Bins,
    Schema,
    read_schema,
)
from nnunetv2_fair.subgroups.table_checks import (
    LINE,
    check_columns,
    check_rows,
    check_values,
    lines_of,
)
from nnunetv2_fair.tables.attribute_column import Described
from nnunetv2_fair.tables.case_names import named_like
from nnunetv2_fair.tables.columns import column_of_names
from nnunetv2_fair.tables.reading import read_people
from nnunetv2_fair.tables.settings import TableSettings

logger = logging.getLogger(__name__)

#: Reads a table without any explanation of its columns and cells.
_AS_IT_IS = TableSettings()


@dataclass(frozen=True)
class DemographicsTable:
    """One row per nnU-Net case, checked against its dictionary.

    Attributes:
        frame: Index ``case``; columns ``patient``, ``synthetic``, ``sampling_weight`` and the
            attributes, all text. Empty text means unknown. ``synthetic`` is ``"0"`` or ``"1"``,
            ``sampling_weight`` a whole number from 0 on.
        schema: What the attributes mean.
        source: File the table was read from, for messages.
        lines: Line of each row in that file; by default the first row is line 2.
        reading: How it was read.
        notes: What was decided in reading it, each with the file's name in front; they quote
            cells.
    """

    # not in repr(), so that no log ever shows individual patients, or what was recorded of them
    frame: pd.DataFrame = field(repr=False)
    schema: Schema = field(repr=False)
    source: Path
    lines: Sequence[int] = field(default=(), repr=False)
    reading: TableSettings = field(default=_AS_IT_IS, repr=False)
    notes: tuple[str, ...] = field(default=(), repr=False)

    def __post_init__(self) -> None:
        """Count the lines where they are not given."""
        if not self.lines:
            object.__setattr__(self, "lines", range(2, len(self.frame) + 2))

    @property
    def cases(self) -> list[str]:
        """All cases, in the order of the file."""
        return list(self.frame.index)

    @property
    def patients(self) -> dict[str, str]:
        """Patient of each case."""
        return dict(zip(self.frame.index, self.frame[PATIENT], strict=True))

    @property
    def synthetic_cases(self) -> set[str]:
        """Cases that were generated rather than acquired."""
        return set(self.frame.index[self.frame[SYNTHETIC] == "1"])

    @property
    def sampling_weights(self) -> dict[str, int]:
        """How often each case counts when training cases are drawn."""
        weights = [int(text) for text in self.frame[SAMPLING_WEIGHT]]
        return dict(zip(self.frame.index, weights, strict=True))

    def named_like(self, cases: Collection[str]) -> "DemographicsTable":
        """Return the table with the names that cases have as files, where only one can be meant.

        A table may call them as files with an ending, and spreadsheets lose leading zeros. What
        is renamed is logged.

        Args:
            cases: Names of the cases.
        """
        renamed, notes = named_like(self.cases, cases)
        if not renamed:
            return self
        told = _told(self.source, notes)
        frame = self.frame.rename(index=renamed)
        # a case that is its own patient is still called like it
        same = self.frame[PATIENT].to_numpy() == self.frame.index.to_numpy()
        frame.loc[same, PATIENT] = frame.index[same]
        return replace(self, frame=frame, notes=(*self.notes, *told))

    def with_bins(self, attribute: str, bins: Bins) -> "DemographicsTable":
        """Return the table with other bins for one numeric attribute.

        Raises:
            DemographicsError: If the attribute is not numeric or a value falls in no bin.
        """
        new = self.schema[attribute].with_bins(bins, self.source)
        schema = Schema({**self.schema.attributes, attribute: new}, self.schema.default)
        check_values(self.frame, schema, self.source, self.lines)
        return replace(self, schema=schema)


def read_delimited(path: Path, sheet: str | None = None) -> pd.DataFrame:
    """Read a CSV, TSV or XLSX file as text; nothing is guessed about the values.

    Args:
        path: File to read.
        sheet: Sheet of an XLSX file; the first one by default.

    Returns:
        Frame of stripped text, empty where a cell is empty. The index, called ``line``, holds the
        line of the file that each row begins in.

    Raises:
        DemographicsError: If the file is missing, not UTF-8, empty, or has duplicate columns
            or rows of unequal length.
    """
    try:
        table = tabular.read_table(path, sheet)
    except TableError as error:
        raise DemographicsError(str(error)) from error
    lines = pd.Index(table.lines, name=LINE)
    return pd.DataFrame(table.rows, columns=table.header, index=lines, dtype=object)


def read_table(
    path: Path,
    schema: Schema | None = None,
    settings: TableSettings = _AS_IT_IS,
    cases: Collection[str] = (),
) -> DemographicsTable:
    """Read and check a demographics table.

    Args:
        path: CSV, TSV or XLSX with the columns ``case``, ``patient`` (optional: every case is then
            its own patient), ``synthetic``, ``sampling_weight`` (both optional) and one per
            attribute.
        schema: What the attributes mean; by default ``<name of the table>.json`` next to it,
            and where there is none, what the values suggest.
        settings: What columns and cells mean that are not as the dictionary has them.
        cases: Names of the cases, which tell the column that holds them where no usual name does.

    Raises:
        DemographicsError: If the table is unreadable, a case is missing or repeated, a column
            is absent, or a value is not allowed. All bad values are listed at once, with the
            options that make them readable.
        UsageError: If the settings name an attribute that is not used.
    """
    try:
        table = tabular.read_table(path, settings.sheet)
    except TableError as error:
        raise DemographicsError(str(error)) from error
    settings = column_of_names(table, settings, cases) if cases else settings
    if schema is None and (described := path.with_suffix(".json")).is_file():
        schema = read_schema(described)
    return table_of(table, path, schema, settings)


def table_of(
    table: tabular.Table,
    source: Path,
    schema: Schema | None = None,
    settings: TableSettings = _AS_IT_IS,
) -> DemographicsTable:
    """Return a demographics table of cells that were read or made.

    Args:
        table: Its cells.
        source: File to name in messages.
        schema: What the attributes mean; None takes what the values suggest.
        settings: As in :func:`read_table`.

    Raises:
        DemographicsError: As :func:`read_table`.
        UsageError: As :func:`read_table`.
    """
    if schema is not None:
        schema = _with_cuts(schema, settings.bins, source)
    try:
        people = read_people(table, source, settings, _described(schema))
    except TableError as error:
        raise DemographicsError(str(error)) from error
    if people.problems:
        advice = f"\n{people.remedy.sentence}" if people.remedy.options else ""
        if schema is None and settings.attributes is None:
            advice += "\nWhere -a names the attributes to use, other columns may be as they are."
        raise DemographicsError(
            f"{source} cannot be used:\n{shorten_lines(people.problems)}{advice}"
        )
    told = _told(source, people.notes)
    cases = people.roles[CASE]
    roles = {
        PATIENT: people.roles.get(PATIENT, cases),
        SYNTHETIC: [text or "0" for text in people.roles.get(SYNTHETIC, [""] * len(cases))],
        SAMPLING_WEIGHT: [
            text or "1" for text in people.roles.get(SAMPLING_WEIGHT, [""] * len(cases))
        ],
    }
    # pandas 3 makes columns of text a dtype of their own; one dtype for all
    frame = pd.DataFrame(
        {**roles, **people.cells}, index=pd.Index(cases, name=CASE, dtype=object), dtype=object
    )
    if schema is None:
        schema = inferred_schema(people, settings)
    return DemographicsTable(frame, schema, source, people.lines, settings, told)


def _told(source: Path, notes: Sequence[str]) -> tuple[str, ...]:
    """Log what was decided in reading a table, and return it with the file's name in front."""
    told = tuple(f"{source.name}: {note}" for note in notes)
    for note in told:
        logger.info("Note: %s", note)
    return told


def _with_cuts(schema: Schema, cuts: Mapping[str, Sequence[float]], source: Path) -> Schema:
    """Return a dictionary with other bins for numeric attributes."""
    attributes = dict(schema.attributes)
    for name, numbers in cuts.items():
        attributes[name] = schema[name].with_bins(Bins.from_cuts(tuple(numbers)), source)
    return Schema(attributes, schema.default)


def _described(schema: Schema | None) -> dict[str, Described] | None:
    if schema is None:
        return None
    return {
        name: Described(attribute.type == "numeric", attribute.levels, attribute.problem_with)
        for name, attribute in schema.attributes.items()
    }


def prepare_command(name: str) -> str:
    """Return the command that prepares a dataset.

    Args:
        name: Such as ``Dataset042_Lungs``.
    """
    return f"nnUNetv2_fair_prepare -d {name[7:10].lstrip('0') or name}"


def read_dataset_table(folder: Path) -> DemographicsTable:
    """Read ``demographics.csv`` and ``demographics.json`` of a dataset folder.

    Raises:
        DemographicsError: If one of them is missing or cannot be used.
    """
    for name in (DEMOGRAPHICS_CSV, DEMOGRAPHICS_JSON):
        if not (folder / name).is_file():
            raise DemographicsError(f"{folder} has no {name}. Run: {prepare_command(folder.name)}")
    return read_table(folder / DEMOGRAPHICS_CSV, read_schema(folder / DEMOGRAPHICS_JSON))


def missing_file(raw: Path, options: str = "") -> str | None:
    """Return what to do if a raw dataset lacks its table or its dictionary; None if it does not.

    Args:
        raw: Folder in ``nnUNet_raw``.
        options: How the table is to be read, as options.
    """
    command = f"{prepare_command(raw.name)} --describe{options and f' {options}'}"
    if not (raw / DEMOGRAPHICS_CSV).is_file():
        return (
            f"{raw} has no {DEMOGRAPHICS_CSV}. Put a table there that says who the cases are from "
            "(CSV, TSV or XLSX: a row per case, a column with the names of the cases, one with the "
            f"patients, one per attribute), then run: {command}"
        )
    if not (raw / DEMOGRAPHICS_JSON).is_file():
        return (
            f"{raw / DEMOGRAPHICS_CSV} has no {DEMOGRAPHICS_JSON} beside it, which says what its "
            f"columns mean. To write it: {command}"
        )
    return None


def check_table(frame: pd.DataFrame, schema: Schema, source: Path) -> None:
    """Raise unless the rows could be written as a demographics table (see :func:`write_table`).

    Args:
        frame: Columns ``case``, ``patient``, optionally ``synthetic`` and ``sampling_weight``,
            then the attributes; text.
        schema: What the attributes mean.
        source: File to name in messages.

    Raises:
        DemographicsError: As :func:`read_table`.
    """
    defaults = {SYNTHETIC: "0", SAMPLING_WEIGHT: "1"}
    checked = frame.assign(**{n: text for n, text in defaults.items() if n not in frame.columns})
    check_rows(checked, source)
    indexed = checked.set_index(CASE)
    check_columns(indexed, schema, source)
    check_values(indexed, schema, source, lines_of(checked))


def write_table(frame: pd.DataFrame, schema: Schema, folder: Path) -> Path:
    """Check a table and write it with its dictionary into a dataset folder.

    Args:
        frame: Columns ``case``, ``patient``, optionally ``synthetic`` and ``sampling_weight``,
            then the attributes; text.
        schema: What the attributes mean.
        folder: Existing dataset folder. Both files appear whole or not at all.

    Returns:
        Path of the table.

    Raises:
        DemographicsError: As :func:`read_table`.
    """
    path = folder / DEMOGRAPHICS_CSV
    check_table(frame, schema, path)
    texts = table_texts(frame, schema)
    with filled_together(folder, tuple(texts)) as unfinished:
        for name, text in texts.items():
            (unfinished / name).write_text(
                text, encoding="utf-8", errors="backslashreplace", newline=""
            )
    return path


def table_texts(frame: pd.DataFrame, schema: Schema) -> dict[str, str]:
    """Return the text of a table's dictionary and of the table, by the name of the file.

    Args:
        frame: As in :func:`write_table`.
        schema: What the attributes mean.
    """
    reserved = [name for name in RESERVED_COLUMNS if name in frame.columns]
    columns = [*reserved, *schema.attributes]
    described = json.dumps(schema.to_dict(), indent=2, ensure_ascii=False) + "\n"
    listed = frame[columns].to_csv(index=False, lineterminator="\n")
    return {DEMOGRAPHICS_JSON: described, DEMOGRAPHICS_CSV: listed}


def table_hash(table: DemographicsTable) -> str:
    """Return a SHA-256, as 64 hex digits, of what a table and its dictionary say about groups.

    The order of rows, line ends, quotes, words for people, and how a number is written (45 or
    45.0) make no difference: programs change them when they save a table.
    """
    frame = table.frame.sort_index().reset_index()
    for attribute in table.schema.attributes.values():
        if attribute.type == "numeric":
            cells = frame[attribute.name]
            frame[attribute.name] = [f"{float(cell):.15g}" if cell else "" for cell in cells]
    texts = table_texts(frame, table.schema)
    described = json.loads(texts[DEMOGRAPHICS_JSON])
    for entry in described["attributes"].values():
        del entry["meaning"]
        entry.pop("unit", None)
    return text_hash(json.dumps(described, sort_keys=True) + texts[DEMOGRAPHICS_CSV])


def check_against_cases(
    table: DemographicsTable, cases: Iterable[str], what: str, *, allow_extra: bool = False
) -> None:
    """Compare the table's cases with those of a dataset.

    Args:
        table: The table.
        cases: Cases that exist as files.
        what: Where those files are, for the message.
        allow_extra: Accept rows without files.

    Raises:
        DemographicsError: If a case has no row, or a row no case.
    """
    wanted, present = set(cases), set(table.cases)
    problems = []
    missing = sorted(wanted - present)
    if missing:
        problems.append(
            f"no row for {counted(len(missing), 'case')} of {what}: {shorten(missing)}. Add a "
            "row for each; leave cells empty where a value is unknown"
        )
    extra = sorted(present - wanted)
    if extra and not allow_extra:
        problems.append(
            f"{counted(len(extra), 'row names a case', 'rows name cases')} that {what} does not "
            f"have: {shorten(extra)}. Remove the rows or correct the case names"
        )
    if problems:
        raise DemographicsError(
            f"{table.source} does not match the cases:\n{shorten_lines(problems)}"
        )


def unknown_counts(
    table: DemographicsTable, cases: Iterable[str] | None = None
) -> Mapping[str, int]:
    """Return, per attribute, how many of the cases have no value."""
    frame = table.frame if cases is None else table.frame.loc[list(cases)]
    return {name: int((frame[name] == "").sum()) for name in table.schema.attributes}
