"""Reading, checking and writing the demographics table."""

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from nnunetv2_fair.errors import DemographicsError, TableError, shorten, shorten_lines
from nnunetv2_fair.files import tabular
from nnunetv2_fair.files.atomic import filled_together
from nnunetv2_fair.files.fingerprints import files_hash
from nnunetv2_fair.paths import DEMOGRAPHICS_CSV, DEMOGRAPHICS_JSON
from nnunetv2_fair.subgroups.inferred_schema import infer_schema
from nnunetv2_fair.subgroups.schema import (
    CASE,
    INTERSECTION,
    PATIENT,
    RESERVED_COLUMNS,
    SAMPLING_WEIGHT,
    SYNTHETIC,
    Attribute,
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


@dataclass(frozen=True)
class DemographicsTable:
    """One row per nnU-Net case, checked against its dictionary.

    Attributes:
        frame: Index ``case``; columns ``patient``, ``synthetic``, ``sampling_weight`` and the
            attributes, all text. Empty text means unknown. ``synthetic`` is ``"0"`` or ``"1"``,
            ``sampling_weight`` a whole number from 1 on.
        schema: What the attributes mean.
        source: File the table was read from, for messages.
        lines: Line of each row in that file; by default the first row is line 2.
    """

    # not in repr(), so that no log ever shows individual patients
    frame: pd.DataFrame = field(repr=False)
    schema: Schema
    source: Path
    lines: Sequence[int] = field(default=(), repr=False)

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

    def with_bins(self, attribute: str, bins: Bins) -> "DemographicsTable":
        """Return the table with other bins for one numeric attribute.

        Raises:
            DemographicsError: If the attribute is not numeric or a value falls in no bin.
        """
        old = self.schema[attribute]
        if old.type != "numeric":
            raise DemographicsError(
                f"{self.source}: '{attribute}' is categorical (levels "
                f"{shorten(old.levels, 12)}); only numeric attributes have bins."
            )
        new = Attribute(
            old.name, "numeric", old.meaning, old.unit, (), bins, old.minimum, old.maximum
        )
        schema = Schema({**self.schema.attributes, attribute: new}, self.schema.default)
        check_values(self.frame, schema, self.source, self.lines)
        return DemographicsTable(self.frame, schema, self.source, self.lines)


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


def read_table(path: Path, schema: Schema | None = None) -> DemographicsTable:
    """Read and check a demographics table.

    Args:
        path: CSV with the columns ``case``, ``patient`` (optional: every case is then its own
            patient), ``synthetic``, ``sampling_weight`` (both optional) and one per attribute.
        schema: What the attributes mean; by default ``<name of the table>.json`` next to it,
            and where there is none, what the values suggest (:func:`infer_schema`).

    Raises:
        DemographicsError: If the table is unreadable, a case is missing or repeated, a column
            is absent, or a value is not allowed. All bad values are listed at once.
    """
    frame = read_delimited(path)
    if CASE not in frame.columns:
        raise DemographicsError(
            f"{path} has no column '{CASE}' with the nnU-Net case identifiers. "
            f"Columns found: {shorten(frame.columns, 20)}."
        )
    if schema is None and (described := path.with_suffix(".json")).is_file():
        schema = read_schema(described)
    return table_of(frame, schema, path)


def table_of(frame: pd.DataFrame, schema: Schema | None, source: Path) -> DemographicsTable:
    """Return a demographics table of rows that were read or made.

    Args:
        frame: Text: ``case``, perhaps the other reserved columns, and one column per attribute.
        schema: What the attributes mean; None takes what the values suggest.
        source: File to name in messages.

    Raises:
        DemographicsError: As :func:`read_table`.
    """
    frame = frame.copy()
    if PATIENT not in frame.columns:
        frame[PATIENT] = frame[CASE]
    if SYNTHETIC not in frame.columns:
        frame[SYNTHETIC] = "0"
    if SAMPLING_WEIGHT not in frame.columns:
        frame[SAMPLING_WEIGHT] = "1"
    lines = lines_of(frame)
    check_rows(frame, source)
    frame = frame.set_index(CASE)
    if schema is None:
        schema = infer_schema(frame)
    check_columns(frame, schema, source)
    # pandas 3 makes new columns of text a dtype of their own; one dtype for all
    frame = frame[[PATIENT, SYNTHETIC, SAMPLING_WEIGHT, *schema.attributes]].astype(object)
    check_values(frame, schema, source, lines)
    return DemographicsTable(frame, schema, source, lines)


def read_table_with_cuts(path: Path, cuts: Mapping[str, Sequence[float]]) -> DemographicsTable:
    """Read a demographics table and cut numeric attributes into other groups.

    Args:
        path: The table; its dictionary is looked for next to it.
        cuts: Attribute -> numbers to cut at: (50, 65) gives <50, 50-<65, >=65.

    Raises:
        DemographicsError: If the table is wrong, or an attribute is unknown or not numeric.
    """
    return cut(read_table(path), cuts, described=path.with_suffix(".json").is_file())


def cut(
    table: DemographicsTable, cuts: Mapping[str, Sequence[float]], *, described: bool
) -> DemographicsTable:
    """Cut numeric attributes of a table into other groups.

    Args:
        table: The table.
        cuts: As in :func:`read_table_with_cuts`.
        described: Whether the table has a dictionary, or its columns were guessed.

    Raises:
        DemographicsError: As :func:`read_table_with_cuts`.
    """
    for name, numbers in cuts.items():
        bins = Bins.from_cuts(tuple(numbers))
        attribute = table.schema[name]
        if not described and any(map(_is_number, attribute.levels)):
            # a column without description counts as levels if it has few numbers, or a cell that
            # is not a number; cutting declares it numeric, and checking again names the wrong cells
            numeric = Attribute(name, "numeric", bins=bins)
            schema = Schema({**table.schema.attributes, name: numeric}, table.schema.default)
            check_values(table.frame, schema, table.source, table.lines)
            table = DemographicsTable(table.frame, schema, table.source, table.lines)
        else:
            table = table.with_bins(name, bins)
    return table


def read_dataset_table(folder: Path) -> DemographicsTable:
    """Read ``demographics.csv`` and ``demographics.json`` of a dataset folder."""
    path = folder / DEMOGRAPHICS_CSV
    if not path.is_file():
        raise DemographicsError(
            f"{folder} has no {DEMOGRAPHICS_CSV}. Run: nnUNetv2_fair_prepare -d "
            f"{folder.name[7:10].lstrip('0') or folder.name}"
        )
    return read_table(path, read_schema(folder / DEMOGRAPHICS_JSON))


def _is_number(text: str) -> bool:
    try:
        return math.isfinite(float(text))
    except ValueError:
        return False


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
    reserved = [name for name in RESERVED_COLUMNS if name in frame.columns]
    columns = [*reserved, *schema.attributes]
    described = json.dumps(schema.to_dict(), indent=2, ensure_ascii=False) + "\n"
    listed = frame[columns].to_csv(index=False, lineterminator="\n")
    with filled_together(folder, (DEMOGRAPHICS_JSON, DEMOGRAPHICS_CSV)) as unfinished:
        (unfinished / DEMOGRAPHICS_JSON).write_text(described, encoding="utf-8", newline="")
        (unfinished / DEMOGRAPHICS_CSV).write_text(listed, encoding="utf-8", newline="")
    return path


def table_hash(folder: Path) -> str:
    """Return the SHA-256 of table and dictionary of a dataset folder, as 64 hex digits."""
    return files_hash(folder / name for name in (DEMOGRAPHICS_CSV, DEMOGRAPHICS_JSON))


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
            f"{len(missing)} cases of {what} have no row: {shorten(missing)}. Add a row for each; "
            "leave cells empty where a value is unknown"
        )
    extra = sorted(present - wanted)
    if extra and not allow_extra:
        problems.append(
            f"{len(extra)} rows name cases that {what} does not have: {shorten(extra)}. Remove "
            "the rows or correct the case names"
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


__all__ = [
    "INTERSECTION",
    "DemographicsTable",
    "check_against_cases",
    "check_table",
    "cut",
    "read_dataset_table",
    "read_delimited",
    "read_table",
    "read_table_with_cuts",
    "table_hash",
    "table_of",
    "unknown_counts",
    "write_table",
]
