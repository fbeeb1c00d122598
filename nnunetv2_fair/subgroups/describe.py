"""From a table in an nnU-Net dataset's folder to a draft of its dictionary.

The table may be called anything and look like people keep it; what it says about the dataset's
cases is written as ``demographics.csv``, what its columns mean as ``demographics.json``. A table
that is called ``demographics.csv`` and needs no change stays as it is; one that needs some is kept
as ``demographics_original.csv``.
"""

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pandas as pd

from nnunetv2_fair import paths
from nnunetv2_fair.errors import DemographicsError, TableError, UsageError, shorten
from nnunetv2_fair.files import tabular
from nnunetv2_fair.files.atomic import filled_together
from nnunetv2_fair.subgroups.prepare import cases_of
from nnunetv2_fair.subgroups.schema import CASE, PATIENT, SAMPLING_WEIGHT, SYNTHETIC
from nnunetv2_fair.subgroups.table import (
    DemographicsTable,
    check_against_cases,
    table_of,
    table_texts,
)
from nnunetv2_fair.tables.columns import column_of_names
from nnunetv2_fair.tables.reading import read_people, without_repeated_rows
from nnunetv2_fair.tables.settings import TableSettings

#: Name that a ``demographics.csv`` gets which has to be written again.
ORIGINAL = "demographics_original"
_ENDINGS = (".csv", ".tsv", ".xlsx")
_NAMES = tuple(f"{name}{ending}" for name in (ORIGINAL, "demographics") for ending in _ENDINGS)


@dataclass(frozen=True)
class DescribedDataset:
    """What :func:`describe_dataset` found and wrote.

    Attributes:
        folder: Of the dataset, such as ``nnUNet_raw/Dataset042_Lungs``.
        source: The table that was read.
        settings: How it was read, the column of cases included where its content told which.
        table: Its rows of the dataset's cases.
        n_rows: Rows of the table.
        left_out: Cases of its rows that the dataset does not have.
        respelt: Level that each cell content was read as, by attribute, where spellings were put
            together that the user did not name.
        with_units: Attributes that are ages with a unit, where the user did not say.
        has_patients: Whether the table says who the cases are from; otherwise every case counts
            as its own patient.
        varying: Patients of whom cases have different levels, by categorical attribute.
        written: Names of the files that were written.
    """

    folder: Path
    source: Path
    settings: TableSettings
    table: DemographicsTable
    n_rows: int
    left_out: Sequence[str]
    respelt: Mapping[str, Mapping[str, str]]
    with_units: Sequence[str]
    has_patients: bool
    varying: dict[str, list[str]]
    written: Sequence[str]


def describe_dataset(
    dataset: str | int,
    given: Path | None = None,
    settings: TableSettings | None = None,
    *,
    overwrite: bool = False,
) -> DescribedDataset:
    """Read a table and write the dictionary that describes it, and the table if it needs changes.

    Nothing is written unless every case of the dataset has a row that can be read.

    Args:
        dataset: Id or name of a dataset in ``nnUNet_raw``.
        given: The table: absolute, relative to the dataset's folder or to the working folder;
            None: the one in the dataset's folder.
        settings: What columns and cells mean.
        overwrite: Whether files that exist may be replaced.

    Raises:
        DatasetError: If the dataset or its images are missing.
        DemographicsError: If there is no table, or what it says cannot be read or is not about
            the dataset's cases.
        UsageError: If there are several tables, or files would have to be replaced.
    """
    raw = paths.raw_dataset(dataset)
    cases = [case for part in cases_of(raw) for case in part]
    source = find_table(raw, given)
    _refuse_to_replace(raw, source, overwrite=overwrite)
    try:
        cells = tabular.read_table(source, (settings or TableSettings()).sheet)
    except TableError as error:
        raise DemographicsError(str(error)) from error
    told = column_of_names(cells, settings or TableSettings(), cases)
    settings, columns = _with_spellings(cells, source, told)
    read = table_of(cells, source, None, settings)
    named = read.named_like(set(cases))
    known = set(cases)
    left_out = [case for case in named.cases if case not in known]
    check_against_cases(named, cases, str(raw), allow_extra=True)
    table = replace(named, frame=named.frame.loc[[c for c in named.cases if c in known]], lines=())
    written = _write(raw, source, cells, table, overwrite=overwrite)
    return DescribedDataset(
        folder=raw,
        source=source,
        settings=settings,
        table=table,
        n_rows=len(cells.rows),
        left_out=left_out,
        respelt={
            name: _levels_of(without_repeated_rows(cells), columns[name], list(read.frame[name]))
            for name in settings.values
            if settings.values[name] != told.values.get(name)
        },
        with_units=[name for name in settings.dicom_age if name not in told.dicom_age],
        has_patients=bool((table.frame[PATIENT] != table.frame.index).any()),
        varying=_varying(table),
        written=written,
    )


def find_table(raw: Path, given: Path | None) -> Path:
    """Return the table of a dataset.

    Args:
        raw: The dataset's folder.
        given: As in :func:`describe_dataset`.

    Raises:
        DemographicsError: If there is none.
        UsageError: If there are several.
    """
    present = sorted(
        path.name
        for path in raw.iterdir()
        if path.suffix.lower() in _ENDINGS and path.is_file() and not path.name.startswith(".")
    )
    if given is not None:
        found = next((path for path in (raw / given, given) if path.is_file()), None)
        if found is None:
            raise DemographicsError(
                f"There is no table {given} in {raw} (--demographics). Tables found there: "
                f"{shorten(present, 8) or 'none'}."
            )
        return found
    for name in _NAMES:
        if name in present:
            return raw / name
    if not present:
        raise DemographicsError(
            f"{raw} holds no table. Put one there that says who the cases are from: CSV, TSV or "
            "XLSX, a row per case, a column with the names of the cases, one with the patients, "
            "and one per attribute such as sex; then run the command again."
        )
    if len(present) > 1:
        raise UsageError(
            f"{raw} holds {len(present)} tables: {shorten(present, 8)}. Name the right one: "
            f"--demographics {present[0]}"
        )
    return raw / present[0]


def _with_spellings(
    cells: tabular.Table, source: Path, settings: TableSettings
) -> tuple[TableSettings, dict[str, str]]:
    """Return settings that put spellings together and read ages with a unit, and the columns.

    A draft that is going to be checked may do so. Words that may mean unknown, and columns of
    other names, are left to the user, and so is everything beside them: one message says it all.
    """
    try:
        people = read_people(cells, source, settings)
    except TableError as error:
        raise DemographicsError(str(error)) from error
    columns = {attribute.name: attribute.column for attribute in people.attributes}
    remedy = people.remedy
    if not (remedy.values or remedy.dicom_age) or remedy.unknown or remedy.columns:
        return settings, columns
    values = {**settings.values}
    for name, mapping in remedy.values.items():
        values[name] = {**values.get(name, {}), **mapping}
    more = replace(settings, values=values, dicom_age=(*settings.dicom_age, *remedy.dicom_age))
    return (settings if read_people(cells, source, more).problems else more), columns


def _levels_of(cells: tabular.Table, column: str, values: Sequence[str]) -> dict[str, str]:
    """Return what each content of a column was read as; contents that mean unknown are left out."""
    place = cells.header.index(column)
    read = {row[place]: value for row, value in zip(cells.rows, values, strict=True)}
    return {text: level for text, level in sorted(read.items()) if level != ""}


def _refuse_to_replace(raw: Path, source: Path, *, overwrite: bool) -> None:
    names = [paths.DEMOGRAPHICS_JSON]
    if source != raw / paths.DEMOGRAPHICS_CSV:
        names.append(paths.DEMOGRAPHICS_CSV)
    present = [name for name in names if (raw / name).exists()]
    if present and not overwrite:
        verb = "exists" if len(present) == 1 else "exist"
        raise UsageError(
            f"{' and '.join(present)} {verb} in {raw} and would be written again from "
            f"{source.name}. If that is what you want: --overwrite"
        )


def _write(
    raw: Path, source: Path, cells: tabular.Table, table: DemographicsTable, *, overwrite: bool
) -> list[str]:
    """Write what is not there yet; all files appear together or not at all."""
    texts = table_texts(_without_defaults(table, cells), table.schema)
    written = [paths.DEMOGRAPHICS_JSON]
    original = f"{ORIGINAL}.csv"
    if source != raw / paths.DEMOGRAPHICS_CSV:
        written.append(paths.DEMOGRAPHICS_CSV)
    elif not _as_it_is(cells, table):
        written += [paths.DEMOGRAPHICS_CSV, original]
        if (raw / original).exists() and not overwrite:
            raise UsageError(
                f"{source} has to be written again, and {original}, which would keep it as it is, "
                "exists. Move that file away, or replace it with --overwrite"
            )
    with filled_together(raw, written) as temporary:
        for name in written:
            if name == original:
                shutil.copyfile(source, temporary / name)
            else:
                (temporary / name).write_text(
                    texts[name], encoding="utf-8", errors="backslashreplace", newline=""
                )
    return written


def _without_defaults(table: DemographicsTable, cells: tabular.Table) -> pd.DataFrame:
    """Return the rows without columns that say nothing and that the table does not have."""
    frame = table.frame.reset_index()
    useless = [
        name
        for name, usual in ((SYNTHETIC, "0"), (SAMPLING_WEIGHT, "1"))
        if name not in cells.header and (frame[name] == usual).all()
    ]
    return frame.drop(columns=useless)


def _as_it_is(cells: tabular.Table, table: DemographicsTable) -> bool:
    """Return whether a file already says what was read, in the same words."""
    frame = table.frame.reset_index()
    if len(cells.rows) != len(frame):
        return False
    for name in (CASE, PATIENT, *table.schema.attributes):
        if name not in cells.header:
            if name == PATIENT and (frame[PATIENT] == frame[CASE]).all():
                continue
            return False
        place = cells.header.index(name)
        if [row[place] for row in cells.rows] != list(frame[name]):
            return False
    return True


def _varying(table: DemographicsTable) -> dict[str, list[str]]:
    """Return the patients of whom cases differ in a categorical attribute."""
    found = {}
    for attribute in table.schema.attributes.values():
        if attribute.type == "categorical":
            known = table.frame[table.frame[attribute.name] != ""]
            levels = known.groupby(PATIENT)[attribute.name].nunique()
            several = sorted(levels.index[levels > 1])
            if several:
                found[attribute.name] = several
    return found
