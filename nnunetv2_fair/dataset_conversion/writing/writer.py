"""The one place that writes an nnU-Net dataset.

A converter says what the dataset is (:class:`DatasetDescription`), how each case is read
(:class:`CaseJob`), who the cases are from (a table and its :class:`Schema`), and what it left
out (:class:`ConversionLog`). :func:`write_dataset` does the rest::

    .Dataset042_Lungs.partial/      while it is being written, by one process at a time
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
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from nnunetv2_fair import __version__
from nnunetv2_fair.dataset_conversion.writing.case_files import (
    CaseRecord,
    WriteOrder,
    write_case,
)
from nnunetv2_fair.dataset_conversion.writing.dataset_plan import PARTS, DatasetPlan
from nnunetv2_fair.dataset_conversion.writing.log import (
    LOG_TXT,
    UNKNOWN,
    log_text,
)
from nnunetv2_fair.dataset_conversion.writing.plan_problems import (
    gigabytes,
    plan_problems,
)
from nnunetv2_fair.errors import ConversionError, DemographicsError, counted, shorten, shorten_lines
from nnunetv2_fair.files.atomic import nearest_existing, remove_unfinished, write_text
from nnunetv2_fair.files.fingerprints import file_hash, text_hash
from nnunetv2_fair.files.locks import LOCK
from nnunetv2_fair.files.outputs import CONTENT, clean_up, made_beside, publish, workplace
from nnunetv2_fair.files.pool import map_unordered
from nnunetv2_fair.paths import (
    CONVERSION_LOG_JSON,
    DATASET_JSON,
    DEMOGRAPHICS_CSV,
    DEMOGRAPHICS_JSON,
    PREPARED_JSON,
    PREPROCESSED,
    RAW,
    SPLITS_JSON,
    environment_folder,
)
from nnunetv2_fair.subgroups.schema import CASE, PATIENT, SYNTHETIC
from nnunetv2_fair.subgroups.table import table_texts, write_table

logger = logging.getLogger(__name__)

_SUFFIX = {"train": "Tr", "test": "Ts"}


def raw_folder(output: Path | None) -> Path:
    """Return where datasets are written: ``output`` if given, else ``nnUNet_raw``.

    Raises:
        DatasetError: If neither is set.
    """
    return output if output is not None else environment_folder(RAW)


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
        InUseError: If another process is writing this dataset.
    """
    target = raw / plan.description.folder_name
    work = workplace(target)
    dataset, records = work / CONTENT, work / "records"
    try:
        clean_up(target)
        _check(plan, raw, overwrite=overwrite)
        with made_beside(target):
            _check(plan, raw, overwrite=overwrite)  # another may have just finished
            for folder in (dataset, records):
                folder.mkdir(parents=True, exist_ok=True)
            _remove_strangers(plan, dataset, records)
            done = _write_cases(plan, dataset, records, processes)
            described = _write_descriptions(plan, dataset, done)
            _verify_complete(plan, dataset, done, described)
            remove_unfinished(dataset)
            publish(target)
    except OSError as error:
        raise ConversionError(
            f"{error.filename or work}: {error.strerror or error}. {target.name} is not finished; "
            f"what is done stays in {work}. Make {raw} writable with enough free space "
            f"({gigabytes(shutil.disk_usage(nearest_existing(raw)).free)} free now) and run the "
            "same command again: it resumes where it stopped."
        ) from error
    _warn_of_old_preprocessing(target.name)
    return target


def _check(plan: DatasetPlan, raw: Path, *, overwrite: bool) -> None:
    problems = plan_problems(plan, raw, overwrite=overwrite)
    if problems:
        raise ConversionError(
            f"{plan.description.folder_name} was not written:\n{shorten_lines(problems)}"
        )


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
        # links are removed, not followed
        named = path.relative_to(dataset).as_posix() in expected
        if path.is_symlink() or (path.is_file() and not named):
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
            f"{description.folder_name} is not finished, {counted(len(problems), 'case')} failed "
            f"(the others are kept for the next run):\n{shorten_lines(sorted(problems))}"
        )
    return done


def _write_descriptions(
    plan: DatasetPlan, dataset: Path, done: Mapping[str, CaseRecord]
) -> dict[str, str]:
    """Write what describes the dataset; return the hash of each file by its name."""
    log = plan.log.to_dict(written_counts(plan))
    log["notes"] = [*log["notes"], *_label_notes(plan, done)]
    for note in _label_notes(plan, done):
        logger.warning("Note: %s", note)
    content = plan.description.to_json(len(plan.cases("train")))
    texts = {
        DATASET_JSON: json.dumps(content, indent=2, ensure_ascii=False) + "\n",
        **plan.files,
        CONVERSION_LOG_JSON: json.dumps(log, indent=2, ensure_ascii=False) + "\n",
        LOG_TXT: log_text(log),
    }
    for name, text in texts.items():
        write_text(dataset / name, text)
    try:
        write_table(plan.demographics, plan.schema, dataset)
    except DemographicsError as error:
        raise ConversionError(str(error)) from error
    texts |= table_texts(plan.demographics, plan.schema)
    return {name: text_hash(text) for name, text in texts.items()}


def written_counts(plan: DatasetPlan) -> dict[str, Any]:
    """Return name, version, and counts of cases, patients and groups of each part."""
    frame = plan.demographics.set_index(CASE)
    parts = {part: frame.loc[plan.cases(part)] for part in PARTS}
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
        notes.append(
            f"{counted(len(empty), 'mask is', 'masks are')} empty (nothing but background): "
            f"{shorten(empty)}. {_by_group(plan, empty)}".rstrip()
        )
    return notes


def _by_group(plan: DatasetPlan, cases: Sequence[str]) -> str:
    """Return how many of each group's cases these are: masks that failed may all be of one."""
    rows = plan.demographics.set_index(CASE)
    texts = []
    for attribute in plan.schema.attributes.values():
        if not attribute.groups:
            continue
        groups = {case: attribute.group_of(v) for case, v in rows[attribute.name].items()}
        of_all, of_these = Counter(groups.values()), Counter(groups[case] for case in cases)
        shares = ", ".join(f"{g} {of_these[g]} of {of_all[g]}" for g in attribute.groups)
        texts.append(f"By {attribute.name}: {shares}.")
    return " ".join(texts)


def _verify_complete(
    plan: DatasetPlan,
    dataset: Path,
    done: Mapping[str, CaseRecord],
    described: Mapping[str, str],
) -> None:
    """Read every file once more before it is published: all are of this run, none of another."""
    images = {name: sha for record in done.values() for name, sha in record.files.items()}
    present = {
        path.relative_to(dataset).as_posix()
        for path in dataset.glob("*/*")
        if path.name.endswith(plan.description.file_ending)
    }
    expected = {**images, **described}
    changed = sorted(name for name, sha in expected.items() if _hash(dataset / name) != sha)
    unexpected = sorted(present - images.keys())
    if changed or unexpected:
        raise ConversionError(
            f"{dataset} changed while it was written: absent or with other content "
            f"{shorten(changed) or 'none'}, unexpected {shorten(unexpected) or 'none'}. Is the "
            "same conversion running twice, on another machine perhaps? Let one finish, then run "
            "the command again."
        )


def _hash(path: Path) -> str | None:
    try:
        return file_hash(path)
    except FileNotFoundError:
        return None


def _warn_of_old_preprocessing(name: str) -> None:
    if os.environ.get(PREPROCESSED, "").strip():
        folder = environment_folder(PREPROCESSED) / name
        # carried over or made by nnUNetv2_fair_prepare, which looks at the new dataset again; a
        # study holds the folder's lock
        ours = {LOCK, SPLITS_JSON, DEMOGRAPHICS_CSV, DEMOGRAPHICS_JSON, PREPARED_JSON}
        if folder.is_dir() and {path.name for path in folder.iterdir()} - ours:
            logger.warning(
                "%s was made from an earlier version of this dataset. Remove it, then plan and "
                "preprocess again.",
                folder,
            )
