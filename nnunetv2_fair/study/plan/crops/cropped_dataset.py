"""A dataset that the study makes by cropping another one: all that is known before it exists."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from nnunetv2_fair import paths
from nnunetv2_fair.errors import DatasetError, StudyError, did_you_mean, shorten
from nnunetv2_fair.files.json_files import read_json_object
from nnunetv2_fair.study.plan.check_results import Findings
from nnunetv2_fair.study.plan.datasets import Dataset, table_fingerprint
from nnunetv2_fair.study.plan.environment import FOLDERS
from nnunetv2_fair.study.study_file.settings import DatasetEntry
from nnunetv2_fair.subgroups.folds import read_folds

#: Keys of a dataset that a cropped one has from its source.
_OF_SOURCE = ("number_of_folds", "stratify", "tests")
_WHY = {
    "number_of_folds": "the folds are those of the dataset that is cropped",
    "stratify": "the folds are those of the dataset that is cropped",
    "tests": "models of crops are tested where full images are: name the cropped dataset with "
    "cascade, in a test set of the dataset that is cropped",
}


def find_cropped(
    found: Findings, entry: DatasetEntry, originals: Sequence[tuple[DatasetEntry, Dataset]]
) -> Dataset | None:
    """Return the cropped dataset of an entry, whether or not it exists; report what is wrong.

    Args:
        found: Mistakes are added there.
        entry: With the key ``crop``.
        originals: Datasets of the study that it does not crop.

    Returns:
        None if there is too little to continue with.
    """
    crop = entry.crop
    assert crop is not None
    for key in _OF_SOURCE:
        if key in entry.model_fields_set:
            found.add(entry.line(key), f"a cropped dataset has no key {key}: {_WHY[key]}")
    sources = [(of, dataset) for of, dataset in originals if dataset.is_called(crop.dataset)]
    if not sources:
        names = [dataset.name for _, dataset in originals]
        found.add(
            entry.line("crop", "dataset"),
            f"crop: '{crop.dataset}' is not a dataset of this study that could be cropped. List it "
            f"under datasets, too, as its models find the organ. There: {shorten(names, 12)}",
        )
        return None
    of_source, source = sources[0]
    if source.is_cropped:
        found.add(
            entry.line("crop", "dataset"),
            f"crop: {source.name} is cropped already; crop what it was cropped from",
        )
        return None
    _check_options(found, entry, source)
    with found.blamed(entry.line("id")):
        return _cropped(entry.id, of_source, source, found.environment)
    return None


def _check_options(found: Findings, entry: DatasetEntry, source: Dataset) -> None:
    """Refuse labels that the source does not have, and a size of other axes."""
    crop = entry.crop
    assert crop is not None
    labels = [name for name in source.content["labels"] if name not in ("background", "ignore")]
    for label in crop.labels:
        if label not in labels:
            found.add(
                entry.line("crop", "labels"),
                f"crop, labels: {source.name} has no label '{label}'."
                f"{did_you_mean(label, labels)} Labels: {shorten(labels, 12)}",
            )
    axes = crop.axes or "xy"
    if crop.size and len(crop.size) != len(axes):
        expected = "rows and columns" if axes == "xy" else "rows, columns and slices"
        found.add(
            entry.line("crop", "size"),
            f"crop, size: found {len(crop.size)} numbers; with axes: {axes}, expected {expected}",
        )


def _cropped(
    dataset: str, of_source: DatasetEntry, source: Dataset, environment: Mapping[str, str]
) -> Dataset:
    """Return what the cropped dataset is, or will be.

    Raises:
        FairError: If its id is taken, or what exists of it is damaged.
    """
    name = _name_of(dataset, source)
    raw, preprocessed, results = (Path(environment[variable]) / name for variable in FOLDERS)
    taken = sorted(
        f"{path.name} in {variable}"
        for variable in FOLDERS
        for path in Path(environment[variable]).glob(f"{name[:10]}_*")
        if path.name != name
    )
    if taken:
        raise StudyError(
            f"id {int(name[7:10])} is taken by {shorten(taken)}; the crops of {source.name} would "
            f"be {name}. Choose another id"
        )
    if raw.exists():
        _check_origin(raw, source)
    splits = preprocessed / paths.SPLITS_JSON
    n_folds = source.n_folds or of_source.number_of_folds
    return Dataset(
        name=name,
        raw=raw,
        preprocessed=preprocessed,
        results=results,
        content={**source.content, "cropped": {"source": source.name}},
        schema=source.schema,
        table=source.table,
        copied=_copied(raw, preprocessed, source),
        n_folds=len(read_folds(splits)) if splits.exists() else n_folds,
        images=source.images,
        cropped_from=source,
    )


def _name_of(dataset: str, source: Dataset) -> str:
    if not dataset.isdigit():
        if not paths.is_dataset_name(dataset):
            raise StudyError(
                f"'{dataset}': expected an id from 1 to 999 that is free, or a name such as "
                f"Dataset048_{source.name[11:]}Cropped"
            )
        return dataset
    if not 1 <= int(dataset) <= 999:
        raise StudyError(f"id {dataset}: expected a number from 1 to 999 that is free")
    return f"Dataset{int(dataset):03d}_{source.name[11:]}Cropped"


def _check_origin(raw: Path, source: Dataset) -> None:
    remedy = "Delete the folder, or choose another id."
    content = read_json_object(raw / paths.DATASET_JSON, DatasetError, remedy)
    cropped = content.get("cropped")
    origin = cropped.get("source") if isinstance(cropped, dict) else None
    if origin != source.name:
        what = f"crops of {origin}" if origin else "no crops"
        raise StudyError(
            f"{raw} exists and holds {what}; expected crops of {source.name}, or nothing. Choose "
            "another id"
        )


def _copied(raw: Path, preprocessed: Path, source: Dataset) -> str | None:
    """Return the fingerprint of the copied demographics; the source's if they are the crops'."""
    if not raw.exists() or not (preprocessed / paths.DEMOGRAPHICS_CSV).is_file():
        return None
    copied = table_fingerprint(preprocessed)
    return source.table if copied == table_fingerprint(raw) else copied
