"""What a study's datasets and test sets are on disk."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nnunetv2_fair import paths
from nnunetv2_fair.errors import DatasetError, StudyError, shorten
from nnunetv2_fair.files.json_files import read_json
from nnunetv2_fair.study.plan.environment import FOLDERS
from nnunetv2_fair.study.plan.fingerprints import digest, file_fingerprint, listing_fingerprint
from nnunetv2_fair.study.study_file.settings import INTERNAL, TestEntry
from nnunetv2_fair.tables.settings import TableSettings

if TYPE_CHECKING:
    from nnunetv2_fair.study.plan.synthesis.filling import Filling
    from nnunetv2_fair.subgroups.schema import Schema
    from nnunetv2_fair.subgroups.table import DemographicsTable


#: What must be in the name of a test set of crops that the references show.
UPPER_BOUND = "upper_bound"


@dataclass(frozen=True)
class Dataset:
    """A dataset in nnU-Net's folders.

    Attributes:
        name: Such as ``Dataset042_Lungs``.
        raw: Its folder in ``nnUNet_raw``.
        preprocessed: Its folder in ``nnUNet_preprocessed``; may not exist.
        results: Its folder in ``nnUNet_results``; may not exist.
        content: Of ``dataset.json``.
        schema: What its attributes mean.
        table: Fingerprint of its demographics.
        copied: Fingerprint of their copy in ``preprocessed``; None if there is none.
        n_folds: Folds of ``splits_final.json``; None if there is none.
        images: Fingerprint of its training cases and ``dataset.json``.
        cropped_from: What the study crops to make it; None: nothing.
        filled_from: What the study fills up with synthetic cases to make it; None: nothing.
        filling: How it is filled up; None if it is not.
    """

    name: str
    raw: Path
    preprocessed: Path
    results: Path
    content: Mapping[str, Any]
    schema: "Schema" = field(repr=False)
    table: str
    copied: str | None
    n_folds: int | None
    images: str
    cropped_from: "Dataset | None" = None
    filled_from: "Dataset | None" = None
    filling: "Filling | None" = None

    @property
    def number(self) -> int:
        """Its id."""
        return int(self.name[7:10])

    @property
    def origin(self) -> "Dataset":
        """The dataset whose files say who its patients are: what it is made of, if it is made."""
        return self.cropped_from or self.filled_from or self

    @property
    def is_made(self) -> bool:
        """Whether the study makes it of another dataset."""
        return self.origin is not self

    @property
    def is_cropped(self) -> bool:
        """Whether its images are crops of ``nnUNetv2_fair_crop``."""
        return "cropped" in self.content

    def is_called(self, wanted: str) -> bool:
        """Return whether an id or a name means this dataset."""
        return wanted == self.name or (paths.is_dataset_id(wanted) and int(wanted) == self.number)

    @property
    def short(self) -> str:
        """The dataset in steps' names: ``d042``."""
        return f"d{self.name[7:10]}"

    @property
    def ending(self) -> str:
        """Ending of its images' names."""
        return str(self.content["file_ending"])

    def read_table(self) -> "DemographicsTable":
        """Read its demographics.

        Raises:
            DemographicsError: If they are wrong.
        """
        from nnunetv2_fair.subgroups.table import read_table

        return read_table(self.origin.raw / paths.DEMOGRAPHICS_CSV, self.schema)

    def plans(self, identifier: str) -> dict[str, Any] | None:
        """Return the content of a plans file; None if it does not exist.

        Raises:
            DatasetError: If it is damaged.
        """
        path = self.preprocessed / f"{identifier}.json"
        if not path.is_file():
            return None
        content = _json(path)
        if not isinstance(content.get("configurations"), dict):
            raise DatasetError(f"{path} is not a plans file of nnU-Net: plan the dataset again.")
        return content


def find_dataset(dataset: str, environment: Mapping[str, str]) -> Dataset:
    """Read what is known about a dataset.

    Args:
        dataset: Its id or name.
        environment: Holds nnU-Net's three folders.

    Raises:
        FairError: If it is missing, or its demographics or ``dataset.json`` are.
    """
    from nnunetv2_fair.subgroups.folds import read_folds
    from nnunetv2_fair.subgroups.schema import read_schema
    from nnunetv2_fair.subgroups.table import missing_file

    roots = {variable: Path(environment[variable]) for variable in FOLDERS}
    name = paths.dataset_name(dataset, roots[paths.RAW])
    raw, preprocessed = roots[paths.RAW] / name, roots[paths.PREPROCESSED] / name
    advice = missing_file(raw)
    if advice is not None:
        raise DatasetError(advice)
    content = _json(raw / paths.DATASET_JSON)
    missing = [key for key in ("labels", "channel_names", "file_ending") if key not in content]
    if missing:
        raise DatasetError(f"{raw / paths.DATASET_JSON} lacks {shorten(missing)}: not nnU-Net's.")
    splits = preprocessed / paths.SPLITS_JSON
    return Dataset(
        name=name,
        raw=raw,
        preprocessed=preprocessed,
        results=roots[paths.RESULTS] / name,
        content=content,
        schema=read_schema(raw / paths.DEMOGRAPHICS_JSON),
        table=table_fingerprint(raw),
        copied=table_fingerprint(preprocessed)
        if (preprocessed / paths.DEMOGRAPHICS_CSV).is_file()
        else None,
        n_folds=len(read_folds(splits)) if splits.exists() else None,
        images=digest(
            [
                file_fingerprint(raw / paths.DATASET_JSON),
                *(listing_fingerprint(raw / part) for part in ("imagesTr", "labelsTr")),
            ]
        ),
    )


def table_fingerprint(folder: Path) -> str:
    """Return the fingerprint of the demographics in a folder."""
    files = (paths.DEMOGRAPHICS_CSV, paths.DEMOGRAPHICS_JSON)
    return digest([file_fingerprint(folder / file) for file in files])


def _json(path: Path) -> Any:
    return read_json(path, DatasetError, "Copy or convert the dataset again.")


@dataclass(frozen=True)
class TestSet:
    """Images that models are tested on.

    Attributes:
        name: Short name.
        images: Folder of the images.
        labels: Folder of the reference masks.
        table: Demographics of the cases.
        schema: What the attributes mean; None if the table has no dictionary next to it.
        inputs: Fingerprint of names and sizes of images and masks.
        people: Fingerprint of the demographics.
        reading: How the table is read.
        made_by: Step that makes the images; empty if they are there. A case may then be missing.
        predicted_as: Test set with the same images, whose predictions are evaluated; empty for
            its own.
    """

    name: str
    images: Path
    labels: Path
    table: Path
    schema: "Schema | None" = field(repr=False)
    inputs: tuple[str, str]
    people: str
    reading: TableSettings = field(default_factory=TableSettings)
    made_by: str = ""
    predicted_as: str = ""

    def without_reference(self, ending: str) -> list[str]:
        """Return the images that have no reference mask.

        Args:
            ending: Of the names of images and masks.
        """
        suffix = f"_0000{ending}"
        images = {path.name.removesuffix(suffix) for path in self.images.glob(f"*{suffix}")}
        labels = {path.name.removesuffix(ending) for path in self.labels.glob(f"*{ending}")}
        return sorted(images - labels)


def find_test(entry: TestEntry, dataset: Dataset, environment: Mapping[str, str]) -> TestSet:
    """Read what is known about a test set.

    Args:
        entry: As the study's file names it.
        dataset: What the models are trained on.
        environment: Holds nnU-Net's three folders.

    Raises:
        FairError: If it is missing, empty, or not in the label space of ``dataset``.
    """
    images, labels, table = entry.images, entry.labels, entry.demographics
    if not (images or labels or table):
        if entry.name == INTERNAL and not entry.dataset:
            return _of_dataset(entry, dataset, dataset)
        if entry.dataset:
            other = find_dataset(entry.dataset, environment)
            _check_same_space(dataset, other)
            return _of_dataset(entry, other, dataset)
    elif images and labels and table and not entry.dataset:
        return _of_folders(entry.name, images, labels, table, dataset.ending)
    raise StudyError(
        f"test set '{entry.name}': expected either dataset, or images, labels and demographics "
        "together"
    )


def _of_dataset(entry: TestEntry, other: Dataset, dataset: Dataset) -> TestSet:
    suffix = "Tr" if entry.part == "training" else "Ts"
    if suffix == "Tr" and other.name == dataset.name:
        raise StudyError(
            f"test set '{entry.name}' consists of the training cases of {dataset.name} itself: "
            "test on cases that the models have not seen"
        )
    if other.is_cropped and UPPER_BOUND not in entry.name:
        raise StudyError(
            f"test set '{entry.name}' holds crops that the references show, which nobody has when "
            f"a model is used. Name it so: {{name: {UPPER_BOUND}, dataset: {other.number}}}; or "
            "test the models by a cascade (key cascade)"
        )
    images, labels = other.raw / f"images{suffix}", other.raw / f"labels{suffix}"
    table = other.raw / paths.DEMOGRAPHICS_CSV
    return _test_set(entry.name, images, labels, table, other.schema, dataset.ending)


def _of_folders(name: str, images: Path, labels: Path, table: Path, ending: str) -> TestSet:
    from nnunetv2_fair.subgroups.schema import read_schema

    if not table.is_file():
        raise DatasetError(f"test set '{name}': {table} does not exist")
    dictionary = table.with_suffix(".json")
    schema = read_schema(dictionary) if dictionary.is_file() else None
    return _test_set(name, images, labels, table, schema, ending)


def _test_set(
    name: str, images: Path, labels: Path, table: Path, schema: "Schema | None", ending: str
) -> TestSet:
    for folder, suffix, hint in (
        (images, f"_0000{ending}", ""),
        (labels, ending, " Predictions without reference masks cannot be evaluated."),
    ):
        if not folder.is_dir() or not any(e.name.endswith(suffix) for e in os.scandir(folder)):
            raise DatasetError(
                f"test set '{name}': {folder} is missing or holds no file named "
                f"<case>{suffix}.{hint} Convert the data with a test part, or name other tests"
            )
    people = digest([file_fingerprint(table), file_fingerprint(table.with_suffix(".json"))])
    listings = listing_fingerprint(images), listing_fingerprint(labels)
    return TestSet(name, images, labels, table, schema, listings, people)


_NOT_CROPS = (
    "{other} has full images, and models of {name} know crops only. List it under the dataset that "
    "is cropped, with the key cascade"
)
_CROPS = "{other} has crops, and models of {name} know full images only. Leave it out"


def _check_same_space(dataset: Dataset, other: Dataset) -> None:
    """Refuse a test set whose labels, channels or file format are not those of the training."""
    if dataset.is_cropped != other.is_cropped:
        raise DatasetError(
            _NOT_CROPS.format(other=other.name, name=dataset.name)
            if dataset.is_cropped
            else _CROPS.format(other=other.name, name=dataset.name)
        )
    ours, theirs = dataset.content, other.content
    for what, wanted, found in (
        ("labels", ours["labels"], theirs["labels"]),
        ("number of channels", len(ours["channel_names"]), len(theirs["channel_names"])),
        ("file ending", dataset.ending, other.ending),
    ):
        if wanted != found:
            raise DatasetError(
                f"{other.name} cannot test models of {dataset.name}: {what} {found} there, "
                f"{wanted} here. Convert it to the same label space and format, or leave it out"
            )
