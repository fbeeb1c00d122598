"""The one place that writes an nnU-Net dataset.

A converter says what the dataset is (:class:`DatasetDescription`), how each case is read
(:class:`CaseJob`), who the cases are from (a table and its :class:`Schema`), and what it left
out (:class:`ConversionLog`). :func:`write_dataset` does the rest::

    .Dataset042_Lungs.partial/      while it is being written
        dataset/                    becomes Dataset042_Lungs at the very end
        records/                    one small file per finished case: what a rerun can skip

The finished folder appears only when it is complete. A killed run is continued by the same
command: cases whose record carries the same settings and whose files are unchanged are kept,
everything else is written again, and what does not belong there is removed.
"""

import json
import logging
import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from nnunetv2_fair import __version__
from nnunetv2_fair.dataset_conversion.writing.case_files import (
    PICTURE_ENDINGS,
    VOLUME_ENDINGS,
    CaseJob,
    CaseRecord,
    WriteOrder,
    write_case,
)
from nnunetv2_fair.dataset_conversion.writing.log import (
    LOG_JSON,
    LOG_TXT,
    UNKNOWN,
    ConversionLog,
    log_text,
)
from nnunetv2_fair.dataset_conversion.writing.safe_names import (
    is_safe_case,
    is_safe_dataset_name,
    repeated,
)
from nnunetv2_fair.errors import ConversionError, DemographicsError, shorten, shorten_lines
from nnunetv2_fair.files.atomic import publish_folder, write_text
from nnunetv2_fair.files.pool import map_unordered
from nnunetv2_fair.paths import (
    DATASET_JSON,
    DEMOGRAPHICS_CSV,
    PREPROCESSED,
    RAW,
    RESULTS,
    environment_folder,
)
from nnunetv2_fair.subgroups.schema import CASE, PATIENT, SYNTHETIC, Schema
from nnunetv2_fair.subgroups.table import check_table, write_table

logger = logging.getLogger(__name__)

_PARTS = ("train", "test")
_SUFFIX = {"train": "Tr", "test": "Ts"}


@dataclass(frozen=True)
class DatasetDescription:
    """What ``dataset.json`` says.

    Attributes:
        dataset_id: 1 to 999.
        name: Follows ``DatasetXXX_`` in the folder's name.
        channel_names: Name of each channel, in order. nnU-Net picks the normalisation by name:
            ``CT`` means something to it, most names mean z-scores.
        labels: Value of each label; ``background`` must be 0. With regions, a tuple of values.
        file_ending: ``.png`` for pictures, ``.nii.gz`` (or .nrrd, .mha) for volumes.
        regions_class_order: Needed with regions; see nnU-Net's documentation.
        licence: Terms of the original data.
        reference: Where the original data come from.
        release: Version of the original data.
        description: One sentence.
    """

    dataset_id: int
    name: str
    channel_names: tuple[str, ...]
    labels: Mapping[str, int | tuple[int, ...]]
    file_ending: str
    regions_class_order: tuple[int, ...] | None = None
    licence: str = "unknown"
    reference: str = ""
    release: str = ""
    description: str = ""

    @property
    def folder_name(self) -> str:
        """Name of the dataset's folder, such as ``Dataset042_Lungs``."""
        return f"Dataset{self.dataset_id:03d}_{self.name}"

    @property
    def values(self) -> tuple[int, ...]:
        """All values that masks may hold, ascending."""
        found: set[int] = set()
        for value in self.labels.values():
            found.update(value if isinstance(value, tuple) else (value,))
        return tuple(sorted(found))

    def to_json(self, n_training: int) -> dict[str, Any]:
        """Return the content of ``dataset.json`` (nnU-Net v2 format)."""
        content: dict[str, Any] = {
            "channel_names": {str(i): name for i, name in enumerate(self.channel_names)},
            "labels": {
                name: list(value) if isinstance(value, tuple) else value
                for name, value in self.labels.items()
            },
            "numTraining": n_training,
            "file_ending": self.file_ending,
            "name": self.folder_name,
            "description": self.description,
            "licence": self.licence,
            "reference": self.reference,
            "release": self.release,
            "converted_by": f"nnunetv2_fair {__version__}",
        }
        if self.regions_class_order is not None:
            content["regions_class_order"] = list(self.regions_class_order)
        return content

    def problems(self) -> list[str]:
        """Return what is wrong with the description, in words.

        Id and name are up to :func:`target_problems`.
        """
        found = []
        if not self.channel_names:
            found.append("there are no channels")
        if self.file_ending not in PICTURE_ENDINGS + VOLUME_ENDINGS:
            known = ", ".join(PICTURE_ENDINGS + VOLUME_ENDINGS)
            found.append(f"file ending '{self.file_ending}': expected one of {known}")
        if self.labels.get("background") != 0:
            found.append("labels: 'background' must be 0")
        if len(self.labels) < 2:
            found.append("labels: at least one besides 'background' is needed")
        if self.values != tuple(range(len(self.values))):
            found.append(
                f"labels have the values {shorten(self.values, 20)}; nnU-Net needs 0, 1, 2 and so "
                "on without gaps. Map the values of the masks"
            )
        regions = any(isinstance(value, tuple) for value in self.labels.values())
        if regions != (self.regions_class_order is not None):
            found.append("regions need regions_class_order, and plain labels must not have it")
        return found


@dataclass(frozen=True)
class DatasetPlan:
    """Everything that :func:`write_dataset` needs.

    Attributes:
        description: What the dataset is.
        jobs: Its cases.
        demographics: Columns ``case``, ``patient``, optionally ``synthetic``, then the
            attributes; text, empty where unknown. One row per job.
        schema: What the attributes mean.
        log: What the converter left out and changed.
        further_masks: Beginnings of the folders that the jobs' further masks go to.
        files: Text of further files in the dataset's folder, by name.
    """

    description: DatasetDescription
    jobs: Sequence[CaseJob]
    demographics: pd.DataFrame
    schema: Schema
    log: ConversionLog = field(default_factory=lambda: ConversionLog("nnunetv2_fair"))
    further_masks: tuple[str, ...] = ()
    files: Mapping[str, str] = field(default_factory=dict)

    def cases(self, part: str) -> list[str]:
        """Return the cases of ``train`` or ``test``."""
        return [job.case for job in self.jobs if job.part == part]


def raw_folder(output: Path | None) -> Path:
    """Return where datasets are written: ``output`` if given, else ``nnUNet_raw``.

    Raises:
        DatasetError: If neither is set.
    """
    return output if output is not None else environment_folder(RAW)


def plan_problems(plan: DatasetPlan, raw: Path, *, overwrite: bool = False) -> list[str]:
    """Return every reason not to write, in words; nothing is changed on disk.

    Args:
        plan: What to write.
        raw: Folder of the datasets (``nnUNet_raw``); it need not exist.
        overwrite: Whether a dataset of the same name may be replaced.
    """
    problems = plan.description.problems()
    problems += target_problems(
        plan.description.dataset_id, plan.description.name, raw, overwrite=overwrite
    )
    problems += _case_problems(plan)
    problems += _space_problems(plan, raw)
    return problems


def write_dataset(
    plan: DatasetPlan, raw: Path, *, processes: int = 1, overwrite: bool = False
) -> Path:
    """Write a dataset, or resume one whose writing was interrupted.

    Args:
        plan: What to write.
        raw: Folder of the datasets (``nnUNet_raw``); made if absent.
        processes: How many processes write cases.
        overwrite: Replace a dataset of the same name. The old one stays until the new is whole.

    Returns:
        The dataset's folder. Every file in it was read back and compared.

    Raises:
        ConversionError: If anything prevents writing (all of it is listed, and nothing is
            written), or if a case cannot be read or written (finished cases are kept for the
            next run).
    """
    problems = plan_problems(plan, raw, overwrite=overwrite)
    if problems:
        raise ConversionError(
            f"{plan.description.folder_name} was not written:\n{shorten_lines(problems)}"
        )
    target = raw / plan.description.folder_name
    work = raw / f".{target.name}.partial"
    dataset, records = work / "dataset", work / "records"
    try:
        for folder in (dataset, records):
            folder.mkdir(parents=True, exist_ok=True)
        _remove_strangers(plan, dataset, records)
        done = _write_cases(plan, dataset, records, processes)
        _write_descriptions(plan, dataset, done)
        _verify_complete(plan, dataset, done)
        publish_folder(dataset, target)
        shutil.rmtree(work, ignore_errors=True)
    except OSError as error:
        raise ConversionError(
            f"{error.filename or work}: {error.strerror or error}. {target.name} is not finished; "
            f"what is done stays in {work}. Make {raw} writable with enough free space "
            f"({_gigabytes(shutil.disk_usage(_existing(raw)).free)} free now) and run the same "
            "command again: it resumes where it stopped."
        ) from error
    _warn_of_old_preprocessing(target.name)
    return target


def target_problems(dataset_id: int, name: str, raw: Path, *, overwrite: bool = False) -> list[str]:
    """Return the reasons why a dataset of that id and name cannot be written there, in words.

    Args:
        dataset_id: 1 to 999.
        name: Follows ``DatasetXXX_``.
        raw: Folder of the datasets (``nnUNet_raw``); it need not exist.
        overwrite: Whether a dataset of the same name may be replaced.
    """
    problems = []
    if not 1 <= dataset_id <= 999:
        problems.append(f"dataset id {dataset_id}: expected a number from 1 to 999 (-d)")
    if not is_safe_dataset_name(name):
        problems.append(
            f"dataset name '{name}': expected letters, digits, minus and underscore only (-n)"
        )
    folder_name = f"Dataset{dataset_id:03d}_{name}"
    target = raw / folder_name
    if target.exists() and not overwrite:
        problems.append(
            f"{target} already exists. Choose another id (-d), or add --overwrite to replace it"
        )
    folders = {RAW: raw}
    for variable in (PREPROCESSED, RESULTS):
        if os.environ.get(variable, "").strip():
            folders[variable] = environment_folder(variable)
    for variable, folder in folders.items():
        others = sorted(
            path.name
            for path in folder.glob(f"Dataset{dataset_id:03d}_*")
            if path.name != folder_name
        )
        if others:
            problems.append(
                f"dataset id {dataset_id} is taken by {shorten(others)} in {variable} "
                f"({folder}); nnU-Net needs one name per id. Choose another id (-d)"
            )
    parent = _existing(raw)
    if not parent.is_dir():
        problems.append(f"{parent} is a file; {raw} cannot be made there. Name a folder (-o)")
    elif not os.access(parent, os.W_OK | os.X_OK):
        problems.append(
            f"{parent} is read-only for this user. Change its permissions (chmod u+w {parent}) or "
            "name another folder (-o, or the environment variable nnUNet_raw)"
        )
    return problems


def _existing(folder: Path) -> Path:
    """Return the folder, or its nearest parent that exists."""
    folder = folder.absolute()
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    return folder


def _case_problems(plan: DatasetPlan) -> list[str]:
    problems = []
    names = [job.case for job in plan.jobs]
    unsafe = [name for name in names if not is_safe_case(name)]
    if unsafe:
        problems.append(
            f"case names {shorten(map(repr, unsafe))}: expected letters, digits, dot, minus and "
            "underscore only, beginning with a letter or digit"
        )
    twice = repeated(names)
    if twice:
        problems.append(f"case names occur more than once: {shorten(twice)}")
    if not plan.cases("train"):
        problems.append("there is no training case; nnU-Net cannot train without one")
    rows = set(plan.demographics[CASE])
    if set(names) != rows:
        without, extra = sorted(set(names) - rows), sorted(rows - set(names))
        if without:
            problems.append(f"{len(without)} cases have no demographics row: {shorten(without)}")
        if extra:
            problems.append(f"{len(extra)} demographics rows have no case: {shorten(extra)}")
    else:
        problems += _shared_patients(plan)
        try:
            check_table(plan.demographics, plan.schema, Path(DEMOGRAPHICS_CSV))
        except DemographicsError as error:
            problems.append(str(error))
    return problems


def _shared_patients(plan: DatasetPlan) -> list[str]:
    patient_of = dict(zip(plan.demographics[CASE], plan.demographics[PATIENT], strict=True))
    train, test = ({patient_of[case] for case in plan.cases(part)} for part in _PARTS)
    shared = sorted(train & test)
    if not shared:
        return []
    return [
        f"{len(shared)} patients have cases in both training and test part: {shorten(shared)}; "
        "results on such a test part would be too good. Put all cases of a patient in one part"
    ]


def _space_problems(plan: DatasetPlan, raw: Path) -> list[str]:
    needed = sum(job.n_bytes for job in plan.jobs)
    work = raw / f".{plan.description.folder_name}.partial"
    if work.is_dir():
        needed -= sum(path.stat().st_size for path in work.rglob("*") if path.is_file())
    free = shutil.disk_usage(_existing(raw)).free
    if needed <= free:
        return []
    return [
        f"{raw} has {_gigabytes(free)} free; the dataset may need up to {_gigabytes(needed)}. "
        "Free some space or name a folder on another disk (-o)"
    ]


def _gigabytes(n_bytes: int) -> str:
    return f"{n_bytes / 2**30:.3g} GiB"


def _remove_strangers(plan: DatasetPlan, dataset: Path, records: Path) -> None:
    """Remove files of an earlier attempt that the plan would not write."""
    ending = plan.description.file_ending
    expected = {
        f"{folder}{_SUFFIX[job.part]}/{job.case}{ending}"
        for job in plan.jobs
        for folder in ("labels", *plan.further_masks)
    }
    expected |= {
        f"images{_SUFFIX[job.part]}/{job.case}_{number:04d}{ending}"
        for job in plan.jobs
        for number in range(len(plan.description.channel_names))
    }
    for path in dataset.rglob("*"):
        if path.is_file() and path.relative_to(dataset).as_posix() not in expected:
            path.unlink()
    known = {f"{job.case}.json" for job in plan.jobs}
    for path in records.iterdir():
        if path.name not in known:
            path.unlink()


def write_orders(plan: DatasetPlan, dataset: Path, records: Path) -> list[WriteOrder]:
    """Return every case of a plan with what a worker has to know.

    Args:
        plan: What to write.
        dataset: Folder that gets imagesTr, labelsTr and so on.
        records: Folder that gets one small file per finished case.
    """
    description = plan.description
    ending, values = description.file_ending, description.values
    n_channels = len(description.channel_names)
    return [WriteOrder(job, dataset, records, ending, n_channels, values) for job in plan.jobs]


def _write_cases(
    plan: DatasetPlan, dataset: Path, records: Path, processes: int
) -> dict[str, CaseRecord]:
    description = plan.description
    orders = write_orders(plan, dataset, records)
    begun = sum(1 for order in orders if order.record.is_file())
    if begun:
        logger.info("Resuming an interrupted conversion: %d cases were already written.", begun)
    done: dict[str, CaseRecord] = {}
    problems = []
    for order, result in map_unordered(write_case, orders, processes, "writing"):
        if isinstance(result, str):
            problems.append(result)
        else:
            done[order.job.case] = result
    if problems:
        raise ConversionError(
            f"{description.folder_name} is not finished, {len(problems)} cases failed (the others "
            f"are kept for the next run):\n{shorten_lines(sorted(problems))}"
        )
    return done


def _write_descriptions(plan: DatasetPlan, dataset: Path, done: Mapping[str, CaseRecord]) -> None:
    content = plan.description.to_json(len(plan.cases("train")))
    write_text(dataset / DATASET_JSON, json.dumps(content, indent=2, ensure_ascii=False) + "\n")
    try:
        write_table(plan.demographics, plan.schema, dataset)
    except DemographicsError as error:
        raise ConversionError(str(error)) from error
    for name, text in plan.files.items():
        write_text(dataset / name, text)
    log = plan.log.to_dict(written_counts(plan))
    log["notes"] = [*log["notes"], *_label_notes(plan, done)]
    for note in _label_notes(plan, done):
        logger.warning("Note: %s", note)
    write_text(dataset / LOG_JSON, json.dumps(log, indent=2, ensure_ascii=False) + "\n")
    write_text(dataset / LOG_TXT, log_text(log))


def written_counts(plan: DatasetPlan) -> dict[str, Any]:
    """Return name, version, and counts of cases, patients and groups of each part."""
    frame = plan.demographics.set_index(CASE)
    parts = {part: frame.loc[plan.cases(part)] for part in _PARTS}
    groups: dict[str, Any] = {}
    for attribute in plan.schema.attributes.values():
        if not attribute.groups:
            continue
        groups[attribute.name] = {}
        for part, rows in parts.items():
            found = [attribute.group_of(value) or UNKNOWN for value in rows[attribute.name]]
            names = [*attribute.groups, *([UNKNOWN] if UNKNOWN in found else [])]
            groups[attribute.name][part] = {name: found.count(name) for name in names}
    return {
        "version": f"nnunetv2_fair {__version__}",
        "dataset": plan.description.folder_name,
        "cases": {part: _numbers(rows) for part, rows in parts.items()},
        "groups": groups,
    }


def _numbers(rows: pd.DataFrame) -> dict[str, int]:
    """Return counts of cases and of people; a synthetic case is of no person."""
    if SYNTHETIC not in rows:
        return {"cases": len(rows), "patients": int(rows[PATIENT].nunique())}
    real = rows[rows[SYNTHETIC] != "1"]
    return {
        "cases": len(rows),
        "patients": int(real[PATIENT].nunique()),
        "synthetic": len(rows) - len(real),
    }


def _label_notes(plan: DatasetPlan, done: Mapping[str, CaseRecord]) -> list[str]:
    """Return what the masks lack, for the log."""
    notes = []
    train = plan.cases("train")
    for name, value in plan.description.labels.items():
        wanted = set(value) if isinstance(value, tuple) else {value}
        if name not in ("background", "ignore") and not any(
            wanted & set(done[case].values) for case in train
        ):
            notes.append(f"label '{name}' occurs in no training mask; it cannot be learnt")
    empty = sorted(case for case, record in done.items() if not any(record.values))
    if empty:
        notes.append(f"{len(empty)} masks hold nothing but background: {shorten(empty)}")
    return notes


def _verify_complete(plan: DatasetPlan, dataset: Path, done: Mapping[str, CaseRecord]) -> None:
    expected = {name for record in done.values() for name in record.files}
    present = {
        path.relative_to(dataset).as_posix()
        for path in dataset.glob("*/*")
        if path.name.endswith(plan.description.file_ending)
    }
    if expected != present:
        raise ConversionError(
            f"{dataset} changed while it was written: missing "
            f"{shorten(sorted(expected - present)) or 'none'}, unexpected "
            f"{shorten(sorted(present - expected)) or 'none'}. Is the same conversion running "
            "twice? Let one finish, then run the command again."
        )


def _warn_of_old_preprocessing(name: str) -> None:
    if os.environ.get(PREPROCESSED, "").strip():
        folder = environment_folder(PREPROCESSED) / name
        if folder.is_dir():
            logger.warning(
                "%s was made from an earlier version of this dataset. Remove it, then plan and "
                "preprocess again.",
                folder,
            )
