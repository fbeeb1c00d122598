"""A dataset that the study makes of another one: all that is known before it exists."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from nnunetv2_fair import paths
from nnunetv2_fair.errors import DatasetError, StudyError, shorten
from nnunetv2_fair.files.json_files import read_json_object
from nnunetv2_fair.study.plan.check_results import Findings
from nnunetv2_fair.study.plan.datasets import Dataset, table_fingerprint
from nnunetv2_fair.study.plan.environment import FOLDERS
from nnunetv2_fair.study.study_file.settings import DatasetEntry
from nnunetv2_fair.subgroups.folds import read_folds

#: Keys of a dataset that one made of another has from its source.
_FOLDS = ("number_of_folds", "stratify")


def refuse_keys(found: Findings, entry: DatasetEntry, what: str, why_no_tests: str) -> None:
    """Refuse keys that a made dataset has from its source.

    Args:
        found: Mistakes are added there.
        entry: Of the made dataset.
        what: The dataset in words, such as ``a cropped dataset``.
        why_no_tests: How its models are tested instead.
    """
    reasons = dict.fromkeys(_FOLDS, "the folds are those of the dataset that it is made of")
    reasons["tests"] = why_no_tests
    for key, why in reasons.items():
        if key in entry.model_fields_set:
            found.add(entry.line(key), f"{what} has no key {key}: {why}")


def source_of(
    found: Findings,
    entry: DatasetEntry,
    originals: Sequence[tuple[DatasetEntry, Dataset]],
    *,
    key: str,
    wanted: str,
    done: str,
    why: str,
) -> tuple[DatasetEntry, Dataset] | None:
    """Return the dataset of the study that another one is made of; report if it is not there.

    Args:
        found: Mistakes are added there.
        entry: Of the made dataset.
        originals: Datasets of the study that it does not make.
        key: Key of the entry whose ``dataset`` names the source.
        wanted: Its id or name.
        done: What is done to it, such as ``cropped``.
        why: Why the study lists it, too.
    """
    for of, dataset in originals:
        if dataset.is_called(wanted):
            return of, dataset
    names = [dataset.name for _, dataset in originals]
    found.add(
        entry.line(key, "dataset"),
        f"{key}: '{wanted}' is not a dataset of this study that could be {done}. List it under "
        f"datasets, too, as {why}. There: {shorten(names, 12) or 'none'}",
    )
    return None


def made_dataset(
    wanted: str,
    of_source: DatasetEntry,
    source: Dataset,
    environment: Mapping[str, str],
    *,
    end: str,
    what: str,
    mark: Mapping[str, Any],
) -> Dataset:
    """Return what a dataset is, or will be, that is made of another one.

    Args:
        wanted: Its id or name, as the study's file has it.
        of_source: Entry of what it is made of.
        source: What it is made of.
        environment: Holds nnU-Net's three folders.
        end: What is added to the source's name.
        what: What it holds, in words, such as ``crops``.
        mark: Key of its ``dataset.json`` that names the source, with what it will hold.

    Raises:
        FairError: If its id is taken, or what exists of it is damaged or of another source.
    """
    name = _name_of(wanted, source, end)
    raw, preprocessed, results = (Path(environment[variable]) / name for variable in FOLDERS)
    taken = sorted(
        f"{path.name} in {variable}"
        for variable in FOLDERS
        for path in Path(environment[variable]).glob(f"{name[:10]}_*")
        if path.name != name
    )
    if taken:
        raise StudyError(
            f"id {int(name[7:10])} is taken by {shorten(taken)}; the {what} of {source.name} would "
            f"be {name}. Choose another id"
        )
    if raw.exists():
        _check_origin(raw, source, what, next(iter(mark)))
    splits = preprocessed / paths.SPLITS_JSON
    n_folds = source.n_folds or of_source.number_of_folds
    return replace(
        source,
        name=name,
        raw=raw,
        preprocessed=preprocessed,
        results=results,
        content={**source.content, **mark},
        copied=_copied(raw, preprocessed, source),
        n_folds=len(read_folds(splits)) if splits.exists() else n_folds,
    )


def _name_of(dataset: str, source: Dataset, end: str) -> str:
    if not paths.is_dataset_id(dataset):
        if not paths.is_dataset_name(dataset):
            raise StudyError(
                f"'{dataset}': expected an id from 1 to 999 that is free, or a name such as "
                f"Dataset048_{source.name[11:]}{end}"
            )
        return dataset
    if not 1 <= int(dataset) <= 999:
        raise StudyError(f"id {dataset}: expected a number from 1 to 999 that is free")
    return f"Dataset{int(dataset):03d}_{source.name[11:]}{end}"


def _check_origin(raw: Path, source: Dataset, what: str, key: str) -> None:
    remedy = "Delete the folder, or choose another id."
    content = read_json_object(raw / paths.DATASET_JSON, DatasetError, remedy)
    made = content.get(key)
    origin = made.get("source") if isinstance(made, dict) else None
    if origin != source.name:
        there = f"{what} of {origin}" if origin else f"no {what}"
        raise StudyError(
            f"{raw} exists and holds {there}; expected {what} of {source.name}, or nothing. Choose "
            "another id"
        )


def _copied(raw: Path, preprocessed: Path, source: Dataset) -> str | None:
    """Return the fingerprint of the copied demographics; the source's if they are the dataset's."""
    if not raw.exists() or not (preprocessed / paths.DEMOGRAPHICS_CSV).is_file():
        return None
    copied = table_fingerprint(preprocessed)
    return source.table if copied == table_fingerprint(raw) else copied
