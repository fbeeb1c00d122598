"""Pictures of the worst and of typical cases, where reference and prediction disagree most."""

import logging
import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import SimpleITK as sitk  # noqa: N813
from tqdm import tqdm

from nnunetv2_fair.errors import EvaluationError
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
from nnunetv2_fair.files.nifti import quiet_itk

logger = logging.getLogger(__name__)

MAX_PIXELS = 256
_MARGIN = 0.35
_SMALLEST_CROP = 64
_MOST_GROUPS = 8

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
    """Return pictures of the worst and of typical cases of each group of the first attribute.

    Typical is the case in the middle when a group's cases are ordered by their score.

    Groups that are too small to compare get no picture of their own and are not named in captions.

    Args:
        plan: Where the files are.
        result: What the evaluation found.
        images: Folder with ``<case>_0000.<ending>``; pictures show masks alone without it.
        n_worst: How many of the worst cases overall.

    Returns:
        At most ``MAX_PIXELS`` pixels per side; first the worst cases, in the order of their score,
        then a typical one of each group.
    """
    pairs = {pair.case: pair for pair in plan.pairs}
    metric = next((m for m in result.metrics if m.name == "dice"), result.metrics[0])
    pictures = []
    chosen = _rows_to_show(result, metric, n_worst)
    for _, row in tqdm(list(chosen.iterrows()), desc="Drawing cases", unit="case"):
        pair = pairs[str(row["case"])]
        if pair.prediction is None:
            continue
        label = str(row["worst_label"])
        regions = result.settings["regions"]
        ignore = result.settings["ignore_label"]
        picture = _picture(
            pair,
            pair.prediction,
            label,
            tuple(regions[label]),
            ignore,
            _caption(row, metric),
            images,
        )
        if picture is not None:
            pictures.append(replace(picture, typical=bool(row["typical"])))
    return pictures


def _rows_to_show(result: EvaluationResult, metric: MetricInfo, n_worst: int) -> pd.DataFrame:
    """Return the rows of the cases to show, with the label to outline and the group to name."""
    rows = evaluated_rows(result.per_case)
    ascending = metric.better == "higher"
    headline = rows[(rows["label"] == result.headline_label) & rows[metric.column].notna()]
    ordered = headline.sort_values([metric.column, "case"], ascending=[ascending, True])
    attribute = result.attributes[0]
    compared = result.comparison(attribute, metric.name, result.headline_label)
    large = [name for name in compared.groups if name not in compared.left_out]
    picked = list(ordered["case"].head(n_worst))
    for name in large[:_MOST_GROUPS]:
        worst = ordered.loc[ordered[attribute] == name, "case"].head(1)
        picked += [case for case in worst if case not in picked]
    typical = []
    for name in large[:_MOST_GROUPS]:
        members = ordered.loc[ordered[attribute] == name, "case"]
        typical += [case for case in members.iloc[[len(members) // 2]] if case not in picked]
    worst_rows = ordered[ordered["case"].isin(picked)].assign(typical=False)
    by_case = ordered.set_index("case", drop=False)
    chosen = pd.concat([worst_rows, by_case.loc[typical].assign(typical=True)])
    chosen["group"] = [name if name in large else "" for name in chosen[attribute]]

    single = rows[(rows["label"] != AVERAGE) & rows[metric.column].notna()]
    single = single.sort_values(metric.column, ascending=ascending, kind="stable")
    worst_label = single.drop_duplicates("case").set_index("case")
    chosen["worst_label"] = chosen["case"].map(worst_label["label"])
    chosen["worst_value"] = chosen["case"].map(worst_label[metric.column])
    chosen["worst_flags"] = chosen["case"].map(worst_label["flags"])
    return chosen


def _caption(row: pd.Series, metric: MetricInfo) -> str:
    value = float(row["worst_value"])
    number = "infinite" if math.isinf(value) else f"{value:.2f}"
    parts = [f"{metric.title} {number}{f' {metric.unit}' if metric.unit else ''}"]
    if row["group"]:
        parts.append(f"group {row['group']}")
    words = _FLAG_WORDS.get(str(row["worst_flags"]))
    if words:
        parts.append(words)
    return ", ".join(parts)


@quiet_itk()
def _picture(
    pair: CasePair,
    prediction_path: Path,
    label: str,
    values: tuple[int, ...],
    ignore: int | None,
    caption: str,
    images: Path | None,
) -> CasePicture | None:
    first, second = read_label_map(pair.reference), read_label_map(prediction_path)
    reference, prediction = (region_mask(found.labels, values) for found in (first, second))
    if ignore is not None:
        scored = first.labels != ignore
        reference, prediction = reference & scored, prediction & scored
    image = _image(pair.case, images, reference.shape) if images is not None else None
    spacing = first.geometry.spacing
    if reference.ndim == 3:
        axis, index = _slice_to_show(reference, prediction, spacing)
        turned = axis != 0 and first.geometry.placement is not None
        reference, prediction = (
            _slice(volume, axis, index, turned) for volume in (reference, prediction)
        )
        image = None if image is None else _slice(image, axis, index, turned)
        spacing = tuple(s for a, s in enumerate(spacing) if a != axis)
    if reference.ndim != 2:
        return None
    window = _window(reference | prediction)
    step = math.ceil(max(side.stop - side.start for side in window) / MAX_PIXELS)
    return CasePicture(
        case=pair.case,
        label=label,
        caption=caption,
        image=None if image is None else _grey(_shrink(image[window], step)),
        reference=_shrink(reference[window], step),
        prediction=_shrink(prediction[window], step),
        aspect=spacing[0] / spacing[1],
    )


def _slice_to_show(
    reference: np.ndarray, prediction: np.ndarray, spacing: Sequence[float]
) -> tuple[int, int]:
    """Return the axis with the thickest slices, and the slice with the largest disagreement."""
    axis = int(np.argmax(spacing))
    others = tuple(other for other in range(3) if other != axis)
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
    """Return every ``step``-th pixel for masks, block means for images."""
    if step == 1 or plane.dtype == np.bool_:
        return plane[::step, ::step]
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
        image = sitk.ReadImage(str(candidates[0]))
    except RuntimeError:
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
