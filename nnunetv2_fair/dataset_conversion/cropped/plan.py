"""An nnU-Net dataset cropped around its references: what to write, checked before anything is.

All crops have one size: the longest box of a training case and a margin on every side. Test cases
have no say in it.

Source: Lee et al., MELBA 2025, section 4.7.
"""

import json
import logging
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from nnunetv2_fair.cropping.box import Box, Window
from nnunetv2_fair.cropping.organs import AXES, AXIS_NAMES, CropRule, rule_of_training
from nnunetv2_fair.dataset_conversion.cropped.survey import (
    CaseFacts,
    CroppedCase,
    SurveyOrder,
    share_outside,
    survey_case,
)
from nnunetv2_fair.dataset_conversion.shared.source import (
    SourceCase,
    SourceDataset,
    people_of,
    read_source,
    rows_of,
)
from nnunetv2_fair.dataset_conversion.writing.case_files import CaseJob, fingerprint
from nnunetv2_fair.dataset_conversion.writing.dataset_plan import (
    DatasetDescription,
    DatasetPlan,
    TargetOptions,
)
from nnunetv2_fair.dataset_conversion.writing.log import UNKNOWN, ConversionLog
from nnunetv2_fair.errors import ConversionError, UsageError, counted, shorten, shorten_lines
from nnunetv2_fair.files.fingerprints import text_hash
from nnunetv2_fair.files.pool import map_unordered
from nnunetv2_fair.paths import CROPS_JSON
from nnunetv2_fair.subgroups.table import DemographicsTable

logger = logging.getLogger(__name__)

#: How many times longer or shorter than those of training cases a box of a prediction may be.
PLAUSIBLE_FACTOR = 1.5
#: The slice axis has usually the largest spacing; less than this makes no difference.
_THICKER = 1.5
_NOTE = (
    "start: index of the crop's first voxel in the original image (negative: padding before it); "
    "size: voxels of the crop; shape: voxels of the original image; box: of the organ, from the "
    "first index to one more than the last. All along the axes of the array ([slices,] rows, "
    "columns). spacing_mm, origin_mm and direction are the original's, in the order x, y[, z]."
)


@dataclass(frozen=True)
class CropSettings:
    """What to crop, and how.

    Attributes:
        source: Folder of the dataset in ``nnUNet_raw``.
        dataset_id: Id of the cropped dataset.
        name: Follows ``DatasetXXX_``.
        labels: Labels that boxes are drawn around; none means all.
        margin: Voxels on every side of the longest training box.
        axes: ``xy`` or ``xyz``; with ``xy`` the slice axis stays whole.
        size: Size of all crops, (rows, columns) or (rows, columns, slices); None works it out.
        boxes: Folder of masks that say where the organ is, of all training or all test cases.
        jitter: Most voxels by which boxes of training cases are moved, at random.
        seed: Seed of that.
    """

    source: Path
    dataset_id: int
    name: str
    labels: tuple[str, ...] = ()
    margin: int = 5
    axes: str = "xy"
    size: tuple[int, ...] | None = None
    boxes: Path | None = None
    jitter: int = 0
    seed: int = 0


def plan_cropped(settings: CropSettings, processes: int = 1) -> DatasetPlan:
    """Look at all cases of a dataset, and decide how they are cropped.

    Args:
        settings: What to crop, and how.
        processes: How many processes read masks.

    Returns:
        What :func:`~nnunetv2_fair.dataset_conversion.writing.writer.write_dataset` needs.

    Raises:
        UsageError: If the settings make no sense.
        DatasetError: If the dataset is not there.
        DemographicsError: If its table is missing or wrong.
        ConversionError: If anything is wrong with the data; problems are listed together.
    """
    _check_settings(settings)
    source = read_source(settings.source, "cropped")
    _refuse_cropped(source)
    table = people_of(source)
    labels = source.values_of(settings.labels)
    boxes = _box_files(settings, source)
    facts = _survey(source, labels, boxes, processes)
    _refuse_axes(settings, source, facts)
    rule = _rule(settings, source, labels, facts)
    found, problems = _boxes_of_cases(settings, source, rule, facts, boxes)
    if problems:
        raise _refusal(source, problems)
    windows = {
        case.case: rule.window(
            found[case.case], facts[case.case].shape, _shift(settings, case, rule)
        )
        for case in source.cases
    }
    cut = _cut_shares(labels, facts, windows)
    log = ConversionLog("nnUNetv2_fair_crop", _plain(settings))
    log.settings["size (voxels)"] = _sizes(rule)
    log.notes = [*table.notes, *_notes(settings, source, rule, facts, windows)]
    log.notes += _cut_notes(source, table, cut)
    for note in log.notes:
        logger.info("Note: %s", note)
    names = [case.case for case in source.cases]
    return DatasetPlan(
        _description(settings, source, rule),
        [_job(case, windows[case.case], facts[case.case]) for case in source.cases],
        rows_of(table, names),
        table.schema,
        log,
        further_masks=tuple(dict.fromkeys(name for case in source.cases for name in case.further)),
        files={CROPS_JSON: _crops_text(source, rule, facts, found, windows, cut)},
        options=TargetOptions("-o", "the environment variable nnUNet_raw"),
    )


def _check_settings(settings: CropSettings) -> None:
    n = AXES[settings.axes]
    if settings.margin < 0:
        raise UsageError(f"--margin {settings.margin}: expected 0 or more.")
    if settings.jitter < 0:
        raise UsageError(f"--jitter {settings.jitter}: expected 0 or more.")
    if settings.size is not None:
        given = " ".join(map(str, settings.size))
        if len(settings.size) != n:
            expected = "two numbers (rows, columns)" if n == 2 else "three (rows, columns, slices)"
            raise UsageError(f"--size {given}: with --axes {settings.axes}, expected {expected}.")
        if min(settings.size) < 1:
            raise UsageError(f"--size {given}: expected 1 or more.")


def _refuse_cropped(source: SourceDataset) -> None:
    found = source.content.get("cropped")
    if found is not None:
        made_of = found.get("source") if isinstance(found, dict) else None
        raise ConversionError(
            f"{source.folder.name} is a cropped dataset itself; crop the one that it was made of: "
            f"-d {made_of}."
        )


def _box_files(settings: CropSettings, source: SourceDataset) -> dict[str, Path]:
    """Return the masks of ``--boxes`` by case: of all cases of a part, or none of them."""
    folder = settings.boxes
    if folder is None:
        return {}
    if not folder.is_dir():
        raise ConversionError(f"--boxes {folder} does not exist or is not a folder.")
    ending = source.ending
    files = {p.name.removesuffix(ending): p for p in sorted(folder.glob(f"*{ending}"))}
    if not files:
        raise ConversionError(f"--boxes {folder} holds no mask named <case>{ending}.")
    cases = {case.case for case in source.cases}
    strangers = sorted(set(files) - cases)
    problems = []
    if strangers:
        problems.append(
            f"{counted(len(strangers), 'mask is', 'masks are')} of cases that {source.folder.name} "
            f"does not have, or not with a reference: {shorten(strangers)}. Remove them, or name "
            "the folder of this dataset's masks"
        )
    for part in ("train", "test"):
        names = [case.case for case in source.cases if case.part == part]
        missing = [name for name in names if name not in files]
        if missing and len(missing) < len(names):
            problems.append(
                f"{counted(len(missing), f'{part} case has', f'{part} cases have')} no mask: "
                f"{shorten(missing)}. Expected masks of all cases of a part, or of none of them"
            )
    if problems:
        raise ConversionError(f"--boxes {folder} cannot be used:\n{shorten_lines(problems)}")
    return files


def _survey(
    source: SourceDataset, labels: tuple[int, ...], boxes: Mapping[str, Path], processes: int
) -> dict[str, CaseFacts]:
    orders = [SurveyOrder(case, labels, boxes.get(case.case)) for case in source.cases]
    facts = {
        order.case.case: found
        for order, found in map_unordered(survey_case, orders, processes, "measuring")
    }
    problems = [problem for case in source.cases for problem in facts[case.case].problems]
    # a case without a box of another mask needs none of its own
    empty = [
        case.case for case in source.cases if not facts[case.case].organ and case.case not in boxes
    ]
    if empty and not problems:
        what = f"the labels {shorten(labels, 12)}"
        problems.append(
            f"{counted(len(empty), 'reference holds', 'references hold')} none of {what}: "
            f"{shorten(empty, 12)}. Name masks that show where the organ is (--boxes FOLDER), "
            "other labels (--labels), or take the cases out of the dataset"
        )
    if problems:
        raise _refusal(source, problems)
    return facts


def _refuse_axes(
    settings: CropSettings, source: SourceDataset, facts: Mapping[str, CaseFacts]
) -> None:
    flat = [case.case for case in source.cases if len(facts[case.case].shape) < AXES[settings.axes]]
    if flat:
        raise UsageError(
            f"--axes {settings.axes}: {counted(len(flat), 'case has', 'cases have')} no slices "
            f"({shorten(flat)}). Choose --axes xy."
        )


def _rule(
    settings: CropSettings,
    source: SourceDataset,
    labels: tuple[int, ...],
    facts: Mapping[str, CaseFacts],
) -> CropRule:
    """Return how all images are cropped, as the training cases have it."""
    training = [case.case for case in source.cases if case.part == "train"]
    empty = [case for case in training if facts[case].organ is None]
    if empty:
        raise _refusal(source, [_no_box(empty, "is empty", "are empty")])
    organs = [organ for case in training if (organ := facts[case].organ) is not None]
    size = None
    if settings.size is not None:
        rows, columns, *slices = settings.size
        size = (*slices, rows, columns)
    return rule_of_training(
        organs, source.folder.name, settings.axes, labels, settings.margin, size
    )


def _no_box(cases: Sequence[str], one: str, many: str) -> str:
    return (
        f"--boxes: {counted(len(cases), f'mask {one}', f'masks {many}')}, so that nothing says "
        f"where the organ is: {shorten(cases, 12)}. Leave these cases out of the dataset, or "
        "predict its images with nnUNetv2_fair_predict_cascade, which falls back to the prediction "
        "of the full image"
    )


def _boxes_of_cases(
    settings: CropSettings,
    source: SourceDataset,
    rule: CropRule,
    facts: Mapping[str, CaseFacts],
    boxes: Mapping[str, Path],
) -> tuple[dict[str, Box], list[str]]:
    """Return the box of every case, and what is wrong with masks of ``--boxes``."""
    found: dict[str, Box] = {}
    empty, implausible = [], []
    for case in source.cases:
        organ = facts[case.case].organ
        exact = case.case not in boxes or case.part == "train"
        box = rule.find(organ, PLAUSIBLE_FACTOR)
        if exact and organ is not None:
            found[case.case] = organ.box
        elif box is not None:
            found[case.case] = box
        elif organ is not None:
            implausible.append(f"{case.case} ({rule.why_not(organ)})")
        else:
            empty.append(case.case)
    problems = [_no_box(empty, "is empty", "are empty")] if empty else []
    if implausible:
        what = "shows nothing as large as a training case", "show nothing as large as one"
        problems.append(_no_box(implausible, *what))
    return found, problems


def _shift(settings: CropSettings, case: SourceCase, rule: CropRule) -> tuple[int, ...]:
    """Return by how many voxels the crop of a case is moved along the cropped axes."""
    if case.part == "test" or not settings.jitter:
        return ()
    # of the name, not of the order: a case more moves no other crop
    seed = int(text_hash(f"{settings.seed}|{case.case}")[:16], 16)
    rng = np.random.default_rng(seed)
    moved = rng.integers(-settings.jitter, settings.jitter, len(rule.size), endpoint=True)
    return tuple(map(int, moved))


def _cut_shares(
    labels: tuple[int, ...], facts: Mapping[str, CaseFacts], windows: Mapping[str, Window]
) -> dict[str, float]:
    """Return the share of each case's reference that its crop does not show, from 0 to 1."""
    shares = {}
    for case, found in facts.items():
        cut = found.reference is not None and not windows[case].holds(found.reference.box)
        shares[case] = share_outside(found.labels.mask, labels, windows[case]) if cut else 0.0
    return shares


def _notes(
    settings: CropSettings,
    source: SourceDataset,
    rule: CropRule,
    facts: Mapping[str, CaseFacts],
    windows: Mapping[str, Window],
) -> list[str]:
    found = [
        f"crops have {_sizes(rule)} voxels; boxes of training cases have from "
        f"{' x '.join(map(str, rule.smallest))} to {' x '.join(map(str, rule.largest))}"
    ]
    if source.without_reference:
        n = counted(len(source.without_reference), "test case")
        found.append(
            f"{n} without a reference are left out: crop them by a prediction with "
            "nnUNetv2_fair_predict_cascade"
        )
    padded = [case for case, window in windows.items() if min(window.start) < 0]
    if padded:
        found.append(
            f"{counted(len(padded), 'image is', 'images are')} smaller than the crop and padded: "
            f"{shorten(padded)}"
        )
    thick = [
        case.case
        for case in source.cases
        if rule.axes == "xy" and _slices_are_elsewhere(facts[case.case])
    ]
    if thick:
        found.append(
            f"{counted(len(thick), 'image has', 'images have')} a larger spacing along rows or "
            f"columns than along slices, so that 'xy' may not be the plane of the slices: "
            f"{shorten(thick)}. To crop all axes: --axes xyz"
        )
    return found


def _slices_are_elsewhere(facts: CaseFacts) -> bool:
    if facts.geometry is None or len(facts.shape) < 3:
        return False
    x, y, z = facts.geometry.spacing_mm
    return max(x, y) > _THICKER * z


def _cut_notes(
    source: SourceDataset, table: DemographicsTable, cut: Mapping[str, float]
) -> list[str]:
    """Return sentences about references that are partly outside their crops, by part and group."""
    found = []
    for part in ("train", "test"):
        names = [case.case for case in source.cases if case.part == part]
        shares = [cut[name] for name in names if cut[name] > 0]
        if not shares:
            continue
        text = (
            f"{part}: the references of {len(shares)} of {len(names)} cases are partly outside "
            f"their crops (on average {100 * math.fsum(shares) / len(shares):.3g}% of the organ's "
            f"voxels, at most {100 * max(shares):.3g}%)"
        )
        for attribute in table.schema.attributes.values():
            groups: dict[str, list[float]] = {}
            for name in names if attribute.groups else ():
                value = str(table.frame.at[name, attribute.name])
                groups.setdefault(attribute.group_of(value) or UNKNOWN, []).append(cut[name])
            listed = ", ".join(
                f"{group} {sum(share > 0 for share in groups[group])} of {len(groups[group])} "
                f"(mean share of all {100 * math.fsum(groups[group]) / len(groups[group]):.3g}%)"
                for group in (*attribute.groups, UNKNOWN)
                if group in groups
            )
            if listed:
                text += f". By {attribute.name}: {listed}"
        found.append(text)
    return found


def _description(
    settings: CropSettings, source: SourceDataset, rule: CropRule
) -> DatasetDescription:
    return DatasetDescription(
        dataset_id=settings.dataset_id,
        name=settings.name,
        channel_names=tuple(map(str, source.content["channel_names"].values())),
        labels=source.labels,
        file_ending=source.ending,
        regions_class_order=source.class_order,
        description=source.described_as(f"{source.folder.name}, cropped to {_sizes(rule)} voxels"),
        further={"cropped": rule.to_dict(), **source.reader},
        **source.texts,
    )


def _job(case: SourceCase, window: Window, facts: CaseFacts) -> CaseJob:
    voxels = math.prod(window.size)
    # 8 bytes hold any number; a picture in colour has three
    per_voxel = 8 * max(3, len(case.images)) + 2 * (1 + len(case.further))
    return CaseJob(
        case.case,
        "train" if case.part == "train" else "test",
        CroppedCase(case, window, facts.labels, facts.geometry),
        fingerprint(window, facts.geometry, files=case.files),
        n_bytes=voxels * per_voxel,
        source=str(case.images[0]),
    )


def _crops_text(
    source: SourceDataset,
    rule: CropRule,
    facts: Mapping[str, CaseFacts],
    boxes: Mapping[str, Box],
    windows: Mapping[str, Window],
    cut: Mapping[str, float],
) -> str:
    lines = []
    for case in source.cases:
        window, box = windows[case.case], boxes[case.case]
        geometry = facts[case.case].geometry
        entry: dict[str, Any] = {
            "part": case.part,
            "start": window.start,
            "size": window.size,
            "shape": window.shape,
            "box": {"start": box.start, "end": box.end},
            "cut_share": cut[case.case],
        }
        if geometry is not None:
            entry |= asdict(geometry)
        lines.append(f"    {json.dumps(case.case)}: {json.dumps(entry)}")
    listed = ",\n".join(lines)
    return (
        f'{{\n  "note": {json.dumps(_NOTE)},\n  "rule": {json.dumps(rule.to_dict())},\n'
        f'  "cases": {{\n{listed}\n  }}\n}}\n'
    )


def _sizes(rule: CropRule) -> str:
    names = AXIS_NAMES[-len(rule.size) :]
    return f"{' x '.join(map(str, rule.size))} ({', '.join(names)})"


def _plain(settings: CropSettings) -> dict[str, Any]:
    chosen = asdict(settings)
    return {
        name: str(value) if isinstance(value, Path) else list(value)
        if isinstance(value, tuple) else value
        for name, value in chosen.items()
    }  # fmt: skip


def _refusal(source: SourceDataset, problems: Sequence[str]) -> ConversionError:
    return ConversionError(
        f"{source.folder.name} cannot be cropped:\n{shorten_lines(problems, 30)}"
    )
