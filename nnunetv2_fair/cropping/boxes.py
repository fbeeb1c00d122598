"""Boxes around the breast that holds the tumour, and predictions restricted to them.

MAMA-MIA's json files give ``x_min`` to ``z_max`` as indices of the array that SimpleITK returns:
``x`` counts along its *first* axis, which is the image's z. Here boxes have the axes of the array
throughout: (slices, rows, columns).

Source: the sample submission of the MAMA-MIA challenge 2025, which crops
``array[x_min:x_max, y_min:y_max, z_min:z_max]``.
"""

import json
import math
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from nnunetv2_fair.cropping.box import Box
from nnunetv2_fair.errors import ConversionError, shorten, shorten_lines
from nnunetv2_fair.files.json_files import read_json_object
from nnunetv2_fair.files.nifti import quiet_itk
from nnunetv2_fair.files.outputs import one_unit, output_folder
from nnunetv2_fair.files.pool import map_unordered
from nnunetv2_fair.files.volumes import (
    ImageGeometry,
    geometry_of,
    read_image,
    verify_volume,
    write_volume,
)

#: File of a dataset's folder that holds the boxes of its cases.
BREAST_BOXES_JSON = "breast_boxes.json"

_COMMAND = "nnUNetv2_fair_apply_breast_box"
_AXES = ("slices", "rows", "columns")
_NOTE = (
    "Index ranges [first, end) along the axes of the array (slices, rows, columns), which is "
    "(z, y, x) of the image, in the files of this dataset."
)


def box_of_coordinates(coordinates: Mapping[str, Any]) -> Box:
    """Return the box that ``breast_coordinates`` of a MAMA-MIA json file describes.

    Raises:
        ConversionError: If a key is absent, not a whole number or negative, or a range is empty.
    """
    numbers: dict[str, int] = {}
    for key in (f"{axis}_{end}" for axis in "xyz" for end in ("min", "max")):
        value = coordinates.get(key)
        try:
            number = float(value)  # type: ignore[arg-type]
        except (TypeError, ValueError):
            number = math.nan
        if not number.is_integer() or number < 0:  # NaN is not an integer either
            raise ConversionError(f"breast_coordinates: {key} is {value!r}, expected an index.")
        numbers[key] = int(number)
    start = (numbers["x_min"], numbers["y_min"], numbers["z_min"])
    end = (numbers["x_max"], numbers["y_max"], numbers["z_max"])
    if any(a >= b for a, b in zip(start, end, strict=True)):
        raise ConversionError(
            f"breast_coordinates: the minima {start} are not all below the maxima {end}."
        )
    return Box(start, end)


def box_on_grid(
    box: Box,
    old: ImageGeometry,
    old_shape: Sequence[int],
    new: ImageGeometry,
    new_shape: Sequence[int],
) -> Box:
    """Return the voxels of another grid whose centres are in the box.

    Args:
        box: Box on the old grid; it reaches to the faces of its outermost voxels, and at the edge
            of the image beyond.
        old: ImageGeometry of the array that the box belongs to.
        old_shape: (slices, rows, columns) of that array.
        new: ImageGeometry with parallel axes, in any order and direction.
        new_shape: (slices, rows, columns) of the new array.

    Raises:
        ConversionError: If no voxel is inside.
    """
    old_axes = np.reshape(old.direction, (3, 3)) * old.spacing_mm
    new_axes = np.reshape(new.direction, (3, 3)) * new.spacing_mm
    step = np.linalg.solve(old_axes, new_axes)  # old index per new index, x y z
    first = np.linalg.solve(old_axes, np.subtract(new.origin_mm, old.origin_mm))
    ranges = []
    for axis in range(3):
        source = int(np.argmax(np.abs(step[:, axis])))
        position = first[source] + step[source, axis] * np.arange(new_shape[2 - axis])
        position = np.clip(position, 0, old_shape[2 - source] - 1)
        low, high = box.start[2 - source] - 0.5, box.end[2 - source] - 0.5
        inside = np.flatnonzero((position >= low) & (position < high))
        if not inside.size:
            raise ConversionError(f"the breast box {box} holds no voxel of the new grid.")
        ranges.append((int(inside[0]), int(inside[-1]) + 1))
    z, y, x = ranges[::-1]
    return Box((z[0], y[0], x[0]), (z[1], y[1], x[1]))


def boxes_text(boxes: Mapping[str, tuple[Box, Sequence[int]]]) -> str:
    """Return the content of ``breast_boxes.json``.

    Args:
        boxes: Box of each case, and the shape of the array that it belongs to.
    """
    cases = {
        case: {
            "shape": list(shape),
            **{name: [box.start[i], box.end[i]] for i, name in enumerate(_AXES)},
        }
        for case, (box, shape) in sorted(boxes.items())
    }
    lines = [f"    {json.dumps(case)}: {json.dumps(entry)}" for case, entry in cases.items()]
    listed = ",\n".join(lines)
    return f'{{\n  "note": {json.dumps(_NOTE)},\n  "cases": {{\n{listed}\n  }}\n}}\n'


def read_boxes(path: Path) -> dict[str, tuple[Box, tuple[int, int, int]]]:
    """Read ``breast_boxes.json``: the box of each case, and its array's shape.

    Raises:
        ConversionError: If the file is missing or not as :func:`boxes_text` writes it, or if a
            box is empty.
    """
    expected = (
        "nnUNetv2_fair_convert_MAMA_MIA writes it where the download has patient_info_files; name "
        "another file with --boxes."
    )
    content = read_json_object(path, ConversionError, expected)
    cases = content.get("cases")
    if not isinstance(cases, dict):
        raise ConversionError(f"{path} is not a file of breast boxes. {expected}")
    result = {}
    for case, entry in cases.items():
        try:
            (a, b), (c, d), (e, f) = (map(_index, entry[name]) for name in _AXES)
            z, y, x = map(_index, entry["shape"])
        except (ValueError, KeyError, TypeError) as error:
            raise ConversionError(
                f"{path}, case '{case}': expected 'shape' with three whole numbers, and "
                f"{', '.join(map(repr, _AXES))} with a first index and an end each. {expected}"
            ) from error
        box, shape = Box((a, c, e), (b, d, f)), (z, y, x)
        if not all(start < end for start, end in zip(box.start, box.end, strict=True)):
            raise ConversionError(
                f"{path}, case '{case}': the box from {box.start} to {box.end} is empty, so that "
                f"nothing of the prediction would be left. {expected}"
            )
        result[case] = (box, shape)
    return result


def _index(value: object) -> int:
    """Return a whole number from 0 on; ``int`` would also take 2.7, True and the signs of "12"."""
    if type(value) is not int or value < 0:
        raise ValueError(value)
    return value


@dataclass(frozen=True)
class MaskingOrder:
    """A prediction, where the masked one goes, and its box.

    Attributes:
        source: Predicted label map.
        target: File to write.
        box: What to keep; None copies the file.
        shape: Shape of the array that the box belongs to.
    """

    source: Path
    target: Path
    box: Box | None
    shape: tuple[int, ...] = ()


@quiet_itk()
def apply_box(order: MaskingOrder) -> int | str:
    """Write a prediction whose labels outside the box are background.

    Returns:
        How many voxels became background (with 0, the file is a copy of the original), or the
        problem in words.
    """
    import SimpleITK

    try:
        image = read_image(order.source)
        labels = SimpleITK.GetArrayFromImage(image)
        if order.box is None:
            removed = 0
        elif labels.shape != order.shape:
            return (
                f"{order.source.name} has {' x '.join(map(str, labels.shape))} voxels, its box "
                f"belongs to an image of {' x '.join(map(str, order.shape))}. Predict the images "
                "of the dataset that the boxes belong to"
            )
        else:
            removed = order.box.outside(labels)
        if order.box is None or not removed:
            shutil.copyfile(order.source, order.target)
            return 0
        kept = np.zeros_like(labels)
        kept[order.box.slices] = labels[order.box.slices]
        write_volume(order.target, kept, geometry_of(image))
        verify_volume(order.target, kept, geometry_of(image))
    except ConversionError as error:
        return str(error)
    return removed


@dataclass(frozen=True)
class MaskedPredictions:
    """What :func:`apply_boxes` did.

    Attributes:
        n_predictions: Predictions written.
        n_changed: Those that lost voxels.
        n_removed: Voxels that became background.
        without_box: Cases that have no box; their files are copies.
    """

    n_predictions: int
    n_changed: int
    n_removed: int
    without_box: tuple[str, ...]


def apply_boxes(
    predictions: Mapping[str, Path],
    boxes_file: Path,
    out: Path,
    *,
    keep_without_box: bool = False,
    overwrite: bool = False,
    processes: int = 1,
) -> MaskedPredictions:
    """Write predictions whose labels outside their boxes are background; all of them or none.

    Args:
        predictions: File of each case.
        boxes_file: As :func:`boxes_text` writes it.
        out: Folder for files of the same names.
        keep_without_box: Copy predictions of cases without box instead of refusing them.
        overwrite: Whether ``out`` may hold files of these names.
        processes: How many processes work, from 1 on.

    Raises:
        UsageError: If ``out`` holds files, unless ``overwrite`` is set.
        ConversionError: If the boxes are missing or damaged, cases have no box, or a box belongs
            to another image.
    """
    boxes = read_boxes(boxes_file)
    without = tuple(case for case in predictions if case not in boxes)
    if without and not keep_without_box:
        raise ConversionError(
            f"{boxes_file} has no box of {len(without)} of the {len(predictions)} cases that were "
            f"predicted: {shorten(without)}. To copy these as they are: --keep-without-box"
        )
    names = [source.name for source in predictions.values()]
    with output_folder(out, _COMMAND, names, overwrite=overwrite), one_unit(out, _COMMAND) as unit:
        orders = [
            MaskingOrder(source, unit / source.name, *boxes.get(case, (None, ())))
            for case, source in predictions.items()
        ]
        found = [result for _, result in map_unordered(apply_box, orders, processes, "masking")]
        problems = sorted(result for result in found if isinstance(result, str))
        if problems:
            raise ConversionError(f"{out} was not written:\n{shorten_lines(problems)}")
    removed = [result for result in found if isinstance(result, int)]
    return MaskedPredictions(
        len(names), sum(1 for count in removed if count), sum(removed), without
    )
