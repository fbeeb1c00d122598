"""The nnU-Net dataset that another one is made of: its files, ``dataset.json`` and people."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from nnunetv2_fair.errors import ConversionError, counted, shorten, shorten_lines
from nnunetv2_fair.files.json_files import read_json_object
from nnunetv2_fair.paths import DATASET_JSON, DEMOGRAPHICS_CSV, DEMOGRAPHICS_JSON
from nnunetv2_fair.subgroups.prepare import cases_of
from nnunetv2_fair.subgroups.schema import CASE, SAMPLING_WEIGHT, SYNTHETIC, read_schema
from nnunetv2_fair.subgroups.table import (
    DemographicsTable,
    check_against_cases,
    missing_file,
    read_table,
)

#: Name of nnU-Net's label that takes part in no loss.
_IGNORE = "ignore"
_SUFFIX = {"train": "Tr", "test": "Ts"}
_EXPECTED = "Expected nnU-Net's dataset.json; convert the data again, or write it by hand."


@dataclass(frozen=True)
class SourceCase:
    """Files of one case.

    Attributes:
        case: Its name.
        part: ``train`` or ``test``.
        images: One file per channel, or one of a picture in colour.
        mask: Its reference.
        further: Other masks of it, by the beginning of their folder's name.
    """

    case: str
    part: str
    images: tuple[Path, ...]
    mask: Path
    further: Mapping[str, Path]

    @property
    def files(self) -> tuple[Path, ...]:
        """All files of the case."""
        return (*self.images, self.mask, *self.further.values())


@dataclass(frozen=True)
class SourceDataset:
    """A dataset in ``nnUNet_raw``.

    Attributes:
        folder: Its folder.
        content: What its ``dataset.json`` says.
        cases: Its cases, training before test.
        without_reference: Test cases that have no reference; all of them, or none.
    """

    folder: Path
    content: Mapping[str, Any]
    cases: tuple[SourceCase, ...]
    without_reference: tuple[str, ...]

    @property
    def ending(self) -> str:
        """Ending of its files."""
        return str(self.content["file_ending"])

    @property
    def labels(self) -> dict[str, int | tuple[int, ...]]:
        """Value of each label; of a region all of its values."""
        return {
            name: tuple(value) if isinstance(value, list) else value
            for name, value in self.content["labels"].items()
        }

    @property
    def texts(self) -> dict[str, str]:
        """Licence, reference and release, as far as ``dataset.json`` has them."""
        names = ("licence", "reference", "release")
        return {name: str(self.content[name]) for name in names if name in self.content}

    @property
    def class_order(self) -> tuple[int, ...] | None:
        """Order of classes where there are regions; None where there are none."""
        order = self.content.get("regions_class_order")
        return None if order is None else tuple(order)

    @property
    def reader(self) -> dict[str, Any]:
        """nnU-Net's entry of the class that reads the images, if there is one."""
        name = "overwrite_image_reader_writer"
        return {name: self.content[name]} if name in self.content else {}

    def described_as(self, said: str) -> str:
        """Return a description: what was made, followed by that of the dataset."""
        about = str(self.content.get("description") or "")
        return f"{said}. {about}".rstrip() if about else said

    def values_of(self, names: Sequence[str]) -> tuple[int, ...]:
        """Return the values of labels or regions, ascending.

        Args:
            names: Of labels; none of them means all but background and nnU-Net's ignore label.

        Raises:
            ConversionError: If there is no such label.
        """
        labels = self.labels
        unknown = [name for name in names if name not in labels]
        known = [name for name in labels if name not in ("background", _IGNORE)]
        if unknown:
            raise ConversionError(
                f"--labels: {self.folder.name} has no label {shorten(map(repr, unknown))}. Labels: "
                f"{shorten(known, 20)}."
            )
        found: set[int] = set()
        for name in names or known:
            value = labels[name]
            found.update(value if isinstance(value, tuple) else (value,))
        if not found:
            raise ConversionError(
                f"{self.folder / DATASET_JSON} has no label besides the background, so nothing "
                "says what to crop to. Add the labels of the masks to it."
            )
        if 0 in found:
            raise ConversionError(
                f"--labels: the background is everywhere; name labels of the organ: "
                f"{shorten(known, 20)}."
            )
        return tuple(sorted(found))


def read_source(folder: Path, done: str) -> SourceDataset:
    """Return the files of a dataset; no image is read.

    Args:
        folder: Dataset folder in ``nnUNet_raw``.
        done: What is to happen to its cases, such as ``cropped``; for messages.

    Raises:
        DatasetError: If ``dataset.json`` or the images are missing.
        ConversionError: If ``dataset.json`` is wrong, or references are missing.
    """
    train, test = cases_of(folder)
    content = read_json_object(folder / DATASET_JSON, ConversionError, _EXPECTED)
    _check(folder, content)
    ending = str(content["file_ending"])
    listed = content.get("dataset")
    listed = listed if isinstance(listed, dict) else {}
    problems: list[str] = []
    cases = []
    for part, names in (("train", train), ("test", test)):
        further = _further_masks(folder, part, names, ending)
        elsewhere = listed if part == "train" else {}
        for name in names:
            if name in elsewhere:
                images, mask = _listed_files(folder, name, elsewhere[name])
            else:
                images = tuple(_channels(folder / f"images{_SUFFIX[part]}", name, ending))
                mask = folder / f"labels{_SUFFIX[part]}" / f"{name}{ending}"
            others = {beginning: place / f"{name}{ending}" for beginning, place in further.items()}
            cases.append(SourceCase(name, part, images, mask, others))
    absent = [case for case in cases if not case.mask.is_file()]
    without = tuple(case.case for case in absent if case.part == "test")
    if len(without) == len(test):
        absent = [case for case in absent if case.part == "train"]
        cases = [case for case in cases if case.part == "train"]
    else:
        without = ()
    problems += [f"{case.mask} does not exist" for case in absent]
    if problems:
        raise ConversionError(
            f"{counted(len(problems), 'case')} of {folder.name} cannot be {done}, for lack of "
            "a reference. Add the files, or take the cases out of the dataset:\n"
            f"{shorten_lines(problems)}"
        )
    return SourceDataset(folder, content, tuple(cases), without)


def people_of(source: SourceDataset) -> DemographicsTable:
    """Return the demographics of a dataset, checked against its cases.

    Raises:
        DemographicsError: If the table or its dictionary cannot be used.
        ConversionError: If one of them is missing.
    """
    folder = source.folder
    missing = missing_file(folder)
    if missing is not None:
        raise ConversionError(missing)
    cases = [*(case.case for case in source.cases), *source.without_reference]
    schema = read_schema(folder / DEMOGRAPHICS_JSON)
    table = read_table(folder / DEMOGRAPHICS_CSV, schema).named_like(set(cases))
    check_against_cases(table, cases, str(folder))
    return table


def refuse_weights(table: DemographicsTable) -> None:
    """Raise if the table has sampling weights: balanced folds follow others.

    Args:
        table: Demographics of the dataset.

    Raises:
        ConversionError: If a weight is not 1.
    """
    if any(weight != 1 for weight in table.sampling_weights.values()):
        raise ConversionError(
            f"{table.source} has sampling weights, which balanced folds could not follow. Balance "
            "a dataset without them, or remove the column sampling_weight and prepare it again."
        )


def rows_of(table: DemographicsTable, cases: Sequence[str]) -> pd.DataFrame:
    """Return the rows of cases as they are written; reserved columns that say nothing are left out.

    Args:
        table: Demographics.
        cases: In the order of the rows.
    """
    frame = table.frame.loc[list(cases)]
    for column, nothing in ((SYNTHETIC, "0"), (SAMPLING_WEIGHT, "1")):
        if (frame[column] == nothing).all():
            frame = frame.drop(columns=column)
    return frame.rename_axis(CASE).reset_index()


def _check(folder: Path, content: Mapping[str, Any]) -> None:
    path = folder / DATASET_JSON
    labels, channels = content.get("labels"), content.get("channel_names")
    if not isinstance(labels, dict) or not isinstance(channels, dict) or not channels:
        raise ConversionError(f'{path} has no "labels" or no "channel_names". {_EXPECTED}')
    for name, value in labels.items():
        values = value if isinstance(value, list) else [value]
        if not all(type(one) is int for one in values):
            raise ConversionError(
                f"{path}: the value of label '{name}' is {value!r}, expected a whole number, or a "
                f"list of them for a region. {_EXPECTED}"
            )


def _channels(folder: Path, case: str, ending: str) -> list[Path]:
    """Return the files of all channels, from 0000 on without a gap."""
    found: list[Path] = []
    while (path := folder / f"{case}_{len(found):04d}{ending}").is_file():
        found.append(path)
    return found


def _listed_files(folder: Path, name: str, entry: Any) -> tuple[tuple[Path, ...], Path]:
    """Return the files that ``dataset.json`` names, as nnU-Net finds them."""
    try:
        images, mask = [str(image) for image in entry["images"]], str(entry["label"])
    except (KeyError, TypeError) as error:
        raise ConversionError(
            f'{folder / DATASET_JSON}: expected "images" and "label" of case \'{name}\' under '
            f'"dataset". {_EXPECTED}'
        ) from error
    paths = [folder / os.path.expandvars(path) for path in (*images, mask)]
    return tuple(paths[:-1]), paths[-1]


def _further_masks(folder: Path, part: str, cases: Sequence[str], ending: str) -> dict[str, Path]:
    """Return folders with another mask of every case, such as ``automaticTr``, by ``automatic``."""
    suffix = _SUFFIX[part]
    return {
        place.name.removesuffix(suffix): place
        for place in sorted(folder.glob(f"*{suffix}"))
        if place.name not in (f"images{suffix}", f"labels{suffix}", suffix)
        and cases
        and all((place / f"{case}{ending}").is_file() for case in cases)
    }
