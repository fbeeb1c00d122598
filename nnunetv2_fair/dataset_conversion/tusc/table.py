"""TUSC's ``metadata.csv``: one row per nodule, which is one clip."""

from collections.abc import Mapping
from pathlib import Path

from nnunetv2_fair.dataset_conversion.shared.metadata import (
    Metadata,
    Row,
    TableSettings,
    read_metadata,
)
from nnunetv2_fair.dataset_conversion.tusc.frames import normal_id
from nnunetv2_fair.errors import ConversionError, DemographicsError, UsageError, shorten
from nnunetv2_fair.subgroups.table import read_delimited

_ID_COLUMN = "annot_id"
#: Where "none" is a finding: TI-RADS calls the absence of echogenic foci so.
_NONE_IS_A_LEVEL = ("tirads_echogenicfoci",)
_SEX_LEVELS: Mapping[str, str] = {
    **dict.fromkeys(("F", "Female", "female", "FEMALE"), "female"),
    **dict.fromkeys(("M", "Male", "male", "MALE"), "male"),
}
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


def read_nodules(
    path: Path, unknown: tuple[str, ...], values: Mapping[str, Mapping[str, str]]
) -> Metadata:
    """Read ``metadata.csv``: sex, age and what else of TI-RADS and histopathology it holds.

    Args:
        path: The table.
        unknown: Cell contents that mean unknown, besides the empty cell.
        values: Level that each cell content means, by attribute, besides Female and Male.

    Raises:
        UsageError: If ``values`` names an attribute that does not exist.
        ConversionError: If the table is unreadable or lacks a column.
    """
    try:
        frame = read_delimited(path)
    except DemographicsError as error:
        raise ConversionError(str(error)) from error
    columns = {column.casefold(): column for column in frame.columns}
    missing = [name for name in (_ID_COLUMN, "sex", "age") if name not in columns]
    if missing:
        raise ConversionError(
            f"{path} has no column {shorten(map(repr, missing))}. Columns found: "
            f"{shorten(frame.columns, 20)}. Is it metadata.csv of the Thyroid Ultrasound Cine-clip "
            "set? Correct the header, or name another table (--table)."
        )
    more = {
        name: columns[column]
        for name, column in _MORE_COLUMNS.items()
        if column in columns and (frame[columns[column]] != "").any()
    }
    strange = set(values) - {"sex", *more}
    if strange:
        raise UsageError(
            f"--values {shorten(sorted(strange))}: expected some of sex, {', '.join(more)}."
        )
    sex = {**_SEX_LEVELS, **values.get("sex", {})}
    return read_metadata(
        path,
        TableSettings(
            columns={"patient": _ID_COLUMN, **more},
            attributes=("sex", "age", *more),
            unknown=unknown,
            values={**values, "sex": sex},
            bins={"age": (50.0,)},
            dicom_age=("age",),
            default="sex",
            none_is_level=_NONE_IS_A_LEVEL,
            per="patient",
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
