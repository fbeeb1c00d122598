"""TUSC, the Stanford thyroid ultrasound cine-clips: every fifth frame of each clip.

    FOLDER/dataset.hdf5   all frames of all clips, one clip per nodule
    FOLDER/metadata.csv   one row per nodule

Source: Stanford AIMI, doi:10.71718/7m5n-rh16. Every fifth frame, 7:3, age groups below 50 and
from 50 on: the APPLE paper, npj Digital Medicine 2025, doi:10.1038/s41746-025-01641-y.
"""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import pandas as pd

from nnunetv2_fair.dataset_conversion.shared.holdout import choose_test_patients
from nnunetv2_fair.dataset_conversion.shared.metadata import Metadata, Row
from nnunetv2_fair.dataset_conversion.tusc.frames import (
    Contents,
    FrameCase,
    read_contents,
)
from nnunetv2_fair.dataset_conversion.tusc.table import read_nodules, rows_by_clip
from nnunetv2_fair.dataset_conversion.writing.case_files import CaseJob, fingerprint
from nnunetv2_fair.dataset_conversion.writing.dataset_plan import DatasetDescription, DatasetPlan
from nnunetv2_fair.dataset_conversion.writing.foreground_search import all_masks_empty
from nnunetv2_fair.dataset_conversion.writing.log import ConversionLog, Skipped
from nnunetv2_fair.dataset_conversion.writing.safe_names import case_name_problems, safe_case_name
from nnunetv2_fair.errors import ConversionError, UsageError, counted, shorten, shorten_lines
from nnunetv2_fair.subgroups.schema import CASE, PATIENT, Schema
from nnunetv2_fair.tables.settings import TableSettings, explained

logger = logging.getLogger(__name__)

FRAMES_FILE = "dataset.hdf5"
TABLE = "metadata.csv"

NO_ROW = "clip without a row in the table"
NO_FRAMES = "row in the table without frames"


@dataclass(frozen=True)
class TuscSettings:
    """What to convert, and how.

    Attributes:
        folder: Holds the two files.
        dataset_id: 1 to 999.
        name: Follows ``DatasetXXX_``.
        table: Table file, relative to ``folder`` or absolute; None: ``metadata.csv``.
        every: Take the first of this many frames, starting again in each clip.
        size: (rows, columns) of all frames; None keeps theirs.
        test_ratio: Share of clips for the test part.
        seed: Seed of the choice of the test part.
        reading: What the user says about the table, besides what is known of TUSC's.
        unpaired: ``error`` refuses clips without a row and vice versa, ``skip`` leaves them out.
    """

    folder: Path
    dataset_id: int
    name: str = "TUSC"
    table: Path | None = None
    every: int = 5
    size: tuple[int, int] | None = None
    test_ratio: float = 0.3
    seed: int = 0
    reading: TableSettings = field(default_factory=TableSettings)
    unpaired: Literal["error", "skip"] = "error"


@dataclass(frozen=True)
class _Frame:
    """A frame that becomes a case."""

    index: int
    clip: str
    case: str


def plan_tusc(settings: TuscSettings) -> DatasetPlan:
    """Read the table and which clip each frame is from, choose frames and the test part.

    Args:
        settings: What to convert, and how.

    Returns:
        What :func:`~nnunetv2_fair.dataset_conversion.writing.writer.write_dataset` needs. Pixels
        are read once, when they are written.

    Raises:
        UsageError: If the settings make no sense.
        ConversionError: If anything is wrong with the data. Problems that can be found together are
            listed together.
    """
    _check_settings(settings)
    table, frames_file = _files(settings)
    metadata, rows, contents, problems = _read(table, frames_file, settings)
    frames, notes = choose_frames(contents, settings.every)
    clips = dict.fromkeys(contents.clips)
    without_row = [clip for clip in clips if clip not in rows]
    without_frames = [clip for clip in rows if clip not in clips]
    problems += case_name_problems({clip: clip_name(clip) for clip in clips})
    if settings.unpaired == "error":
        problems += _unpaired_problems(without_row, without_frames, table.name)
    frames = [frame for frame in frames if frame.clip in rows]
    if not frames and not problems:
        problems.append(f"no clip of {frames_file.name} has a row in {table.name}")
    if problems:
        raise _refusal(settings, problems, metadata.options)
    log = ConversionLog("nnUNetv2_fair_convert_TUSC", _plain(settings))
    log.notes = [
        *metadata.notes,
        *contents.notes,
        *notes,
        "the table names nodules, not patients (192 nodules of 167 patients in the published set): "
        "folds and test part are by clip, so a patient with two nodules can be on both sides, and "
        "counts of 'patients' are counts of clips",
    ]
    log.skipped = [Skipped(f"clip {clip}", NO_ROW) for clip in without_row]
    log.skipped += [
        Skipped(f"{table.name}, line {rows[clip].line}", NO_FRAMES, metadata.groups_of(rows[clip]))
        for clip in without_frames
    ]
    log.renamed = {f"{frames_file.name}, frame {f.index}": f.case for f in frames}
    log.counts = {
        "frames found": len(contents.clips),
        "clips found": len(clips),
        "rows in the table": len(metadata.rows),
        "frames converted": len(frames),
        "clips converted": len({frame.clip for frame in frames}),
    }
    for note in log.notes:
        logger.info("Note: %s", note)
    test = _test_clips({frame.clip: rows[frame.clip] for frame in frames}, metadata, settings)
    jobs = _jobs(frames, test, contents, frames_file, settings)
    _refuse_empty_masks(jobs, frames_file)
    frame = _demographics(frames, rows, metadata.schema)
    return DatasetPlan(_description(settings), jobs, frame, metadata.schema, log)


def _check_settings(settings: TuscSettings) -> None:
    if settings.every < 1:
        raise UsageError(f"--every {settings.every}: expected 1 (all frames) or more.")
    if not 0 <= settings.test_ratio < 1:
        raise UsageError(f"--test-ratio {settings.test_ratio:g}: expected 0 or more, below 1.")
    if settings.size is not None and min(settings.size) < 1:
        raise UsageError(f"--resize {settings.size[0]} {settings.size[1]}: expected 1 or more.")


def _files(settings: TuscSettings) -> tuple[Path, Path]:
    folder = settings.folder
    if not folder.is_dir():
        raise ConversionError(f"{folder} does not exist or is not a folder (-i).")
    table = folder / (settings.table or TABLE)
    if settings.table is not None and not table.is_file() and settings.table.is_file():
        table = settings.table
    frames = folder / FRAMES_FILE
    missing = [path.name for path in (frames, table) if not path.is_file()]
    if missing:
        present = sorted(path.name for path in folder.iterdir())
        raise ConversionError(
            f"{folder} has no {' and no '.join(missing)}. Found there: "
            f"{shorten(present, 8) or 'nothing'}. Name the folder of the TUSC download (-i), which "
            f"holds {FRAMES_FILE} and {TABLE} (--table)."
        )
    return table, frames


def _read(
    table: Path, frames_file: Path, settings: TuscSettings
) -> tuple[Metadata, dict[str, Row], Contents, list[str]]:
    """Read both files; a damaged one does not hide what is wrong with the other."""
    problems: list[str] = []
    rows: dict[str, Row] = {}
    metadata, contents = None, None
    try:
        metadata = read_nodules(table, settings.reading)
        rows, repeated = rows_by_clip(metadata)
        problems += [*metadata.problems, *repeated]
    except ConversionError as error:
        problems.append(str(error))
    try:
        contents = read_contents(frames_file)
    except ConversionError as error:
        problems.append(str(error))
    if metadata is None or contents is None:
        raise _refusal(settings, problems)
    return metadata, rows, contents, problems


def _refusal(settings: TuscSettings, problems: Sequence[str], options: str = "") -> ConversionError:
    listed = shorten_lines(problems, 30)
    if options:
        listed += f"\nTo read the data so, add to the command: {options}"
    return ConversionError(f"{settings.folder} cannot be converted:\n{listed}")


def choose_frames(contents: Contents, every: int) -> tuple[list[_Frame], list[str]]:
    """Return every n-th frame of each clip, in the order of the file, and what was decided.

    A clip's frames are ordered by their number, and the first is always taken; where numbers are
    absent or repeated, the order of the file counts.

    Args:
        contents: Clips and numbers of all frames.
        every: n.
    """
    members: dict[str, list[int]] = {}
    for index, clip in enumerate(contents.clips):
        members.setdefault(clip, []).append(index)
    chosen = []
    repeated = []
    for clip, indices in members.items():
        if contents.frame_numbers is not None:
            numbers = [contents.frame_numbers[index] for index in indices]
            if len(set(numbers)) < len(numbers):
                repeated.append(clip)
            else:
                indices = [index for _, index in sorted(zip(numbers, indices, strict=True))]
        name = clip_name(clip)
        chosen += [
            _Frame(indices[rank], clip, f"{name}_frame{rank:03d}")
            for rank in range(0, len(indices), every)
        ]
    notes = []
    if repeated:
        notes.append(
            f"frame numbers repeat in {counted(len(repeated), 'clip')} ({shorten(repeated)}); "
            "their frames are in the order of the file"
        )
    return sorted(chosen, key=lambda frame: frame.index), notes


def clip_name(clip: str) -> str:
    """Return how a clip is called in the dataset: ``clip012`` for 12."""
    return safe_case_name(f"clip{int(clip):03d}" if clip.isdecimal() else f"clip_{clip}")


def _unpaired_problems(
    without_row: Sequence[str], without_frames: Sequence[str], table: str
) -> list[str]:
    problems = []
    remedy = f"Complete the download or correct {table}, or leave such clips out: --unpaired skip"
    if without_row:
        problems.append(f"{NO_ROW}: {shorten(without_row, 8)}. {remedy}")
    if without_frames:
        problems.append(f"{NO_FRAMES}: {shorten(without_frames, 8)}. {remedy}")
    return problems


def _test_clips(rows: Mapping[str, Row], metadata: Metadata, settings: TuscSettings) -> set[str]:
    """Return the clips of the test part, stratified by sex and age."""
    attributes = [metadata.schema[name] for name in ("sex", "age")]
    strata = {
        clip: tuple(a.group_of(row.values[a.name]) or "" for a in attributes)
        for clip, row in rows.items()
    }
    return choose_test_patients(strata, settings.test_ratio, settings.seed)


def _jobs(
    frames: Sequence[_Frame],
    test: set[str],
    contents: Contents,
    path: Path,
    settings: TuscSettings,
) -> list[CaseJob]:
    rows, columns = settings.size or contents.shape
    # 36 GB, of which nothing but a hash of all of it would tell a change for certain
    state = path.stat()
    file = fingerprint(path.name, state.st_size, state.st_mtime_ns)
    return [
        CaseJob(
            frame.case,
            "test" if frame.clip in test else "train",
            FrameCase(path, frame.index, contents.cache_bytes, settings.size),
            fingerprint(file, frame.index, settings.size),
            2 * rows * columns,
            f"{path.name}, frame {frame.index}",
        )
        for frame in frames
    ]


def _refuse_empty_masks(jobs: Sequence[CaseJob], path: Path) -> None:
    """Refuse masks without foreground."""
    if not all_masks_empty(jobs, "nodules"):
        return
    raise ConversionError(
        f"{path}: the masks of all {len(jobs)} chosen frames hold nothing but 0, so there is "
        "nothing to learn. Was the file written completely? Download it again."
    )


def _demographics(
    frames: Sequence[_Frame], rows: Mapping[str, Row], schema: Schema
) -> pd.DataFrame:
    columns = {
        CASE: [frame.case for frame in frames],
        PATIENT: [clip_name(frame.clip) for frame in frames],
    }
    for name in schema.attributes:
        columns[name] = [rows[frame.clip].values[name] for frame in frames]
    return pd.DataFrame(columns, dtype=object)


def _plain(settings: TuscSettings) -> dict[str, object]:
    """Return what was chosen, without paths of this machine."""
    chosen: dict[str, object] = {
        "folder": settings.folder.absolute().name,
        "table": None if settings.table is None else settings.table.name,
        "every": settings.every,
        "size": settings.size,
        "test_ratio": settings.test_ratio,
        "seed": settings.seed,
        **explained(settings.reading),
        "unpaired": settings.unpaired,
    }
    return {name: value for name, value in chosen.items() if value not in (None, [], {})}


def _description(settings: TuscSettings) -> DatasetDescription:
    return DatasetDescription(
        settings.dataset_id,
        settings.name,
        ("ultrasound",),
        {"background": 0, "nodule": 1},
        ".png",
        licence="Stanford University Dataset Research Use Agreement (non-commercial research)",
        reference="https://doi.org/10.71718/7m5n-rh16",
        release="Thyroid Ultrasound Cine-clip",
        description="Thyroid nodules in frames of ultrasound cine-clips",
    )
