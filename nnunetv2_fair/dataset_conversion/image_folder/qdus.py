"""Thyroid ultrasound images kept as the QDUS set of the APPLE paper is thought to be.

The set is private and its layout unpublished; this preset accepts the forms that such sets
usually have, and reports what it could not match instead of guessing.

Source: the APPLE paper, npj Digital Medicine 2025, doi:10.1038/s41746-025-01641-y (attributes, age
groups below 50 and from 50 on, 7:3).
"""

from dataclasses import replace
from pathlib import Path

from nnunetv2_fair.dataset_conversion.image_folder.layout import Channel, find_table
from nnunetv2_fair.dataset_conversion.image_folder.plan import ImageFolderSettings
from nnunetv2_fair.dataset_conversion.shared.pictures import MaskRules
from nnunetv2_fair.errors import ConversionError, DemographicsError, shorten
from nnunetv2_fair.subgroups.table import read_delimited
from nnunetv2_fair.tables.columns import column_called
from nnunetv2_fair.tables.settings import TableSettings
from nnunetv2_fair.tables.words import SEX_LEVELS


def qdus_settings(
    folder: Path,
    dataset_id: int,
    name: str = "QDUS",
    *,
    table: Path | None = None,
    reading: TableSettings | None = None,
    size: tuple[int, int] | None = None,
    test_ratio: float = 0.3,
    seed: int = 0,
) -> ImageFolderSettings:
    """Return the settings of the image folder converter for QDUS.

    Grey levels; masks above 0 are nodule (above 127 in JPEG masks), named like their image or with
    ``_mask`` added; ``Sex`` and ``Age`` (also ``045Y``), age groups <50 and >=50; unpaired files
    are left out and listed. With a column ``image`` a row describes an image, without one all
    images whose name begins with its ``case_id``.

    Args:
        folder: Holds images (or image), masks (or mask) and the table.
        dataset_id: 1 to 999.
        name: Follows ``DatasetXXX_``.
        table: Table file; None: ``metadata.csv``, .tsv or .xlsx.
        reading: What the user says about the table: columns of ``image``, ``case_id``, ``sex``,
            ``age`` that have other names, further meanings of cells, other bins.
        size: (rows, columns) of all images.
        test_ratio: Share of patients for the test part.
        seed: Seed of the choice of test patients.

    Raises:
        ConversionError: If the table is unreadable or has no ``case_id``.
    """
    told = reading or TableSettings()
    given = dict(told.columns)
    if "case_id" in given:
        given["patient"] = given.pop("case_id")
    columns_with_cells = _columns(folder, table, told.sheet)
    header = list(columns_with_cells)
    if "patient" not in given:
        given["patient"] = "case_id"
    if header and column_called(header, given["patient"]) is None:
        raise ConversionError(
            f"The table has no column '{given['patient']}', which says whose images a row "
            f"describes. Columns found: {shorten(header, 20)}. Name it: --columns case_id=<column>."
        )
    # a column that a template had and nobody filled in does not make rows describe images
    per_image = "image" in given or any(
        column.casefold() == "image" and filled for column, filled in columns_with_cells.items()
    )
    return ImageFolderSettings(
        folder=folder,
        dataset_id=dataset_id,
        name=name,
        images=("images", "image"),
        masks=("masks", "mask"),
        table=table,
        table_settings=replace(
            told,
            columns=given,
            attributes=("sex", "age"),
            values={**told.values, "sex": {**SEX_LEVELS, **told.values.get("sex", {})}},
            bins={"age": (50.0,), **told.bins},
            dicom_age=("age",),
            default="sex",
            key="image" if per_image else "patient",
        ),
        mask_suffixes=("", "_mask"),
        labels={"nodule": 1},
        rules=MaskRules(threshold=0, jpeg_threshold=127),
        color="to-grey",
        channels=(Channel(None, "ultrasound"),),
        size=size,
        test_ratio=test_ratio,
        seed=seed,
        fixed=("sex",),
        unpaired="skip",
        licence="private",
        reference="https://doi.org/10.1038/s41746-025-01641-y",
        description="Thyroid nodules in ultrasound images",
        converter="nnUNetv2_fair_convert_QDUS",
    )


def _columns(folder: Path, table: Path | None, sheet: str | None) -> dict[str, bool]:
    """Return the table's columns, and whether any cell of each is filled in.

    Empty if there is no table (the converter says so).
    """
    if not folder.is_dir():
        return {}
    try:
        path = find_table(folder, table)
    except ConversionError:
        return {}
    if not path.is_file():
        return {}
    try:
        frame = read_delimited(path, sheet)
    except DemographicsError as error:
        raise ConversionError(str(error)) from error
    return {column: bool((frame[column] != "").any()) for column in frame.columns}
