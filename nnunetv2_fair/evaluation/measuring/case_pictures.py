"""Pictures of the worst and of typical cases, where reference and prediction disagree most."""

import logging
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import SimpleITK as sitk  # noqa: N813
from tqdm import tqdm

from nnunetv2_fair.errors import DamagedFileError, EvaluationError
from nnunetv2_fair.evaluation.masks.foreground import crop
from nnunetv2_fair.evaluation.masks.label_maps import mask_ending, read_label_map
from nnunetv2_fair.evaluation.measuring.one_case import CasePair
from nnunetv2_fair.evaluation.measuring.plan import EvaluationPlan
from nnunetv2_fair.evaluation.metrics.regions import region_mask
from nnunetv2_fair.evaluation.results.case_picture import CasePicture
from nnunetv2_fair.evaluation.results.evaluation import EvaluationResult
from nnunetv2_fair.evaluation.results.tables.per_case import (
    AVERAGE,
    EMPTY_PREDICTION,
    EMPTY_REFERENCE,
    evaluated_rows,
)
from nnunetv2_fair.evaluation.results.values import MetricInfo
from nnunetv2_fair.files.integrity import check_file, itk_reader
from nnunetv2_fair.files.nifti import quiet_itk

logger = logging.getLogger(__name__)

MAX_PIXELS = 256
_MARGIN = 0.35
_SMALLEST_CROP = 64
_MOST_GROUPS = 8
_MOST_LABELS = 8

_FLAG_WORDS = {
    EMPTY_PREDICTION: "nothing predicted",
    EMPTY_REFERENCE: "nothing in the reference",
}


def make_pictures(
    plan: EvaluationPlan,
    result: EvaluationResult,
    images: Path | None = None,
    n_worst: int = 6,
) -> list[CasePicture]:
    """Return pictures of the worst cases of each label, and of typical cases of each group.

    Of each label the worst cases are shown, and the worst of each group of the first attribute (of
    several labels, as many as there is room for).
    Typical is the case in the middle when a group's cases are ordered by the headline label's
    score; its caption tells the scores of all labels, and all are outlined.

    Groups that are too small to compare get no picture of their own and are not named in captions.

    Args:
        plan: Where the files are.
        result: What the evaluation found.
        images: Folder with ``<case>_0000.<ending>``; pictures show masks alone without it.
        n_worst: How many of the worst cases of a single label; half as many of several.

    Returns:
        At most ``MAX_PIXELS`` pixels per side; first the worst cases of each label, in the order of
        their score, then a typical one of each group.
    """
    pairs = {pair.case: pair for pair in plan.pairs}
    metric = next((m for m in result.metrics if m.name == "dice"), result.metrics[0])
    chosen = [*_worst(result, metric, n_worst), *_typical(result, metric)]
    regions, ignore = result.settings["regions"], result.settings["ignore_label"]
    pictures = []
    for wanted in tqdm(chosen, desc="Drawing cases", unit="case"):
        pair = pairs[wanted.case]
        if pair.prediction is None:
            continue
        labels = [wanted.label] if wanted.label else [la for la in result.labels if la != AVERAGE]
        values = [tuple(regions[label]) for label in labels]
        picture = _picture(pair, pair.prediction, wanted, values, ignore, images)
        if picture is not None:
            pictures.append(picture)
    return pictures


@dataclass(frozen=True)
class _Wanted:
    """A case to show; without a label, all labels of a typical case."""

    case: str
    label: str
    caption: str


def _worst(result: EvaluationResult, metric: MetricInfo, n_worst: int) -> list[_Wanted]:
    """Return the worst cases of each label: overall, and of each group that is large enough."""
    rows = evaluated_rows(result.per_case)
    labels = [label for label in result.labels if label != AVERAGE]
    large = _large_groups(result, metric)
    attribute = result.attributes[0]
    most = n_worst if len(labels) == 1 else math.ceil(n_worst / 2)
    wanted = []
    for label in labels[:_MOST_LABELS]:
        ordered = _ordered(rows, label, metric)
        picked = list(ordered["case"].head(most))
        for name in large:
            worst = ordered.loc[ordered[attribute] == name, "case"].head(1)
            picked += [case for case in worst if case not in picked]
        picked = picked if len(labels) == 1 else picked[:n_worst]
        for _, row in ordered[ordered["case"].isin(picked)].iterrows():
            parts = [_score(float(row[metric.column]), metric)]
            parts += [f"group {row[attribute]}"] if row[attribute] in large else []
            parts += [words] if (words := _FLAG_WORDS.get(str(row["flags"]))) else []
            wanted.append(_Wanted(str(row["case"]), label, ", ".join(parts)))
    return wanted


def _typical(result: EvaluationResult, metric: MetricInfo) -> list[_Wanted]:
    """Return the middle case of each group, by the score of the headline label."""
    rows = evaluated_rows(result.per_case)
    headline = _ordered(rows, result.headline_label, metric)
    attribute = result.attributes[0]
    labels = [label for label in result.labels if label != AVERAGE]
    wanted = []
    for name in _large_groups(result, metric):
        members = headline.loc[headline[attribute] == name, ["case", metric.column]]
        case, value = members.iloc[(len(members) - 1) // 2]
        parts = [_score(float(value), metric)]
        if len(labels) > 1:
            parts[0] += " on average"
            scores = rows[rows["case"] == case].set_index("label")[metric.column]
            parts += [f"{label} {_score(float(scores[label]), metric)}" for label in labels]
        wanted.append(_Wanted(str(case), "", ", ".join([*parts, f"group {name}"])))
    return wanted


def _ordered(rows: pd.DataFrame, label: str, metric: MetricInfo) -> pd.DataFrame:
    """Return the rows of a label that have a value, the worst first."""
    defined = rows[(rows["label"] == label) & rows[metric.column].notna()]
    ascending = [metric.better == "higher", True]
    return defined.sort_values([metric.column, "case"], ascending=ascending)


def _large_groups(result: EvaluationResult, metric: MetricInfo) -> list[str]:
    compared = result.comparison(result.attributes[0], metric.name, result.headline_label)
    return [name for name in compared.groups if name not in compared.left_out][:_MOST_GROUPS]


def _score(value: float, metric: MetricInfo) -> str:
    if math.isnan(value):
        return f"{metric.title} undefined"
    number = "infinite" if math.isinf(value) else f"{value:.2f}"
    return f"{metric.title} {number}{f' {metric.unit}' if metric.unit else ''}"


@quiet_itk()
def _picture(
    pair: CasePair,
    prediction_path: Path,
    wanted: _Wanted,
    values: Sequence[tuple[int, ...]],
    ignore: int | None,
    images: Path | None,
) -> CasePicture | None:
    first, second = read_label_map(pair.reference), read_label_map(prediction_path)
    scored = True if ignore is None else first.labels != ignore
    reference, prediction = (
        np.stack([region_mask(found.labels, value) & scored for value in values])
        for found in (first, second)
    )
    image = _image(pair.case, images, reference.shape[1:]) if images is not None else None
    spacing = first.geometry.spacing
    if reference.ndim == 4:
        axis, index = _slice_to_show(reference, prediction, spacing)
        turned = axis != 0 and first.geometry.placement is not None
        reference, prediction = (
            np.stack([_slice(volume, axis, index, turned) for volume in volumes])
            for volumes in (reference, prediction)
        )
        image = None if image is None else _slice(image, axis, index, turned)
        spacing = tuple(s for a, s in enumerate(spacing) if a != axis)
    if reference.ndim != 3:
        return None
    window = _window((reference | prediction).any(axis=0))
    step = math.ceil(max(side.stop - side.start for side in window) / MAX_PIXELS)
    masks = [masks[(slice(None), *window)][:, ::step, ::step] for masks in (reference, prediction)]
    return CasePicture(
        case=pair.case,
        label=wanted.label,
        caption=wanted.caption,
        image=None if image is None else _grey(_shrink(image[window], step)),
        reference=masks[0][0] if wanted.label else masks[0],
        prediction=masks[1][0] if wanted.label else masks[1],
        aspect=spacing[0] / spacing[1],
        typical=not wanted.label,
    )


def _slice_to_show(
    reference: np.ndarray, prediction: np.ndarray, spacing: Sequence[float]
) -> tuple[int, int]:
    """Return the axis with the thickest slices, and the slice with the largest disagreement.

    Masks are (labels, slices, rows, columns).
    """
    axis = int(np.argmax(spacing))
    others = tuple(other for other in range(4) if other != axis + 1)
    wrong = (reference != prediction).sum(axis=others)
    if not wrong.any():
        wrong = (reference | prediction).sum(axis=others)
    return axis, int(np.argmax(wrong))


def _slice(volume: np.ndarray, axis: int, index: int, turned: bool) -> np.ndarray:
    """Return one slice; ``turned`` puts the head, which has high indices, at the top."""
    plane = np.take(volume, index, axis=axis)
    return plane[::-1] if turned else plane


def _window(occupied: np.ndarray) -> tuple[slice, slice]:
    """Return the part of a slice to show: what is segmented, with a margin."""
    found = crop(occupied)
    if not found.labels.size:
        return slice(0, occupied.shape[0]), slice(0, occupied.shape[1])
    wanted = max(_SMALLEST_CROP, round(max(found.labels.shape) * (1 + 2 * _MARGIN)))
    sides = []
    boxes = zip(found.offset, found.labels.shape, occupied.shape, strict=True)
    for low, extent, length in boxes:
        size = min(length, wanted)
        start = (2 * low + extent - size) // 2
        start = min(max(0, start), length - size)
        sides.append(slice(start, start + size))
    return sides[0], sides[1]


def _shrink(plane: np.ndarray, step: int) -> np.ndarray:
    """Return the means of blocks of an image."""
    if step == 1:
        return plane
    rows, columns = (length // step * step for length in plane.shape)
    blocks = plane[:rows, :columns].reshape(rows // step, step, columns // step, step)
    small = plane[::step, ::step].astype(float)
    small[: rows // step, : columns // step] = blocks.mean(axis=(1, 3))
    return small


def _grey(plane: np.ndarray) -> np.ndarray:
    low, high = np.percentile(plane, [1, 99])
    if high <= low:
        return np.zeros(plane.shape)
    return np.asarray(np.clip((plane - low) / (high - low), 0, 1))


def _image(case: str, folder: Path, shape: tuple[int, ...]) -> np.ndarray | None:
    """Return the first channel of a case as grey values; None if it cannot be shown."""
    candidates = [
        path
        for path in sorted(folder.iterdir())
        if (ending := mask_ending(path)) and path.name == f"{case}_0000{ending}"
    ]
    if not candidates:
        logger.warning("%s has no image %s_0000: its picture shows the masks alone", folder, case)
        return None
    try:
        check_file(candidates[0])
        image = sitk.ReadImage(str(candidates[0]), imageIO=itk_reader(candidates[0]))
    except (DamagedFileError, OSError, RuntimeError):
        logger.warning("%s cannot be read: its picture shows the masks alone", candidates[0])
        return None
    array = sitk.GetArrayFromImage(image)
    if image.GetNumberOfComponentsPerPixel() > 1:
        array = array.mean(axis=-1)
    try:
        return np.nan_to_num(array.reshape(shape).astype(np.float32, copy=False))
    except ValueError:
        logger.warning(
            "%s has size %s, its masks %s: the picture shows the masks alone",
            candidates[0],
            array.shape,
            shape,
        )
        return None


def image_folder(explicit: Path | None, reference_folder: Path) -> Path | None:
    """Return the folder of the images: the one given, or ``imagesTs`` next to ``labelsTs``.

    Raises:
        EvaluationError: If the folder given does not exist.
    """
    if explicit is not None:
        if not explicit.is_dir():
            raise EvaluationError(
                f"{explicit} does not exist or is not a folder; --images expects the folder with "
                "<case>_0000.<ending>."
            )
        return explicit
    folder = reference_folder.resolve()
    if folder.name.startswith("labels"):
        beside = folder.with_name("images" + folder.name[len("labels") :])
        return beside if beside.is_dir() else None
    return None
