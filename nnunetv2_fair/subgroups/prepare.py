"""From a raw dataset's demographics to what training reads: the checked table and the folds."""

import shutil
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from nnunetv2_fair import paths
from nnunetv2_fair.errors import DatasetError, DemographicsError, FairError, shorten
from nnunetv2_fair.files.atomic import existing, filled_together
from nnunetv2_fair.files.json_files import read_json_object
from nnunetv2_fair.files.locks import LOCK, locked
from nnunetv2_fair.subgroups.folds import check_folds, read_folds
from nnunetv2_fair.subgroups.groups import Grouping, group_cases
from nnunetv2_fair.subgroups.origin import origin_text
from nnunetv2_fair.subgroups.schema import read_schema
from nnunetv2_fair.subgroups.splits import Fold, folds_text, make_folds, missing_groups
from nnunetv2_fair.subgroups.table import (
    DemographicsTable,
    check_against_cases,
    missing_file,
    read_table,
    table_texts,
)
from nnunetv2_fair.tables.remedy import options_of
from nnunetv2_fair.tables.settings import TableSettings

#: The table needs no explanation besides its dictionary.
_AS_IT_IS = TableSettings()

#: Patients per fold that joint groups keep on average if no attribute is given: folds
#: distribute patients, and with one per fold a group below the average is absent from some.
_PATIENTS_PER_FOLD = 2


@dataclass(frozen=True)
class PreparedDataset:
    """What :func:`prepare_dataset` found and wrote.

    Attributes:
        name: Of the dataset, such as ``Dataset042_Lungs``.
        folder: Its folder in ``nnUNet_preprocessed``, with table, dictionary and folds.
        table: The demographics.
        grouping: Groups that the folds are stratified by.
        train: Training cases.
        test: Test cases.
        folds: The folds that training will use.
        kept: Whether they existed before and are kept.
        warnings: What users should know about the folds: sentences without a full stop.
    """

    name: str
    folder: Path
    table: DemographicsTable
    grouping: Grouping
    train: Sequence[str]
    test: Sequence[str]
    folds: Sequence[Fold]
    kept: bool
    warnings: Sequence[str]

    @property
    def splits_file(self) -> Path:
        """The file with the folds."""
        return self.folder / paths.SPLITS_JSON


def prepare_dataset(
    dataset: str | int,
    attribute: str | None = None,
    *,
    n_folds: int = 5,
    seed: int = 12345,
    overwrite: bool = False,
    reading: TableSettings = _AS_IT_IS,
) -> PreparedDataset:
    """Check a raw dataset's demographics, copy them to ``nnUNet_preprocessed``, and make folds.

    Everything is checked before anything is written: a wrong table, fold or argument leaves all
    files as they were. Table, dictionary and folds are replaced together.

    Args:
        dataset: Id or name of a dataset in ``nnUNet_raw``.
        attribute: Attribute expression to stratify by; None: :func:`stratification` chooses.
        n_folds: Number of folds, at least 2.
        seed: Seed of the folds.
        overwrite: Whether to replace folds that exist; without it they are checked and kept.
        reading: What columns and cells of the table mean that are not as its dictionary has them;
            what is then read is written, instead of a copy.

    Raises:
        DatasetError: If the dataset, its images or existing folds are missing or wrong.
        DemographicsError: If the table does not match the images, the attribute is unknown, or
            there are too few patients for the folds.
    """
    raw = paths.raw_dataset(dataset)
    as_it_is = _read_raw_table(raw, reading)
    train, test = cases_of(raw)
    table = as_it_is.named_like({*train, *test})
    check_against_cases(table, [*train, *test], str(raw))
    grouping = group_cases(table, attribute or stratification(table, train, n_folds))
    folder = paths.preprocessed_dataset(raw.name)
    # two at once would leave the folds of one beside the table of the other
    with existing(folder), locked(folder / LOCK, wait=True):
        splits_file = folder / paths.SPLITS_JSON
        kept = splits_file.exists() and not overwrite
        if kept:
            folds = read_folds(splits_file)
            warnings = check_folds(folds, table, train, splits_file)
        else:
            warnings = _lost_balance(splits_file)
            folds = make_folds(table, grouping, train, n_folds, seed)
        warnings += missing_groups(grouping, folds, train)

        copied = [paths.DEMOGRAPHICS_CSV, paths.DEMOGRAPHICS_JSON]
        changed = reading != _AS_IT_IS or table is not as_it_is
        texts = table_texts(table.frame.reset_index(), table.schema) if changed else {}
        written = [*copied, paths.PREPARED_JSON, *([] if kept else [paths.SPLITS_JSON])]
        with filled_together(folder, written) as temporary:
            for name in copied:
                if changed:
                    (temporary / name).write_text(
                        texts[name], encoding="utf-8", errors="backslashreplace", newline=""
                    )
                else:
                    shutil.copyfile(raw / name, temporary / name)
            if not kept:
                (temporary / paths.SPLITS_JSON).write_text(
                    folds_text(folds), encoding="utf-8", errors="backslashreplace"
                )
            (temporary / paths.PREPARED_JSON).write_text(
                origin_text(raw), encoding="utf-8", errors="backslashreplace"
            )
        return PreparedDataset(
            raw.name, folder, table, grouping, train, test, folds, kept, warnings
        )


def _lost_balance(splits_file: Path) -> list[str]:
    """Return what is lost when folds are replaced, if they were balanced over groups."""
    with suppress(FairError, OSError):  # damaged ones are replaced as well
        for fold in read_folds(splits_file):
            if "balanced" in fold:
                of, by = fold["balanced"]["of"], fold["balanced"]["by"]
                return [
                    f"the folds that were replaced had been balanced over '{of}' by {by}, the new "
                    "ones are not (nnUNetv2_fair_balance)"
                ]
    return []


def _read_raw_table(raw: Path, reading: TableSettings) -> DemographicsTable:
    missing = missing_file(raw, options_of(reading))
    if missing is not None:
        raise DemographicsError(missing)
    schema = read_schema(raw / paths.DEMOGRAPHICS_JSON)
    return read_table(raw / paths.DEMOGRAPHICS_CSV, schema, reading)


def cases_of(raw: Path) -> tuple[list[str], list[str]]:
    """Return the training and test cases of a raw dataset, from its image files.

    Args:
        raw: Dataset folder in ``nnUNet_raw``.

    Raises:
        DatasetError: If dataset.json or imagesTr is missing or holds no cases.
    """
    expected = "Expected nnU-Net's dataset.json; convert the data again, or write it by hand."
    content = read_json_object(raw / paths.DATASET_JSON, DatasetError, expected)
    ending = content.get("file_ending")
    if not isinstance(ending, str):
        raise DatasetError(f'{raw / paths.DATASET_JSON} has no "file_ending". {expected}')
    suffix = f"_0000{ending}"
    found = [
        sorted(f.name.removesuffix(suffix) for f in (raw / part).glob(f"*{suffix}"))
        for part in ("imagesTr", "imagesTs")
    ]
    # nnU-Net takes the training cases from here if it is there: their files lie elsewhere
    listed = content.get("dataset")
    if isinstance(listed, dict):
        found[0] = sorted(map(str, listed))
    if not found[0]:
        raise DatasetError(
            f"{raw / 'imagesTr'} holds no image named <case>{suffix}, the first channel of a "
            "training case in nnU-Net's format. Convert the data first."
        )
    return found[0], found[1]


def stratification(table: DemographicsTable, cases: Sequence[str], n_folds: int) -> str:
    """Return the attributes to stratify by when the user names none.

    The default attribute first, then the others in the dictionary's order, each only if it
    leaves the joint groups on average two patients per fold. Only patients that can be distributed
    count: those with a real case of known joint group.

    Args:
        table: Demographics of at least ``cases``.
        cases: Training cases.
        n_folds: Number of folds.

    Raises:
        DemographicsError: If no attribute forms groups.
    """
    schema = table.schema
    order = sorted(schema.attributes, key=lambda name: name != schema.default)
    usable = [name for name in order if schema[name].groups]
    if not usable:
        raise DemographicsError(
            f"{table.source}: no attribute forms groups. Add levels or bins to one of "
            f"{shorten(schema.attributes)} in {paths.DEMOGRAPHICS_JSON}."
        )
    real = [case for case in cases if case not in table.synthetic_cases]
    patients = table.patients
    chosen = [usable[0]]
    for name in usable[1:]:
        joint = group_cases(table, "+".join([*chosen, name])).members(real)
        members = [group for group in joint.values() if group]
        n_patients = len({patients[case] for group in members for case in group})
        if members and n_patients >= _PATIENTS_PER_FOLD * n_folds * len(members):
            chosen.append(name)
    return "+".join(chosen)
