"""TUSC's ``metadata.csv``: one row per nodule, which is one clip."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from nnunetv2_fair.dataset_conversion.shared.metadata import Metadata, Row, read_metadata
from nnunetv2_fair.dataset_conversion.tusc.frames import normal_id
from nnunetv2_fair.errors import ConversionError, DemographicsError, UsageError, shorten
from nnunetv2_fair.subgroups.table import read_delimited
from nnunetv2_fair.tables.columns import column_called
from nnunetv2_fair.tables.settings import TableSettings
from nnunetv2_fair.tables.words import SEX_LEVELS

_ID_COLUMN = "annot_id"
#: Where "none" is a finding: TI-RADS calls the absence of echogenic foci so.
_NONE_IS_A_LEVEL = ("tirads_echogenicfoci",)
#: Attributes that are taken where the table has their column and any value in it.
_MORE_COLUMNS: Mapping[str, str] = {
    "tirads_level": "ti-rads_level",
    "tirads_composition": "ti-rads_composition",
    "tirads_echogenicity": "ti-rads_echogenicity",
    "tirads_shape": "ti-rads_shape",
    "tirads_margin": "ti-rads_margin",
    "tirads_echogenicfoci": "ti-rads_echogenicfoci",
    "histopathology": "histopath_diagnosis",
}


def read_nodules(path: Path, reading: TableSettings) -> Metadata:
    """Read ``metadata.csv``: sex, age and what else of TI-RADS and histopathology it holds.

    Args:
        path: The table.
        reading: What the user says about the table, besides what Female and Male mean and what
            its columns are called.

    Raises:
        UsageError: If ``values`` names an attribute that does not exist.
        ConversionError: If the table is unreadable or lacks a column.
    """
    try:
        frame = read_delimited(path, reading.sheet)
    except DemographicsError as error:
        raise ConversionError(str(error)) from error
    header = list(frame.columns)
    wanted = {"patient": _ID_COLUMN, "sex": "sex", "age": "age", **reading.columns}
    missing = [name for name in wanted.values() if column_called(header, name) is None]
    if missing:
        raise ConversionError(
            f"{path} has no column {shorten(map(repr, missing))}. Columns found: "
            f"{shorten(header, 20)}. Is it metadata.csv of the Thyroid Ultrasound Cine-clip "
            "set? Correct the header, name its columns (--columns patient=<column> sex=<column> "
            "age=<column>), or name another table (--table)."
        )
    more = {
        name: found
        for name, usual in _MORE_COLUMNS.items()
        if name not in wanted
        and (found := column_called(header, usual)) is not None
        and (frame[found] != "").any()
    }
    attributes = ("sex", "age", *(n for n in wanted if n not in ("patient", "sex", "age")), *more)
    strange = set(reading.values) - set(attributes)
    if strange:
        raise UsageError(
            f"--values {shorten(sorted(strange))}: expected some of {', '.join(attributes)}."
        )
    sex = {**SEX_LEVELS, **reading.values.get("sex", {})}
    return read_metadata(
        path,
        replace(
            reading,
            columns={**wanted, **more},
            attributes=attributes,
            values={**reading.values, "sex": sex},
            bins={"age": (50.0,), **reading.bins},
            dicom_age=("age", *reading.dicom_age),
            default="sex",
            none_is_level=_NONE_IS_A_LEVEL,
            key="patient",
        ),
    )


def rows_by_clip(metadata: Metadata) -> tuple[dict[str, Row], list[str]]:
    """Return the row of each clip, and what is wrong: a nodule may be spelt in two ways."""
    rows: dict[str, Row] = {}
    problems = []
    for row in metadata.rows:
        clip = normal_id(row.patient)
        first = rows.setdefault(clip, row)
        if first.patient != row.patient:  # the table's reader handles rows of the same spelling
            problems.append(
                f"{metadata.path.name}, line {row.line}: nodule '{row.patient}' already appears on "
                f"line {first.line} as '{first.patient}'; keep one of the two rows"
            )
    return rows, problems
